/** Another process on the same file: `node sqlite-child.ts ROLE FILE [COUNT]`. Prints what the tests wait for. @module */

import { writeSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { sqlite } from '../../src/engines/sqlite.ts'

const [role, file = '', count = '0'] = process.argv.slice(2)

switch (role) {
  case 'increment':
    await increment(Number(count))
    break
  case 'open':
    await open()
    break
  case 'write':
    await write()
    break
  case 'lock':
    await lock('BEGIN IMMEDIATE', Number(count))
    break
  case 'lock-exclusive':
    await lock('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE', Number(count))
    break
  default:
    throw new Error(`no role ${role}`)
}

/** Adds one to the row `counter`, so many times, by compare-and-swap. */
async function increment(times: number): Promise<void> {
  const engine = sqlite(file)
  for (let done = 0; done < times; ) {
    const record = await engine.load('counter')
    if (!record) throw new Error('the row is gone')
    const data = JSON.stringify({ n: JSON.parse(record.data).n + 1 })
    if (await engine.replace({ ...record, version: record.version + 1, data }, record.version)) done += 1
  }
  await engine.close?.()
}

/** Opens a file that may be new at the moment named in COUNT, and claims the one user `ada`. */
async function open(): Promise<void> {
  while (Date.now() < Number(count)) {}
  const engine = sqlite(file)
  const user = {
    userId: 'ada',
    version: 1,
    notBefore: 0,
    credential: null,
    sessions: [],
    ending: [],
    expiresAt: 1,
  }
  say((await engine.replaceUser(user, 0)) ? 'claimed' : 'late')
  await engine.close?.()
}

/** Replaces the row `counter` for ever, and says each version that was acknowledged. */
async function write(): Promise<void> {
  const engine = sqlite(file)
  let record = (await engine.load('counter'))!
  for (;;) {
    const next = {
      ...record,
      version: record.version + 1,
      data: JSON.stringify({ n: record.version, pad: 'x'.repeat(5_000) }),
    }
    if (!(await engine.replace(next, record.version))) throw new Error('a foreign write')
    record = next
    say(String(next.version))
  }
}

/** Holds the file's lock for so many milliseconds. */
async function lock(sql: string, millis: number): Promise<void> {
  const database = new DatabaseSync(file)
  database.exec(sql)
  say('locked')
  await new Promise((done) => setTimeout(done, millis))
  database.exec('COMMIT')
  database.close()
  say('released')
}

/** Unbuffered: a killed process would take the rest of its buffer along. */
function say(line: string): void {
  writeSync(1, `${line}\n`)
}
