/** Every request goes to the scenarios' application. */

import { exchangeOf, responseOf, siteOfProcess } from '../../../site.js'

const serve = async ({ request, locals }) =>
  responseOf(await siteOfProcess().handler(exchangeOf(request, locals.session)))

export { serve as fallback, serve as GET, serve as POST }
