/** The adapter for React Router: the scenarios, through a resource route of a production build; and the example, in Chromium. */

import { join } from 'node:path'
import { scenarios } from '../flow/suite.ts'
import { exampleTests } from './example.ts'
import { environment, plant, prepare, runIn } from './prepare.ts'

const folder = prepare('react-router')
const flow = await plant('react-router', folder)
const programs = join(folder, 'node_modules/.bin')
for (const each of [folder, flow]) runIn(each, join(programs, 'react-router'), ['build'])
runIn(folder, join(programs, 'react-router'), ['typegen'])
runIn(folder, join(programs, 'tsc'), [])

const server = [join(programs, 'react-router-serve'), 'build/server/index.js'] as const

scenarios({
  name: 'React Router 8',
  spawn: () => ({ command: server[0], args: [server[1]], cwd: flow, env: environment() }),
})

exampleTests('React Router', {
  folder,
  command: () => server,
  env: (port) => ({ HOST: '127.0.0.1', PORT: String(port) }),
  loginPath: '/?index',
})
