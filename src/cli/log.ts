/** The audit log that a command reads or writes, by its URL. @module */

import { existsSync } from 'node:fs'
import { type Audit, auditTo } from '../audit/audit.ts'
import { postgresStore } from '../audit/postgres.ts'
import { openSqliteStore } from '../audit/sqlite.ts'
import type { AuditStore } from '../audit/store.ts'
import { openPool } from './pool.ts'
import { EXIT, Stop, withStore } from './stop.ts'
import { fileOf } from './store.ts'

/** Opened for reading alone: looking at a log must not make or change one. */
export function openLog(url: string | undefined): Promise<AuditStore> {
  if (url === undefined) throw new Stop(EXIT.usage, 'which audit log? Give --audit URL (or HOLDFAST_AUDIT)')
  return withStore('the audit log', async () => {
    const file = fileOf(url)
    if (file !== null) {
      if (!existsSync(file)) throw new Stop(EXIT.usage, `there is no file ${file}`)
      return openSqliteStore(file)
    }
    const pool = await openPool(checked(url))
    return { ...postgresStore(pool, null, { create: false }), close: () => pool.end() }
  })
}

/** Opened for writing, sealed with the key in `AUDIT_KEY`, if any: the one that the log was sealed with so far. */
export function openLogToWrite(url: string): Promise<Pick<Audit, 'onEvent' | 'close'>> {
  const key = process.env.AUDIT_KEY
  const options = key === undefined ? {} : { key }
  return withStore('the audit log', async () => {
    const file = fileOf(url)
    const pool = file === null ? await openPool(checked(url)) : null
    const log = auditTo(file ?? pool!, options)
    // Before anything is done that couldn't be written down then.
    await log.flush()
    return { onEvent: log.onEvent, close: () => log.close().finally(() => pool?.end()) }
  })
}

/** Makes a log that isn't there. */
export function makeLog(url: string): Promise<void> {
  return withStore('the audit log', async () => {
    const file = fileOf(url)
    if (file !== null) return auditTo(file).close()
    const pool = await openPool(checked(url))
    await Promise.resolve(postgresStore(pool, null, { create: true }).head()).finally(() => pool.end())
  })
}

function checked(url: string): string {
  if (/^postgres(?:ql)?:\/\//.test(url)) return url
  throw new Stop(EXIT.usage, 'expected the URL of an audit log: sqlite:FILE or postgres://…')
}
