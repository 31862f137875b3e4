/** The example of NestJS, compiled and in Chromium. Its scenarios are in test/flow. */

import { join } from 'node:path'
import { exampleTests } from './example.ts'
import { prepare, runIn } from './prepare.ts'

const folder = prepare('nest')
runIn(folder, join(folder, 'node_modules/.bin/tsc'), [])

exampleTests('NestJS', {
  folder,
  command: () => [process.execPath, 'dist/main.js'],
  env: (port) => ({ PORT: String(port) }),
  loginPath: '/login',
})
