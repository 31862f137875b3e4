/** The adapter for SvelteKit: the scenarios, through an endpoint of a production build; and the example, in Chromium. */

import { join } from 'node:path'
import { scenarios } from '../flow/suite.ts'
import { exampleTests } from './example.ts'
import { environment, plant, prepare, runIn } from './prepare.ts'

const folder = prepare('sveltekit')
const flow = await plant('sveltekit', folder)
const command = join(folder, 'node_modules/.bin/vite')
for (const each of [folder, flow]) runIn(each, command, ['build'])
runIn(folder, join(folder, 'node_modules/.bin/svelte-check'), ['--tsconfig', 'tsconfig.json'])

scenarios({
  name: 'SvelteKit 3',
  spawn: () => ({ command: process.execPath, args: ['build/index.js'], cwd: flow, env: environment() }),
  except: {
    'a SessionError that the handler throws is answered with its status and code':
      'scripts get it; to people SvelteKit shows its own error page, with the status and the message',
    'a malformed Host or X-Forwarded-*: 400, and the handler never runs':
      'adapter-node has its own 400 for such a Host',
    'an exemption is one exact path':
      'SvelteKit redirects /hook/ to /hook, before anything of the application runs',
  },
})

exampleTests('SvelteKit', {
  folder,
  command: () => [process.execPath, 'build/index.js'],
  env: (port) => ({ HOST: '127.0.0.1', PORT: String(port) }),
})
