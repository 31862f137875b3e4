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
  spawn: () => ({ command: process.execPath, args: ['server.mjs'], cwd: flow, env: environment() }),
  except: {
    'a client that goes away before the head: the commit still happens when the handler ends the response':
      'React Router gives up a request whose client has gone: nothing of it is stored',
  },
})

exampleTests('React Router', {
  folder,
  command: () => server,
  env: (port) => ({ HOST: '127.0.0.1', PORT: String(port) }),
  loginPath: '/?index',
})
