/** All of the scenarios' application, in one file for the frameworks that bundle it. */

export { exchangeOf, responseOf } from '../flow/application.ts'
export { siteOfProcess } from '../flow/site.ts'
