/** The adapter for Next.js: the scenarios, through the route handler of a production build. */

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after } from 'node:test'
import { type RequestListener } from 'node:http'
import { protect, watchRequests } from 'holdfast/next'
import type { Adapter } from '../flow/harness.ts'
import { scenarios } from '../flow/suite.ts'
import { answerFlow } from './flow.ts'
import { plant, prepare, runIn } from './prepare.ts'

type Serve = (request: Request) => Promise<Response>

process.env.NEXT_TELEMETRY_DISABLED = '1'
const folder = prepare('next')
const dir = plant('next', folder)
runIn(dir, join(folder, 'node_modules/.bin/next'), ['build'])

const next = createRequire(join(dir, 'package.json'))('next')
const app = next({ dev: false, dir, quiet: true })
await app.prepare()
watchRequests()
after(() => app.close())
const handle: RequestListener = app.getRequestHandler()

const sites = new Map<string, Serve>()
Object.assign(globalThis, {
  holdfastFlow: (request: Request) => sites.get(request.headers.get('x-site')!)!(request),
})

const adapter: Adapter = {
  name: 'next',
  listen(sessions, handler) {
    const name = String(sites.size)
    sites.set(name, protect(sessions, answerFlow(handler)))
    return (req, res) => {
      req.headers['x-site'] = name
      handle(req, res)
    }
  },
}

scenarios(adapter)
