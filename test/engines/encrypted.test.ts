import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createDecipheriv, createHmac } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import type { Engine, SessionRecord, UserLedger } from '../../src/core/engine.ts'
import { generateKey } from '../../src/core/keys.ts'
import { type EncryptedOptions, encrypted } from '../../src/engines/encrypted.ts'
import { memory } from '../../src/engines/memory.ts'
import { sqlite } from '../../src/engines/sqlite.ts'
import { engineContract } from '../../src/testing/engine-contract.ts'
import { Client, codeOf, serve } from '../attacks/support.ts'

/** Set in the process that runs these tests once more, with Web Crypto in the place of `node:crypto`. */
const web = process.env.HOLDFAST_CRYPTO === 'web'
const [key, older, foreign] = [generateKey(), generateKey(), generateKey()]
const REFUSED = { name: 'SessionError', code: 'ERR_ENGINE', status: 503 }

describe('encrypted: the contract over memory', () =>
  engineContract({ test, create: () => encrypted(memory(), { keys: key }) }))

describe('encrypted: the contract over sqlite', () =>
  engineContract({ test, create: () => encrypted(sqlite(':memory:'), { keys: key }) }))

describe('encrypted: options', () => {
  for (const [options, complaint] of [
    [{}, /keys is empty/],
    [{ keys: '' }, /keys\[0\] is not base64url/],
    [{ keys: 'short-key' }, /keys\[0\] is not base64url/],
    [{ keys: key.slice(3) }, /keys\[0\] is 30 bytes long/],
    [{ keys: [key, key] }, /keys\[1\] repeats/],
    [{ keys: key, key }, /no option key$/],
    [{ keys: key, insecurePlaintext: 'yes' }, /insecurePlaintext: expected true or false/],
  ] as [EncryptedOptions, RegExp][]) {
    test(`${String(complaint)} is said of a wrong one`, () => {
      assert.throws(() => encrypted(memory(), options), { code: 'ERR_OPTION', message: complaint })
    })
  }

  test('no message repeats a key', () => {
    for (const keys of [`${key},${key}`, `${key},x`]) {
      assert.throws(
        () => encrypted(memory(), { keys }),
        ({ message }: Error) => !message.includes(key),
      )
    }
  })

  test('it is what the engine below is: shared or not, with or without scan and close', () => {
    assert.equal(encrypted(memory(), { keys: key }).shared, false)
    const { scan: _scan, close: _close, ...bare } = { ...memory(), shared: true }
    assert.deepEqual(
      [encrypted(bare, { keys: key }).shared, 'scan' in encrypted(bare, { keys: key })],
      [true, false],
    )
    assert.equal('close' in encrypted(bare, { keys: key }), false)
  })
})

test('over an engine that answers at once, every verb does', {
  skip: web && 'Web Crypto answers later',
}, () => {
  const engine = encrypted(memory(), { keys: key })
  const answers = [
    engine.create(record()),
    engine.load('a'),
    engine.replace({ ...record(), version: 2 }, 1),
    engine.touch('a', 2, 2, 2),
    engine.replaceUser(ledger(), 0),
    engine.loadUser('ada'),
    engine.scan?.({ limit: 1 }),
    engine.sweep(0, 1),
  ]
  for (const answer of answers) assert.ok(!(answer instanceof Promise))
})

describe('encrypted: what rests', () => {
  test('no word of the data is in the file; the rest of the record is', async () => {
    const database = new DatabaseSync(':memory:')
    const engine = encrypted(sqlite(database), { keys: key })
    await engine.create(record())
    const file = JSON.stringify(database.prepare('SELECT * FROM holdfast_sessions').all())
    assert.ok(!/cart|apples/.test(file), file)
    assert.ok(/ada/.test(file) && /192\.0\.2\.1/.test(file) && /Firefox/.test(file), file)
  })

  test('the form is this one, for sessions outlive releases: a key for each session, and AES-256-GCM', async () => {
    const { below, engine } = both()
    await engine.create(record())
    const { data } = (await below.load('a'))!
    const mac = (secret: Buffer, text: string) => createHmac('sha256', secret).update(text).digest()
    const root = Buffer.from(key, 'base64url')
    const name = mac(root, 'holdfast/1/data/name').subarray(0, 6).toString('base64url')
    const head = `{"sealed":"${name}.`
    assert.equal(data.slice(0, head.length), head)
    const box = Buffer.from(data.slice(head.length, -2), 'base64url')
    const aes = mac(mac(root, 'holdfast/1/data'), 'a')
    const decipher = createDecipheriv('aes-256-gcm', aes, box.subarray(0, 12)).setAuthTag(box.subarray(-16))
    decipher.setAAD(
      Buffer.from(
        '["holdfast/1/data",{"authenticatedAt":1000,"bound":{"ip":"192.0.2.0/24","user-agent":"firefox"},' +
          '"client":{"ip":"192.0.2.1","userAgent":"Firefox"},"createdAt":1000,"ended":null,"era":1,"id":"a",' +
          '"methods":["pwd"],"remembered":false,"renewedAt":1000,"secrets":{"current":"c","parent":null},' +
          '"userId":"ada","version":1}]',
      ),
    )
    assert.equal(
      Buffer.concat([decipher.update(box.subarray(12, -16)), decipher.final()]).toString(),
      record().data,
    )
  })

  test('the same data never rests twice as the same text', async () => {
    const { below, engine } = both()
    const seen = new Set<string>()
    await engine.create(record())
    for (let version = 1; version <= 50; version++) {
      seen.add((await below.load('a'))!.data)
      await engine.replace({ ...record(), version: version + 1 }, version)
    }
    assert.equal(seen.size, 50)
  })

  test('data of nothing is encrypted too: else anybody could empty a session', async () => {
    const { below, engine } = both()
    await engine.create({ ...record(), data: '{}' })
    assert.notEqual((await below.load('a'))!.data, '{}')
    assert.equal((await engine.load('a'))!.data, '{}')
  })

  test('a tombstone stays readable when its key is gone', async () => {
    const { below, engine } = both()
    await engine.create(record())
    await engine.replace(tombstone(), 1)
    const later = encrypted(below, { keys: foreign })
    assert.deepEqual((await later.load('a'))?.ended, tombstone().ended)
  })
})

describe('encrypted: somebody writes to the store', () => {
  let below: Engine
  let engine: Engine

  before(() => {
    below = memory()
    engine = encrypted(below, { keys: key })
  })

  /** Stores what `forge` makes of the stored forms of ada's and mallory's records, over ada's. */
  async function forged(forge: (hers: SessionRecord, his: SessionRecord) => SessionRecord): Promise<Engine> {
    const stored = memory()
    const wrapped = encrypted(stored, { keys: key })
    await wrapped.create(record())
    await wrapped.create({ ...record(), id: 'm', userId: 'mallory', data: '{"admin":true}' })
    const planted = memory()
    await planted.create(forge((await stored.load('a'))!, (await stored.load('m'))!))
    return encrypted(planted, { keys: key })
  }

  const ATTACKS: Record<string, (hers: SessionRecord, his: SessionRecord) => SessionRecord> = {
    'copies a whole row onto another id': (_, his) => ({ ...his, id: 'a' }),
    "puts one session's data into another's row": (hers, his) => ({ ...hers, data: his.data }),
    'gives the row to another user': (hers) => ({ ...hers, userId: 'mallory' }),
    "makes a row of a user a visitor's": (hers) => ({ ...hers, userId: null }),
    'puts the secret of his own session into it': (hers) => ({
      ...hers,
      secrets: { current: 'his', parent: null },
    }),
    'makes it authenticated just now': (hers) => ({ ...hers, authenticatedAt: 9e12 }),
    'adds a factor': (hers) => ({ ...hers, methods: ['pwd', 'otp'] }),
    'has it remembered': (hers) => ({ ...hers, remembered: true }),
    'unbinds it': (hers) => ({ ...hers, bound: {} }),
    'puts old data under a new version': (hers) => ({ ...hers, version: 2 }),
    'replaces the data by his own, in clear': (hers) => ({ ...hers, data: '{"admin":true}' }),
    'empties the data': (hers) => ({ ...hers, data: '{}' }),
    'leaves no data at all': (hers) => ({ ...hers, data: '' }),
    'cuts the data short': (hers) => ({ ...hers, data: hers.data.replace(/.{4}"\}$/, '"}') }),
    'cuts it down to a nonce': (hers) => ({ ...hers, data: hers.data.replace(/\.([\w-]{16})[\w-]*/, '.$1') }),
    'cuts it down to nothing': (hers) => ({ ...hers, data: hers.data.replace(/\.([\w-]{1})[\w-]*/, '.$1') }),
    'makes it longer': (hers) => ({ ...hers, data: hers.data.replace('"}', 'AAAA"}') }),
    'revives a tombstone': (hers) => ({ ...tombstone(), version: 1, ended: null, secrets: hers.secrets }),
  }
  for (const [name, forge] of Object.entries(ATTACKS)) {
    test(`he ${name}: refused`, async () => {
      const attacked = await forged(forge)
      await assert.rejects(async () => attacked.load('a'), REFUSED)
      await assert.rejects(async () => attacked.load('a', { fresh: true }), REFUSED)
      await assert.rejects(async () => attacked.scan!({ limit: 10 }), REFUSED)
    })
  }

  test('he changes nothing: it opens', async () => {
    assert.equal((await (await forged((hers) => hers)).load('a'))?.data, record().data)
  })

  test('he flips any bit of the data: refused', async () => {
    await engine.create({ ...record(), data: '{"a":1}' })
    const { data } = (await below.load('a'))!
    const [head, text] = [data.slice(0, data.indexOf('.') + 1), data.slice(data.indexOf('.') + 1, -2)]
    const bytes = Buffer.from(text, 'base64url')
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      const planted = memory()
      await planted.create({ ...record(), data: `${head}${flipped.toString('base64url')}"}` })
      await assert.rejects(async () => encrypted(planted, { keys: key }).load('a'), REFUSED, `bit ${bit}`)
    }
  })

  test('what a touch moves is no forgery, nor is another order of the fields', async () => {
    await engine.create({ ...record(), id: 't' })
    assert.equal(await engine.touch('t', 1, 5_000, 90_000), true)
    assert.equal((await engine.load('t'))?.seenAt, 5_000)
    const planted = memory()
    await planted.create(reversed((await below.load('t'))!))
    assert.equal((await encrypted(planted, { keys: key }).load('t'))?.data, record().data)
  })

  test('an old state of the whole row is not noticed: as SECURITY.md says', async () => {
    const stored = memory()
    const wrapped = encrypted(stored, { keys: key })
    await wrapped.create(record())
    const old = (await stored.load('a'))!
    await wrapped.replace({ ...record(), version: 2, data: '{"cart":[]}' }, 1)
    const rolledBack = memory()
    await rolledBack.create(old)
    assert.equal((await encrypted(rolledBack, { keys: key }).load('a'))?.data, record().data)
  })

  test('a request with such a session gets a 503, not an empty session', async () => {
    const database = new DatabaseSync(':memory:')
    const server = serve({ engine: encrypted(sqlite(database), { keys: key }) })
    const client = new Client(server)
    await client.login('ada')
    assert.equal(await client.whoami(), 'ada')
    database.exec(`UPDATE holdfast_sessions SET record = json_set(record, '$.data', '{}')`)
    assert.equal(await codeOf(client.begin()), 'ERR_ENGINE')
  })
})

describe('encrypted: keys roll', () => {
  test('an older key still reads, and the next write is under the newest', async () => {
    const below = memory()
    await encrypted(below, { keys: older }).create(record())
    const rolled = encrypted(below, { keys: [key, older] })
    assert.equal((await rolled.load('a'))?.data, record().data)
    const underOld = (await below.load('a'))!.data.slice(0, 20)
    await rolled.replace({ ...record(), version: 2 }, 1)
    assert.notEqual((await below.load('a'))!.data.slice(0, 20), underOld)
    assert.equal((await encrypted(below, { keys: key }).load('a'))?.data, record().data)
    await assert.rejects(async () => encrypted(below, { keys: older }).load('a'), REFUSED)
  })

  test('the wrong ring says so, and names no key', async () => {
    const { below, engine } = both()
    await engine.create(record())
    await assert.rejects(
      async () => encrypted(below, { keys: [foreign, older] }).load('a'),
      (error: Error) => {
        assert.match(error.message, /session a is under a key that keys does not hold/)
        const stored = /"sealed":"([\w-]{8})/
        for (const word of [key, foreign, older]) assert.ok(!error.message.includes(word))
        assert.ok(!error.message.includes('apples') && !stored.test(error.message))
        return true
      },
    )
  })

  test("a key's name under another key opens nothing", async () => {
    const [mine, other] = [both(), memory()]
    await mine.engine.create(record())
    await encrypted(other, { keys: older }).create(record())
    const [name] = /^.{20}/.exec((await mine.below.load('a'))!.data)!
    const planted = memory()
    await planted.create({ ...record(), data: name + (await other.load('a'))!.data.slice(20) })
    await assert.rejects(async () => encrypted(planted, { keys: [key, older] }).load('a'), REFUSED)
  })

  test('a session can be ended under whichever key', async () => {
    const below = memory()
    await encrypted(below, { keys: older }).create(record())
    const rolled = encrypted(below, { keys: [key, older] })
    assert.equal(await rolled.replace(tombstone(), 1), true)
    assert.deepEqual((await rolled.load('a'))?.ended, tombstone().ended)
  })
})

describe('encrypted: a store that was in use before', () => {
  test('its data are refused, and the message says what to do', async () => {
    const below = memory()
    await below.create(record())
    await assert.rejects(async () => encrypted(below, { keys: key }).load('a'), {
      ...REFUSED,
      message: /is not encrypted.*insecurePlaintext/,
    })
  })

  test('insecurePlaintext reads them, and the next write encrypts', async () => {
    const below = memory()
    await below.create(record())
    const moving = encrypted(below, { keys: key, insecurePlaintext: true })
    assert.equal((await moving.load('a'))?.data, record().data)
    await moving.replace({ ...record(), version: 2 }, 1)
    assert.equal((await encrypted(below, { keys: key }).load('a'))?.data, record().data)
  })

  test('insecurePlaintext accepts no data that were encrypted for another record', async () => {
    const { below, engine } = both()
    await engine.create(record())
    const planted = memory()
    await planted.create({ ...(await below.load('a'))!, id: 'b' })
    const moving = encrypted(planted, { keys: key, insecurePlaintext: true })
    await assert.rejects(async () => moving.load('b'), REFUSED)
  })
})

test('all of this holds where Web Crypto encrypts', { skip: web }, async () => {
  const twin = new URL('../../src/runtime/crypto.web.ts', import.meta.url).href
  const hook = `import { registerHooks } from 'node:module'
    registerHooks({ resolve: (name, context, next) =>
      next(name === '#crypto' ? ${JSON.stringify(twin)} : name, context) })`
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env
  await promisify(execFile)(
    process.execPath,
    [
      '--conditions=holdfast-source',
      `--import=data:text/javascript,${encodeURIComponent(hook)}`,
      '--test-reporter=tap',
      '--test',
      import.meta.filename,
    ],
    { env: { ...env, HOLDFAST_CRYPTO: 'web' }, maxBuffer: 16 * 1024 * 1024 },
  )
})

function both(): { below: Engine; engine: Engine } {
  const below = memory()
  return { below, engine: encrypted(below, { keys: key }) }
}

function record(): SessionRecord {
  return {
    id: 'a',
    version: 1,
    userId: 'ada',
    era: 1,
    secrets: { current: 'c', parent: null },
    createdAt: 1_000,
    renewedAt: 1_000,
    seenAt: 1_000,
    authenticatedAt: 1_000,
    methods: ['pwd'],
    remembered: false,
    expiresAt: 60_000,
    ended: null,
    client: { ip: '192.0.2.1', userAgent: 'Firefox' },
    bound: { ip: '192.0.2.0/24', 'user-agent': 'firefox' },
    data: '{"cart":["apples"]}',
  }
}

function tombstone(): SessionRecord {
  const secrets = { current: '', parent: null }
  return { ...record(), version: 2, secrets, bound: {}, data: '{}', ended: { reason: 'logout', at: 2_000 } }
}

function ledger(): UserLedger {
  return { userId: 'ada', version: 1, notBefore: 0, credential: null, sessions: [], ending: [], expiresAt: 9 }
}

/** The same with its fields, at every level, in the opposite order. */
function reversed<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const entries = Object.entries(value).map(([name, inner]) => [name, reversed(inner)])
  return Object.fromEntries(entries.reverse()) as T
}
