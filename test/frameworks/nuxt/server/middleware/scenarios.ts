/** Every request goes to the scenarios' application. */

import { exchangeOf, responseOf, siteOfProcess } from '../../site.js'

export default defineEventHandler(async (event) => {
  // Nuxt asks itself for its error page.
  if (event.path.startsWith('/__nuxt')) return
  return responseOf(await siteOfProcess().handler(exchangeOf(toWebRequest(event), event.context.session)))
})
