/** A server of `node:http` in a process of its own, as frameworks have: what `siteOfProcess` says, on `PORT`. */

import { createServer } from 'node:http'
import { node } from './adapters.ts'
import { siteOfProcess } from './site.ts'

const { sessions, handler } = siteOfProcess()
createServer(await node.listen(sessions, handler)).listen(Number(process.env.PORT), process.env.HOST)
