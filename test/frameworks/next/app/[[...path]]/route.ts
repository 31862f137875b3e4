/** Every request goes to the scenarios' application. */

import { protect } from 'holdfast/next'
import { exchangeOf, responseOf, siteOfProcess } from '../../site.js'

const serve = async (request: Request) => {
  const { sessions, handler } = siteOfProcess()
  return protect(sessions, async (request, session) =>
    responseOf(await handler(exchangeOf(request, session))),
  )(request)
}

export {
  serve as DELETE,
  serve as GET,
  serve as HEAD,
  serve as OPTIONS,
  serve as PATCH,
  serve as POST,
  serve as PUT,
}
