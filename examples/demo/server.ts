/** Starts the demo: `npm start`, or `node examples/demo/server.ts --help`. @module */

import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { createSessions, generateKey, SessionError, type SessionEvent } from 'holdfast'
import { type Audit, auditTo } from 'holdfast/audit'
import { rememberDevices } from 'holdfast/devices'
import { ip } from 'holdfast/ip'
import { openEngine } from 'holdfast/open'
import { deviceLabel, userAgent } from 'holdfast/user-agent'
import { createApp } from './src/app.ts'
import { Attempts } from './src/attempts.ts'
import { keysBeside } from './src/keys.ts'
import { openConsole } from './src/operators.ts'
import { type DemoOptions, parseOptions } from './src/options.ts'
import type { Data, DemoSessions } from './src/parts.ts'
import { createCertificate, redirectTo } from './src/tls.ts'
import type { Traffic } from './src/traffic.ts'
import { ACCOUNTS, openUsers } from './src/users.ts'
import { lineOf } from './src/words.ts'

const HOST = '127.0.0.1'

const options = parseOptions(process.argv.slice(2))
// With --json standard output carries events, and nothing else.
const say = options.json ? console.error : console.log

try {
  await start()
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  if (!(error instanceof SessionError) && code !== 'EADDRINUSE' && code !== 'EACCES') throw error
  console.error(`holdfast-demo: ${code === 'EADDRINUSE' ? `${message}; try --port 0` : message}`)
  process.exit(code === 'ERR_OPTION' ? 2 : 1)
}

async function start(): Promise<void> {
  const audit = auditTo(options.memory ? new DatabaseSync(':memory:') : `${options.database}-audit`)
  const sessions = await openSessions(audit)
  const operators = openConsole(sessions, audit)
  const users = await openUsers(options.memory ? ':memory:' : options.database)
  const app = createApp({ sessions, users, attempts: new Attempts(), console: operators }, options.proxy)

  const certificate = options.tls ? await createCertificate(HOST) : null
  const server = certificate ? createTlsServer(certificate, app) : createServer(app)
  const port = await listen(server, options.port)
  const url = `${options.tls ? 'https' : 'http'}://${HOST}:${port}`
  const servers = [server]
  let plainUrl: string | undefined
  if (options.tls) {
    const plain = createServer(redirectTo(HOST, port))
    servers.push(plain)
    plainUrl = `http://${HOST}:${await listen(plain, options.port === 0 ? 0 : port + 1)}`
  }

  if (options.json) console.log(JSON.stringify({ name: 'listening', url, ...(plainUrl && { plainUrl }) }))
  greet(url, plainUrl)
  let traffic: Traffic | null = null
  if (options.traffic) {
    const { startTraffic } = await import('./src/traffic.ts')
    traffic = await startTraffic(users, url, certificate?.cert ?? null, (line) => say(`          · ${line}`))
  }
  const hush = () => {
    operators.close()
    return traffic?.stop()
  }
  closeOnSignal(servers, hush, async () => {
    users.close()
    await sessions.close()
    await audit.close()
  })
}

async function openSessions(audit: Audit): Promise<DemoSessions> {
  const { database, proxy } = options
  return createSessions<Data>({
    engine: await openEngine(engineUrl()),
    keys: options.memory ? generateKey() : keysBeside(database),
    csrf: { requireToken: true },
    bindings: [
      ...(options.userAgent === 'off' ? [] : [userAgent({ onMismatch: options.userAgent })]),
      ...(options.ip === 'off' ? [] : [ip({ onMismatch: options.ip })]),
    ],
    proxy,
    devices: rememberDevices(),
    ...limitsOf(options),
    onEvent(event) {
      audit.onEvent(event)
      report(event)
    },
  })
}

function engineUrl(): string {
  return options.engine ?? (options.memory ? 'memory' : `sqlite:${options.database}`)
}

/** Only what was given: everything else is for the defaults to say. */
function limitsOf(given: DemoOptions) {
  const { idle, absolute, renewal, grace, late } = given
  return {
    ...(idle && { idle }),
    ...(absolute && { absolute }),
    ...(renewal && { renewal }),
    ...(grace && { grace }),
    ...(late && { late }),
  }
}

function report(event: SessionEvent): void {
  if (event.name === 'authn_new_device' && event.reason === 'unknown')
    say(
      `          · A mail to ${event.userId} would say: a login from ${deviceLabel(event.userAgent ?? undefined)}.`,
    )
  console.log(options.json ? JSON.stringify(event) : lineOf(event))
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, HOST, resolve)
  })
  return (server.address() as AddressInfo).port
}

function greet(url: string, plainUrl: string | undefined): void {
  // A URL may hold a password.
  const where = engineUrl() === 'memory' ? 'in memory' : `in ${engineUrl().replace(/\/\/.*@/, '//')}`
  say(`
  The Holdfast demo is at  ${url}${plainUrl ? `\n  redirecting from         ${plainUrl}` : ''}

  Where a user is logged in:  ${url}/account/sessions
  The operators' console:     ${url}/console/  (for ada)

  Accounts (until you change a password):
${ACCOUNTS.map(({ id, password }) => `    ${id.padEnd(6)} ${password}`).join('\n')}

  Sessions are kept ${where}.${options.traffic ? ' Invented people come and go.' : ''} Ctrl+C ends it; --help lists the options.
`)
}

function closeOnSignal(servers: readonly Server[], before: () => unknown, close: () => unknown): void {
  let closing = false
  const stop = async () => {
    if (closing) process.exit(130)
    closing = true
    const quiet = before()
    const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)))
    // Requests that hang must not keep us.
    setTimeout(() => servers.forEach((server) => void server.closeAllConnections()), 2_000).unref()
    for (const server of servers) server.closeIdleConnections()
    await Promise.all([...closed, quiet])
    await close()
    process.exit(0)
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
}
