/** One system in a process of its own. Its parent asks it for the processor time that it has used. @module */

import type { System } from './systems/tasks.ts'

const [, , file, name] = process.argv
// By names that are not known here: each process loads its own system alone, and none of the others.
const { [name!]: start } = (await import(`./systems/${file}`)) as Record<string, () => Promise<System>>
const { port } = await start!()

process.on('message', (question) => {
  if (question !== 'cpu') process.exit(0)
  const { user, system } = process.cpuUsage()
  process.send!(user + system)
})
process.on('disconnect', () => process.exit(0))
process.send!(port)
