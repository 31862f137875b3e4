import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { RequestContext } from '../../src/core/request.ts'
import { createSessions } from '../../src/create-sessions.ts'
import { memory } from '../../src/engines/memory.ts'
import { generateKey } from '../../src/index.ts'

const readme = readFileSync('README.md', 'utf8')

/** The cells of the tables whose first header is `first`. */
function tables(first: string): string[][] {
  const rows: string[][] = []
  let inside = false
  for (const line of readme.split('\n')) {
    const cells = line.startsWith('|')
      ? line
          .slice(1, -1)
          .split(' | ')
          .map((cell) => cell.replace(/^\|?\s*|\s*$/g, ''))
      : null
    if (!cells) inside = false
    else if (cells[0] === first) inside = true
    else if (inside && !/^-+/.test(cells[0]!)) rows.push(cells)
  }
  return rows
}

function login(): RequestContext {
  return {
    method: 'POST',
    origin: 'https://example.com',
    path: '/login',
    search: '',
    ip: '192.0.2.1',
    now: Date.now(),
    header: (name) => (name === 'origin' ? 'https://example.com' : null),
    field: () => null,
  }
}

test('Coming from Django: each setting gives the exact Set-Cookie that its row says', async () => {
  const rows = tables('Django').filter((row) => row.length === 3)
  assert.ok(rows.length >= 11, `only ${rows.length} rows found`)
  for (const [setting, here, cookie] of rows) {
    const option = /`((?:cookie|remembered|insecureHttp)[^`]*)`/.exec(here!)?.[1]
    const needed = !/always/.test(here!) && option
    const given = needed ? new Function(`return { ${option} }`)() : {}
    const sessions = createSessions({ engine: memory(), keys: [generateKey()], ...given })
    const session = await sessions.open(login())
    session.authenticate('ada', { remember: /remember: true/.test(here!) })
    const { headers } = await sessions.commit(session)
    const written = headers
      .filter(([name]) => name === 'Set-Cookie')
      .map(([, value]) => value.replace(/=[^;]+/, '=…'))
    assert.deepEqual(written, [cookie!.replaceAll('`', '')], setting)
  }
})

test('Coming from Django: the settings that a project uses for this are all there', () => {
  const settings =
    'SESSION_ENGINE SESSION_SERIALIZER SESSION_COOKIE_NAME SESSION_COOKIE_AGE SESSION_COOKIE_DOMAIN SESSION_COOKIE_PATH ' +
    'SESSION_COOKIE_SECURE SESSION_COOKIE_HTTPONLY SESSION_COOKIE_SAMESITE SESSION_EXPIRE_AT_BROWSER_CLOSE ' +
    'SESSION_SAVE_EVERY_REQUEST CsrfViewMiddleware CSRF_USE_SESSIONS CSRF_COOKIE_ CSRF_HEADER_NAME CSRF_TRUSTED_ORIGINS ' +
    'CSRF_FAILURE_VIEW csrf_exempt SECURE_SSL_REDIRECT SECURE_SSL_HOST SECURE_PROXY_SSL_HEADER USE_X_FORWARDED_HOST ' +
    'SECURE_HSTS_SECONDS SECRET_KEY SECRET_KEY_FALLBACKS cycle_key flush clear set_expiry login logout ' +
    'update_session_auth_hash clearsessions'
  for (const setting of settings.split(' ')) assert.ok(readme.includes(setting), setting)
})

test('each promise names a test that exists and that is named by the promise', () => {
  const promises = [...readme.matchAll(/^\| (P\d+) \|.*\((test\/attacks\/[^)]+)\)/gm)]
  assert.deepEqual(
    promises.map(([, promise]) => promise),
    Array.from({ length: 12 }, (_, index) => `P${index + 1}`),
  )
  for (const [, promise, file] of promises) {
    assert.match(
      readFileSync(file!, 'utf8'),
      new RegExp(`['"\`]${promise}\\b`),
      `${file} has no test named ${promise}`,
    )
  }
})

test('every option stands in the table of options, and every one there exists', () => {
  const named = tables('Option').flatMap(([cell]) =>
    [...cell!.matchAll(/`([a-zA-Z]+)`/g)].map(([, name]) => name),
  )
  const message = messageOf(() => createSessions({ engine: memory(), nonsense: 1 } as never))
  const known = /known are (.*)$/.exec(message)![1]!.split(', ')
  assert.deepEqual([...named].sort(), [...known].sort())
})

test('every event stands in docs/events.md, and every one there exists', () => {
  const source = readFileSync('src/core/events.ts', 'utf8')
  const names = [...source.matchAll(/^ {2}\| '([a-z_]+)'/gm)].map(([, name]) => name)
  const documented = [...readFileSync('docs/events.md', 'utf8').matchAll(/^\| `([a-z_]+)`/gm)].map(
    ([, name]) => name,
  )
  assert.deepEqual(documented.sort(), names.sort())
})

test('every error code stands in docs/errors.md with its status, and every one there exists', () => {
  const source = readFileSync('src/core/errors.ts', 'utf8')
  const codes = [...source.matchAll(/^ {2}(ERR_\w+): (\d+),$/gm)].map(
    ([, code, status]) => `${code} ${status}`,
  )
  const rows = [...readFileSync('docs/errors.md', 'utf8').matchAll(/^\| (`ERR_.*?) \| (\d+)/gm)]
  const documented = rows.flatMap(([, names, status]) =>
    [...names!.matchAll(/ERR_\w+/g)].map(([code]) => `${code} ${status}`),
  )
  assert.deepEqual(documented.sort(), codes.sort())
})

test('each bug of others names tests that bear its number, or says why there is none', () => {
  const rows = [...readFileSync('docs/advisories.md', 'utf8').matchAll(/^\| (R-\d\d) \|.*\| (.+) \|$/gm)]
  assert.deepEqual(
    rows.map(([, number]) => number),
    Array.from({ length: 47 }, (_, index) => `R-${String(index + 1).padStart(2, '0')}`),
  )
  for (const [, number, where] of rows) {
    for (const [, file] of where!.matchAll(/`([^`]+)`/g)) {
      assert.match(
        readFileSync(file!, 'utf8'),
        new RegExp(`\\b${number}\\b`),
        `${file} has no test named ${number}`,
      )
    }
  }
})

test('links between the pages lead somewhere', () => {
  const docs = readdirSync('docs', { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.md'),
  )
  for (const page of ['README.md', 'SECURITY.md', ...docs.map((name) => `docs/${name}`)]) {
    for (const [, target] of readFileSync(page, 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      const base = page.includes('/') ? page.slice(0, page.lastIndexOf('/') + 1) : ''
      assert.ok(existsSync(`${base}${target}`), `${page} links to ${target}`)
    }
  }
})

function messageOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('did not throw')
}
