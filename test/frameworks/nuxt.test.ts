/** The adapter for Nuxt: the scenarios, through a route of a production build; and the example, in Chromium. */

import { join } from 'node:path'
import { scenarios } from '../flow/suite.ts'
import { exampleTests } from './example.ts'
import { environment, plant, prepare, runIn } from './prepare.ts'

const folder = prepare('nuxt')
const flow = await plant('nuxt', folder)
for (const each of [folder, flow]) runIn(each, join(folder, 'node_modules/.bin/nuxt'), ['build'])

const server = [process.execPath, '.output/server/index.mjs'] as const

scenarios({
  name: 'Nuxt 4',
  spawn: () => ({ command: server[0], args: [server[1]], cwd: flow, env: environment() }),
})

exampleTests('Nuxt', {
  folder,
  command: () => server,
  env: (port) => ({ HOST: '127.0.0.1', PORT: String(port) }),
  loginPath: '/login',
})
