/** The adapter for Next.js: the scenarios, through a route handler of a production build; and the example, in Chromium. */

import { join } from 'node:path'
import { scenarios } from '../flow/suite.ts'
import { exampleTests } from './example.ts'
import { environment, plant, prepare, runIn } from './prepare.ts'

const folder = prepare('next')
const flow = await plant('next', folder)
const command = join(folder, 'node_modules/.bin/next')
for (const each of [folder, flow]) runIn(each, command, ['build'])

const before = 'Next.js redirects such a path to its usual form, before anything of the application runs'

scenarios({
  name: 'Next.js 16',
  spawn: () => ({ command: process.execPath, args: ['server.mjs'], cwd: flow, env: environment() }),
  except: {
    'a redirect to HTTPS never leads to another host': before,
    'an exemption is one exact path': before,
  },
})

exampleTests('Next.js', {
  folder,
  command: (port) => [command, 'start', '--hostname', '127.0.0.1', '--port', String(port)],
})
