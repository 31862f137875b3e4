/** Every request goes to the scenarios' application. */

import { exchangeOf, responseOf, siteOfProcess } from '../../site.js'

export default defineEventHandler(async (event) =>
  responseOf(await siteOfProcess().handler(exchangeOf(toWebRequest(event), event.context.session))),
)
