/** Every request goes to the scenarios' application. */

import { exchangeOf, responseOf } from '../site.js'
import { sessionContext, site } from './sessions.server.ts'

const serve = async ({ request, context }) =>
  responseOf(await site.handler(exchangeOf(request, context.get(sessionContext))))

export { serve as action, serve as loader }
