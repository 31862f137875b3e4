import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { readAuditKey } from '../audit/audit.ts'
import { type AuditRow, formatAnchor, type Head, parseAnchor } from '../audit/chain.ts'
import type { AuditEntry } from '../audit/entry.ts'
import type { AuditStore } from '../audit/store.ts'
import { verifyLog } from '../audit/verify.ts'
import type { Runner } from './command.ts'
import { openLog } from './log.ts'
import { auditOption, jsonOption, wholeNumber } from './options.ts'
import { count, isRead, plain, print, printTable, progress, say, textOf, toJsonLine } from './output.ts'
import { EXIT, type Exit, Stop, withStore } from './stop.ts'

interface LogOptions {
  readonly audit?: string
  readonly json?: true
}

interface TailOptions extends LogOptions {
  readonly limit: number
  readonly user?: string
  readonly session?: string
  readonly name?: string
  readonly follow?: true
}

interface VerifyOptions extends LogOptions {
  readonly anchor: readonly Head[]
}

export function addAudit(program: Command, run: Runner): void {
  const audit = program.command('audit').description('read the audit log, or check that nobody changed it')
  audit
    .command('tail')
    .description('print the last events')
    .addOption(auditOption('the log'))
    .option('-n, --limit <number>', 'how many', wholeNumber, 20)
    .option('-u, --user <id>', "one user's only")
    .option('--session <id>', "one session's only")
    .option('--name <event>', 'one kind only, such as authn_token_reuse')
    .option('-f, --follow', 'wait for more, until interrupted')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
--json prints one object for each line. At the end stands the log's head: kept elsewhere, it is an anchor for verify.

Example:
  holdfast audit tail --audit sqlite:audit.db --user ada`,
    )
    .action(run(tail))
  audit
    .command('verify')
    .description('check every row against the one before: was any changed, or taken out?')
    .addOption(auditOption('the log'))
    .option(
      '--anchor <seq:seal>',
      'a head that was kept elsewhere; may be given more than once',
      readAnchors,
      [],
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
AUDIT_KEY in the environment is the key that the log is sealed with, if any. That the end of a log was cut off only an
anchor can tell; without a key, only an anchor can tell that all of it was made anew.
Exit status 1: the log is not whole.

Example:
  holdfast audit verify --audit sqlite:audit.db --anchor 42:o0x7…`,
    )
    .action(run(verify))
}

async function tail(options: TailOptions): Promise<Exit> {
  const store = await openLog(options.audit)
  const wanted = filterOf(options)
  const { rows, head } = await withStore('the audit log failed', async () => {
    const head = await store.head()
    return { head, rows: await lastOf(store, head, options.limit, wanted) }
  })
  if (options.json) for (const row of rows) print(toJsonLine(entryOf(row)))
  else if (rows.length > 0) printTable(HEADERS, rows.map(rowOf))
  if (!options.follow) {
    if (!options.json) say(`Head: ${formatAnchor(head)}`)
    await store.close()
    return EXIT.ok
  }
  for (let after = head.seq; isRead(); await sleep(1_000)) {
    const more = await withStore('the audit log failed', () => store.read(after, 1_000))
    after = more.at(-1)?.seq ?? after
    for (const row of more.filter(wanted))
      print(options.json ? toJsonLine(entryOf(row)) : plain(rowOf(row).filter(Boolean).join('  ')))
  }
  await store.close()
  return EXIT.ok
}

async function verify(options: VerifyOptions): Promise<Exit> {
  const key = process.env.AUDIT_KEY
  const store = await openLog(options.audit)
  const tell = progress('rows checked')
  const sealed = key === undefined ? null : await withStore('AUDIT_KEY', () => readAuditKey(key))
  const verdict = await withStore('the audit log failed', () =>
    verifyLog(store, sealed, options.anchor, tell),
  )
  tell()
  await store.close()
  const { rows, head, flaws, flawCount } = verdict
  const whole = flawCount === 0
  if (options.json) print(toJsonLine({ whole, rows, head: formatAnchor(head), flawCount, flaws }))
  else if (whole) print(`whole: ${count(rows, 'row')}, head ${formatAnchor(head)}`)
  else for (const { what } of flaws) print(what)
  if (!whole) sayWhy(verdict, sealed !== null)
  else if (options.anchor.length === 0) say('Without --anchor a log whose end was cut off is whole, too.')
  return whole ? EXIT.ok : EXIT.negative
}

function sayWhy(
  { rows, flaws, flawCount }: { rows: number; flaws: readonly { seq: number }[]; flawCount: number },
  keyed: boolean,
) {
  if (flawCount > flaws.length) say(`and ${flawCount - flaws.length} more`)
  if (flawCount >= rows && flaws[0]?.seq === 1)
    say(
      keyed
        ? 'Is AUDIT_KEY the key that this log is sealed with?'
        : 'Is this log sealed with a key? Give it in AUDIT_KEY.',
    )
}

const PAGE = 1_000

/** A log's rows up to its head, from the end backwards, by what is there: a number may be anything that somebody wrote. */
export async function* backwards(store: AuditStore, head: Head): AsyncGenerator<AuditRow> {
  let before = head.seq + 1
  for (;;) {
    const page = await store.readBack(before, PAGE)
    yield* page
    const last = page.at(-1)
    if (!last || last.seq >= before) return
    before = last.seq
  }
}

async function lastOf(store: AuditStore, head: Head, limit: number, wanted: (row: AuditRow) => boolean) {
  const found: AuditRow[] = []
  for await (const row of backwards(store, head)) {
    if (!wanted(row)) continue
    found.push(row)
    if (found.length === limit) break
  }
  return found.reverse()
}

function filterOf({ user, session, name }: TailOptions) {
  return (row: AuditRow) => {
    const entry = entryOf(row)
    if (user !== undefined && entry.userId !== user) return false
    if (session !== undefined && entry.sessionId !== session) return false
    return name === undefined || entry.name === name
  }
}

/** A row that somebody edited need not be JSON any more. */
export function entryOf({ seq, entry }: AuditRow): { readonly seq: number } & Partial<AuditEntry> {
  try {
    const parsed: unknown = JSON.parse(entry)
    return { seq, ...(parsed as AuditEntry) }
  } catch {
    return { seq }
  }
}

const HEADERS = ['SEQ', 'AT', 'EVENT', 'USER', 'SESSION', 'FROM', 'REQUEST', 'REASON', 'ID']

function rowOf(row: AuditRow): (string | null)[] {
  const { seq, at, name, userId, sessionId, ip, method, path, reason, code, id } = entryOf(row)
  const request = method && path ? `${textOf(method)} ${textOf(path)}` : null
  const why = [reason, code].filter(Boolean).map(textOf).join(' ') || null
  return [seq, at, name ?? '(not readable)', userId, sessionId, ip, request, why, id].map(textOf)
}

function readAnchors(text: string, before: readonly Head[]): readonly Head[] {
  const anchor = parseAnchor(text)
  if (!anchor)
    throw new Stop(EXIT.usage, '--anchor: expected SEQ:SEAL, as audit tail and audit verify print it')
  return [...before, anchor]
}
