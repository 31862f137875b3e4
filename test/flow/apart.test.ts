/** The scenarios against a server in a process of its own: the form in which whole frameworks run them. */

import { join } from 'node:path'
import { scenarios } from './suite.ts'

scenarios({
  name: 'node:http, apart',
  unrecorded: true,
  spawn: () => ({
    command: process.execPath,
    args: ['--conditions=holdfast-source', 'apart-server.ts'],
    cwd: join(import.meta.dirname),
  }),
})
