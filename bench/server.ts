/** One system in a process of its own. Its parent asks it for the processor time that it has used, and where it went. @module */

import { type Parts, startProfile } from './profile.ts'
import type { System } from './systems/tasks.ts'

const [, , file, name] = process.argv
// By names that are not known here: each process loads its own system alone, and none of the others.
const { [name!]: start } = (await import(`./systems/${file}`)) as Record<string, () => Promise<System>>
const { port } = await start!()
let stop: (() => Promise<Parts>) | undefined

process.on('message', async (question) => {
  if (question === 'cpu') {
    const { user, system } = process.cpuUsage()
    process.send!(user + system)
  } else if (question === 'profile') {
    stop = await startProfile()
    process.send!(0)
  } else if (question === 'parts') process.send!(await stop!())
  else process.exit(0)
})
process.on('disconnect', () => process.exit(0))
process.send!(port)
