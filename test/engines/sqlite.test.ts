import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import {
  DatabaseSync,
  type SQLInputValue,
  type StatementResultingChanges,
  type StatementSync,
} from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Engine, SessionRecord, UserLedger } from '../../src/core/engine.ts'
import type { RecordFilter } from '../../src/core/filter.ts'
import { type SqliteOptions, sqlite } from '../../src/engines/sqlite.ts'
import { engineContract } from '../../src/testing/engine-contract.ts'

const CHILD = fileURLToPath(new URL('./sqlite-child.ts', import.meta.url))

let folder: string
let files = 0
const children = new Set<ChildProcess>()

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-sqlite-'))
})

after(async () => {
  for (const child of children) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

describe('sqlite, in memory: the contract', () => engineContract({ test, create: () => sqlite(':memory:') }))
describe('sqlite, a file: the contract', () => engineContract({ test, create: () => sqlite(newFile()) }))
describe('sqlite, the user\u2019s own connection: the contract', () => {
  engineContract({
    test,
    create: () => sqlite(new DatabaseSync(newFile(), { readBigInts: true, returnArrays: true } as object)),
  })
})

describe('sqlite: what is searched for', () => {
  test('hands out what fits, and no more, page by page', async () => {
    const engine = sqlite(newFile())
    for (let index = 0; index < 20; index++) {
      const client = { ip: `192.0.2.${index}`, userAgent: index === 13 ? '100%_sure' : `curl/${index}` }
      await engine.create({ ...record(`s${index}`), client, createdAt: 1_700_000_000_000 + index })
    }
    const search = async (where: RecordFilter, limit = 3) => {
      const found: string[] = []
      let cursor: string | undefined
      do {
        const page = await engine.scan!({ where, limit, ...(cursor !== undefined && { cursor }) })
        found.push(...page.records.map(({ id }) => id))
        cursor = page.next
      } while (cursor !== undefined)
      return found
    }
    assert.deepEqual(await search({ ipStarts: '192.0.2.17' }), ['s17'])
    assert.deepEqual(await search({ userAgentHas: [['100%_SURE']] }), ['s13'])
    assert.deepEqual(await search({ userAgentHas: [['100%x']] }), [])
    assert.deepEqual(await search({ userAgentHas: [['%']] }), ['s13'])
    assert.deepEqual(
      await search({ userAgentHas: [['curl'], ['/1', '/2']] }, 100),
      's1 s2 s10 s11 s12 s14 s15 s16 s17 s18 s19'.split(' '),
    )
    assert.deepEqual(await search({ createdFrom: 1_700_000_000_018 }), ['s18', 's19'])
    assert.deepEqual(await search({ createdUntil: 1_700_000_000_001 }), ['s0', 's1'])
    assert.equal((await search({})).length, 20)
    await engine.close!()
  })

  test('a connection on which LIKE tells cases apart finds no less', async () => {
    const database = new DatabaseSync(newFile())
    database.exec('PRAGMA case_sensitive_like = ON')
    const engine = sqlite(database)
    await engine.create({ ...record('s'), client: { userAgent: 'CURL/8' } })
    const { records } = await engine.scan!({ limit: 9, where: { userAgentHas: [['curl']] } })
    assert.equal(records.length, 1)
    database.close()
  })
})

describe('sqlite: where it is', () => {
  test('a file is shared, memory is not, whoever opened it', () => {
    const engines = [
      sqlite(newFile()),
      sqlite(':memory:'),
      sqlite(new DatabaseSync(newFile())),
      sqlite(new DatabaseSync(':memory:')),
    ]
    assert.deepEqual(
      engines.map(({ shared }) => shared),
      [true, false, true, false],
    )
    for (const engine of engines) engine.close?.()
  })

  test('the file is for its owner alone, and so are the files that SQLite puts beside it', async () => {
    const file = newFile()
    const umask = process.umask(0)
    const engine = sqlite(file)
    await engine.create(record('a'))
    process.umask(umask)
    const beside = (await readdir(folder)).filter((name) => join(folder, name).startsWith(file))
    assert.equal(beside.length, 3)
    for (const name of beside) assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name)
    engine.close?.()
  })

  test('an existing file keeps its mode', async () => {
    const file = newFile()
    await writeFile(file, '')
    await chmod(file, 0o640)
    sqlite(file).close?.()
    assert.equal((await stat(file)).mode & 0o777, 0o640)
  })

  test('what was stored is there when the file is opened again', async () => {
    const file = newFile()
    const first = sqlite(file)
    await first.create(record('a'))
    await first.replaceUser(user('ada'), 0)
    await first.close?.()
    assert.deepEqual(
      await readdir(folder).then((names) =>
        names.filter((name) => join(folder, name).startsWith(`${file}-`)),
      ),
      [],
    )
    const second = sqlite(file)
    assert.deepEqual(await second.load('a'), record('a'))
    assert.deepEqual(await second.loadUser('ada'), user('ada'))
    await second.close?.()
  })

  test('the durability asked for is in force, in WAL mode', () => {
    for (const [options, expected] of [
      [{}, 1],
      [{ synchronous: 'normal' }, 1],
      [{ synchronous: 'full' }, 2],
    ] as const) {
      const seen: unknown[] = []
      const prepare = DatabaseSync.prototype.prepare
      DatabaseSync.prototype.prepare = function (...args) {
        if (seen.length === 0 && String(args[0]).includes('holdfast_sessions')) {
          seen.push(prepare.call(this, 'PRAGMA synchronous').get()?.synchronous)
          seen.push(prepare.call(this, 'PRAGMA journal_mode').get()?.journal_mode)
        }
        return prepare.apply(this, args)
      }
      try {
        sqlite(newFile(), options).close?.()
      } finally {
        DatabaseSync.prototype.prepare = prepare
      }
      assert.deepEqual(seen, [expected, 'wal'])
    }
  })
})

describe('sqlite: what can not be used is refused at once, by name', () => {
  const refused = (source: () => unknown, message: RegExp, options: unknown = {}) =>
    assert.throws(() => sqlite(source() as string, options as SqliteOptions), {
      name: 'SessionError',
      code: 'ERR_OPTION',
      message,
    })

  test('a folder', async () => {
    await mkdir(join(folder, 'folder'))
    refused(() => join(folder, 'folder'), /can't use .*folder: it is not a file/)
  })
  test('a folder that is not there', () =>
    refused(() => join(folder, 'no', 'file'), /can't use .*no.file: ENOENT/))
  test('a file that is no database', async () => {
    const file = newFile()
    await writeFile(file, 'Dear diary, '.repeat(1_000))
    refused(() => file, /can't use .*: file is not a database/)
    assert.equal((await stat(file)).size, 12_000, 'it is left as it was')
  })
  test('a file that may not be read or written', {
    skip: process.getuid?.() === 0 && 'root may',
  }, async () => {
    const file = newFile()
    await writeFile(file, '')
    for (const mode of [0o200, 0o400, 0]) {
      await chmod(file, mode)
      refused(() => file, /can't use .*: EACCES/)
    }
  })
  for (const source of [
    '',
    'file:sessions.db',
    'file::memory:',
    undefined,
    null,
    7,
    {},
    new URL('file:///tmp/x'),
  ]) {
    test(`${JSON.stringify(source)} for a path`, () =>
      refused(() => source, /expected the path of a file, ':memory:' or a DatabaseSync/))
  }
  test('a path with a NUL', () => refused(() => 'a\0b', /can't use/))
  test('a closed connection', () => {
    const database = new DatabaseSync(':memory:')
    database.close()
    refused(() => database, /not open/)
  })
  test('a wrong option', () => {
    refused(newFile, /synchronous: expected 'normal' or 'full', but got off/, { synchronous: 'off' })
    refused(newFile, /no option Synchronous/, { Synchronous: 'full' })
    refused(newFile, /migrate: expected true or false/, { migrate: 'no' })
    refused(() => new DatabaseSync(':memory:'), /your own connection/, { synchronous: 'full' })
  })
  test('tables of a newer version', async () => {
    const file = newFile()
    sqlite(file).close?.()
    const database = new DatabaseSync(file)
    database.exec('UPDATE holdfast_schema SET version = 99')
    refused(
      () => file,
      /can't use .*: its tables are of version 99, and this package knows 1; update holdfast/,
    )
    refused(() => database, /version 99/)
    database.close()
  })
  test('migrate: false: a file that is not there, or holds no tables or old ones, and stays as it is', async () => {
    const missing = newFile()
    refused(() => missing, /can't use .*: ENOENT/, { migrate: false })
    refused(() => ':memory:', /it holds no sessions/, { migrate: false })
    const empty = newFile()
    await writeFile(empty, '')
    const other = newFile()
    const database = new DatabaseSync(other)
    database.exec('CREATE TABLE mine (a)')
    refused(() => database, /it holds no sessions/, { migrate: false })
    database.close()
    const old = newFile()
    sqlite(old).close?.()
    const older = new DatabaseSync(old)
    older.exec('PRAGMA journal_mode = DELETE; UPDATE holdfast_schema SET version = 0')
    older.close()
    for (const file of [empty, other, old]) {
      const before = await readFile(file)
      refused(() => file, /can't use .*: it holds no sessions; npx holdfast migrate/, { migrate: false })
      assert.deepEqual(await readFile(file), before)
    }
    const names = await readdir(folder)
    assert.ok(!names.some((name) => join(folder, name).startsWith(missing)), 'none is made')
  })
  test('migrate: false on tables of this version serves, and leaves the journal mode as it is', async () => {
    const file = newFile()
    sqlite(file).close?.()
    const database = new DatabaseSync(file)
    database.exec('PRAGMA journal_mode = DELETE')
    database.close()
    const engine = sqlite(file, { migrate: false })
    assert.equal(await engine.create(record('a')), true)
    engine.close?.()
    const again = new DatabaseSync(file)
    assert.equal(again.prepare('PRAGMA journal_mode').get()!.journal_mode, 'delete')
    again.close()
  })
})

describe('sqlite: the user\u2019s own connection', () => {
  test('only busy_timeout is set on it, and close leaves it open', () => {
    const database = new DatabaseSync(newFile(), { timeout: 5_000 })
    database.exec('PRAGMA synchronous = EXTRA; PRAGMA cache_size = 77')
    const engine = sqlite(database)
    engine.close?.()
    const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]
    const seen = ['busy_timeout', 'synchronous', 'cache_size', 'journal_mode'].map(pragma)
    assert.deepEqual(seen, [0, 3, 77, 'delete'])
    database.close()
  })

  test('the user\u2019s tables may be beside ours', async () => {
    const database = new DatabaseSync(newFile())
    database.exec('CREATE TABLE users (id INTEGER PRIMARY KEY); CREATE TABLE sessions (id TEXT)')
    const engine = sqlite(database)
    await engine.create(record('a'))
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all()
    assert.deepEqual(
      tables.map(({ name }) => name),
      ['holdfast_schema', 'holdfast_sessions', 'holdfast_users', 'sessions', 'users'],
    )
    database.close()
  })

  test('a write waits for the end of the user\u2019s transaction, and so outlives its rollback', async () => {
    const database = new DatabaseSync(newFile())
    const engine = sqlite(database)
    await engine.create(record('a'))
    database.exec('BEGIN')
    const ended = engine.replace({ ...record('a'), version: 2, ended: { reason: 'logout', at: 1 } }, 1)
    assert.ok(ended instanceof Promise)
    await sleep(30)
    database.exec('ROLLBACK')
    assert.equal(await ended, true)
    assert.equal((await engine.load('a'))?.version, 2)
    database.close()
  })

  test('made inside a transaction, the engine prepares itself after it', async () => {
    const database = new DatabaseSync(newFile())
    database.exec('BEGIN')
    const engine = sqlite(database)
    const created = engine.create(record('a'))
    database.exec('ROLLBACK')
    assert.equal(await created, true)
    database.close()
  })
})

describe('sqlite: rows', () => {
  test('touch moves columns and leaves the record\u2019s text alone', async () => {
    const database = new DatabaseSync(':memory:')
    const engine = sqlite(database)
    await engine.create({ ...record('a'), data: '{"n":1}' })
    const text = () => database.prepare('SELECT record FROM holdfast_sessions').get()?.record as string
    const before = text()
    await engine.touch('a', 1, 5_000, 6_000)
    assert.equal(text(), before)
    assert.ok(!/seenAt|expiresAt|"version"|userId|"id"/.test(before), 'what has a column is not told twice')
  })

  test('a text that SQLite would change is encoded, and no other text means the same', async () => {
    const engine = sqlite(':memory:')
    const odd = ['\0', '"\\u0000"', '\ud800', '"\\ud800"', '\ud801', '\ufffd', '"', '"\\""', 'a\0b', 'a']
    for (const id of odd) assert.equal(await engine.create({ ...record(id), userId: id }), true)
    for (const id of odd) assert.deepEqual(await engine.load(id), { ...record(id), userId: id })
    for (const [i, id] of odd.entries())
      assert.equal(await engine.replaceUser({ ...user(id), notBefore: i }, 0), true)
    for (const [i, id] of odd.entries()) assert.equal((await engine.loadUser(id))?.notBefore, i)
  })

  test('a spoilt record is an error that quotes nothing of it, never a visitor', () => {
    const database = new DatabaseSync(':memory:')
    const engine = sqlite(database)
    engine.create(record('a'))
    database.exec(`UPDATE holdfast_sessions SET record = '{"secrets":top}'`)
    assert.throws(
      () => engine.load('a'),
      (error: Error) => {
        assert.match(JSON.stringify([error.name, Reflect.get(error, 'code')]), /SessionError","ERR_ENGINE/)
        assert.doesNotMatch(`${error.message} ${error.cause}`, /top/)
        return true
      },
    )
  })

  test('a sweep that finds the database busy between its two statements counts what it deleted once', async () => {
    let busy = 3
    class Contended extends DatabaseSync {
      override prepare(sql: string): StatementSync {
        const statement = super.prepare(sql)
        if (!sql.startsWith('DELETE FROM holdfast_users')) return statement
        const run = statement.run.bind(statement) as (...values: SQLInputValue[]) => StatementResultingChanges
        statement.run = (...values: unknown[]) => {
          if (busy-- > 0) throw Object.assign(new Error('database is locked'), { errcode: 517 })
          return run(...(values as SQLInputValue[]))
        }
        return statement
      }
    }
    const engine = sqlite(new Contended(':memory:'))
    for (let i = 0; i < 4; i++) await engine.create({ ...record(`s${i}`), expiresAt: 1 })
    for (let i = 0; i < 4; i++) await engine.replaceUser({ ...user(`u${i}`), expiresAt: 1 }, 0)
    assert.equal(await engine.sweep(1, 6), 6)
    assert.equal(await engine.sweep(1, 6), 2)
  })

  test('sweeps go by the index, not through the table', () => {
    const database = new DatabaseSync(':memory:')
    sqlite(database)
    for (const table of ['sessions', 'users']) {
      const plan = database
        .prepare(`EXPLAIN QUERY PLAN SELECT rowid FROM holdfast_${table} WHERE expires_at <= 1 LIMIT 1`)
        .get()
      assert.match(String(plan?.detail), /USING COVERING INDEX/)
    }
  })
})

describe('sqlite: an SQLite with the WAL-reset bug', () => {
  class Aged extends DatabaseSync {
    version = '3.51.2'
    override prepare(sql: string): StatementSync {
      return super.prepare(sql.replace('sqlite_version()', `'${this.version}'`))
    }
  }

  test('is warned of, once, in WAL mode only, and not when it is mended', async (t) => {
    const warn = t.mock.method(console, 'warn', () => {})
    const again = `../../src/engines/sqlite.ts?unwarned`
    const { sqlite: fresh } = (await import(again)) as { sqlite: typeof sqlite }
    const opened = (version: string, mode: string) => {
      const database = new Aged(newFile())
      database.version = version
      database.exec(`PRAGMA journal_mode = ${mode}`)
      fresh(database)
      database.close()
      return warn.mock.callCount()
    }
    assert.deepEqual(
      [opened('3.51.3', 'wal'), opened('3.53.0', 'wal'), opened('4.0.0', 'wal'), opened('3.51.2', 'delete')],
      [0, 0, 0, 0],
    )
    assert.deepEqual([opened('3.51.2', 'wal'), opened('3.50.4', 'wal')], [1, 1])
    assert.match(String(warn.mock.calls[0]?.arguments[0]), /3\.51\.2 .*corrupt/)
  })
})

describe('sqlite: answers', () => {
  test('come at once, without promises, while the database is free', async () => {
    const engine = sqlite(newFile())
    const answers = [
      engine.load('a'),
      engine.create(record('a')),
      engine.replace({ ...record('a'), version: 2 }, 1),
      engine.touch('a', 2, 2, 2),
      engine.replaceUser(user('ada'), 0),
      engine.loadUser('ada'),
      engine.scan?.({ limit: 1 }),
      engine.sweep(0, 1),
    ]
    for (const answer of answers) assert.ok(!(answer instanceof Promise))
    engine.close?.()
  })

  test('after close are an error, and closing twice is none', () => {
    for (const engine of [sqlite(newFile()), sqlite(new DatabaseSync(':memory:'))]) {
      engine.close?.()
      engine.close?.()
      assert.throws(() => engine.load('a'), { code: 'ERR_ENGINE', status: 503, message: /closed/ })
    }
  })

  test('of a connection that its owner closed are an error', () => {
    const database = new DatabaseSync(':memory:')
    const engine = sqlite(database)
    database.close()
    assert.throws(() => engine.load('a'), { code: 'ERR_ENGINE' })
  })
})

describe('sqlite: two connections, one file', () => {
  test('each sees what the other wrote at once, and a swap by one makes the other lose', async () => {
    const file = newFile()
    const [a, b] = [sqlite(file), sqlite(file)]
    await a.create(record('x'))
    assert.deepEqual(await b.load('x'), record('x'))
    assert.equal(
      await b.replace({ ...record('x'), version: 2, ended: { reason: 'revoked', at: 1 } }, 1),
      true,
    )
    assert.equal(await a.replace({ ...record('x'), version: 2 }, 1), false)
    assert.equal((await a.load('x'))?.ended?.reason, 'revoked')
    await a.close?.()
    assert.equal((await b.load('x'))?.version, 2)
    await b.close?.()
  })
})

describe('sqlite: other processes', { concurrency: false }, () => {
  test('4 processes, 500 increments each of one row by compare-and-swap: exactly 2000', async () => {
    const { file, engine } = await counter()
    await Promise.all([1, 2, 3, 4].map(() => finished(child('increment', file, 500))))
    const { data, version } = (await engine.load('counter'))!
    assert.deepEqual([JSON.parse(data).n, version], [2_000, 2_001])
    await engine.close?.()
  })

  test('4 processes open one new file at the same moment: all serve, one schema, one insert wins', async () => {
    for (let round = 0; round < 3; round++) {
      const file = newFile()
      const at = String(Date.now() + 700)
      const lines = await Promise.all([1, 2, 3, 4].map(() => finished(child('open', file, at))))
      assert.deepEqual(lines.flat().sort(), ['claimed', 'late', 'late', 'late'])
      const database = new DatabaseSync(file)
      assert.deepEqual(
        { ...database.prepare('SELECT count(*) AS n, max(version) AS v FROM holdfast_schema').get() },
        { n: 1, v: 1 },
      )
      assert.equal(database.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok')
      database.close()
    }
  })

  test('a write lock held elsewhere: reads go on, writes wait and succeed, the event loop stays free', async () => {
    const { file, engine } = await counter()
    const holder = child('lock', file, 900)
    await line(holder, 'locked')
    const read = engine.load('counter')
    assert.ok(read && !(read instanceof Promise), 'a reader needs no lock in WAL mode')
    const delay = monitorEventLoopDelay({ resolution: 1 })
    const start = performance.now()
    const worst: number[] = []
    const writes: unknown[] = []
    while (worst.length < 5) {
      // What else the machine does adds to a delay; what SQLite's own waiting would cost adds to the least of them.
      delay.reset()
      delay.enable()
      for (let i = 0; i < 10; i++) writes.push(engine.create(record(`new${writes.length}`)))
      await sleep(100)
      delay.disable()
      worst.push(delay.max / 1e6)
    }
    for (const write of writes)
      assert.ok(write instanceof Promise, 'nothing is written while the lock is held')
    assert.deepEqual(new Set(await Promise.all(writes)), new Set([true]))
    const waited = performance.now() - start
    assert.ok(waited > 700, `waited ${waited} ms`)
    assert.ok(Math.min(...worst) < 10, `worst delays of the event loop: ${worst} ms`)
    await engine.close?.()
  })

  test('a lock that is never released: an error after two seconds, not before, and the loop stays free', async () => {
    const { file, engine } = await counter()
    const holder = child('lock', file, 60_000)
    await line(holder, 'locked')
    let ticks = 0
    const ticker = setInterval(() => ticks++, 10)
    const start = performance.now()
    await assert.rejects(async () => engine.replace({ ...record('counter'), version: 2 }, 1), {
      name: 'SessionError',
      code: 'ERR_ENGINE',
      status: 503,
      message: /locked/,
    })
    clearInterval(ticker)
    const waited = performance.now() - start
    assert.ok(waited >= 1_990 && waited < 3_000, `waited ${waited} ms`)
    assert.ok(ticks > 100, `${ticks} ticks`)
    holder.kill('SIGKILL')
    await once(holder, 'close')
    assert.equal(await engine.replace({ ...record('counter'), version: 2 }, 1), true)
    await engine.close?.()
  })

  test('a new file that another process holds locked: the engine is made, and its first verb waits', async () => {
    const file = newFile()
    await writeFile(file, '')
    const holder = child('lock-exclusive', file, 400)
    await line(holder, 'locked')
    const engine = sqlite(file)
    const created = engine.create(record('a'))
    assert.ok(created instanceof Promise)
    assert.equal(await created, true)
    assert.equal(engine.shared, true)
    assert.ok(!(engine.load('a') instanceof Promise))
    await engine.close?.()
  })

  test('closed while it waits, a write is an error', async () => {
    const { file, engine } = await counter()
    const holder = child('lock', file, 60_000)
    await line(holder, 'locked')
    const write = engine.create(record('a'))
    await engine.close?.()
    await assert.rejects(async () => write, { code: 'ERR_ENGINE', message: /closed/ })
    holder.kill('SIGKILL')
  })

  test('killed in the midst of its writes: the file is whole, and every acknowledged write is there', async () => {
    for (let round = 0; round < 5; round++) {
      const { file, engine } = await counter()
      await engine.close?.()
      const writer = child('write', file)
      const lines: string[] = []
      writer.stdout?.on('data', (chunk: string) => lines.push(chunk))
      await once(writer.stdout!, 'data')
      await sleep(50 + 37 * round)
      writer.kill('SIGKILL')
      await once(writer, 'close')
      const acknowledged = Number(lines.join('').trimEnd().split('\n').at(-1))
      const again = sqlite(file)
      const { version, data } = (await again.load('counter'))!
      assert.ok(acknowledged > 1)
      assert.ok(version === acknowledged || version === acknowledged + 1, `${version} after ${acknowledged}`)
      assert.equal(JSON.parse(data).n, version - 1, 'no half of a write')
      await again.close?.()
      const database = new DatabaseSync(file)
      assert.equal(database.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok')
      database.close()
    }
  })
})

function newFile(): string {
  files += 1
  return join(folder, `${files}.db`)
}

async function counter(): Promise<{ file: string; engine: Engine }> {
  const file = newFile()
  const engine = sqlite(file)
  await engine.create({ ...record('counter'), data: '{"n":0}' })
  return { file, engine }
}

function child(role: string, file: string, count: string | number = ''): ChildProcess {
  const process_ = spawn(
    process.execPath,
    ['--conditions=holdfast-source', '--no-warnings', CHILD, role, file, String(count)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  process_.stdout?.setEncoding('utf8')
  children.add(process_)
  process_.on('close', () => children.delete(process_))
  return process_
}

/** @returns the lines that the child said */
async function finished(running: ChildProcess): Promise<string[]> {
  let said = ''
  running.stdout?.on('data', (chunk: string) => {
    said += chunk
  })
  const [code] = await once(running, 'close')
  assert.equal(code, 0)
  return said.split('\n').filter((text) => text !== '')
}

async function line(running: ChildProcess, expected: string): Promise<void> {
  const [said] = await once(running.stdout!, 'data')
  assert.equal(String(said).trim(), expected)
}

function record(id: string): SessionRecord {
  return {
    id,
    version: 1,
    userId: 'ada',
    era: 0,
    secrets: { current: 'c', parent: null },
    createdAt: 1,
    renewedAt: 1,
    seenAt: 1,
    authenticatedAt: null,
    methods: [],
    remembered: false,
    expiresAt: 1_000_000,
    ended: null,
    client: {},
    bound: {},
    data: '{}',
  }
}

function user(userId: string): UserLedger {
  return {
    userId,
    version: 1,
    notBefore: 0,
    credential: null,
    sessions: [],
    ending: [],
    expiresAt: 1_000_000,
  }
}
