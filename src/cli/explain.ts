import type { Command } from 'commander'
import type { AuditStore } from '../audit/store.ts'
import { type ExplainedName, WORDS } from '../audit/words.ts'
import { backwards, entryOf } from './audit.ts'
import type { Runner } from './command.ts'
import { type Explanation, explainToken } from './explain-token.ts'
import { openLog } from './log.ts'
import { auditOption, configOption, jsonOption, readTime, type StoreOptions, storeOption } from './options.ts'
import { plain, print, printFields, printTable, progress, say, textOf, toJsonLine } from './output.ts'
import { EXIT, type Exit, Stop, withStore } from './stop.ts'
import { openStore, sayAssumed } from './store.ts'

interface Options extends StoreOptions {
  readonly audit?: string
  readonly ip?: string
  readonly userAgent?: string
  readonly at: number
  readonly json?: true
}

/** As `SessionEvent.id` is written. No token looks like it. */
const EVENT_ID = /^[\w-]{12}\.[\da-z]{1,11}$/

export function addExplain(program: Command, run: Runner): void {
  program
    .command('explain')
    .description("say step by step why a request was a session's, a visitor's, or refused")
    .argument('[event]', "an event's id, from a log; without it a token is read from standard input")
    .addOption(storeOption())
    .addOption(configOption())
    .addOption(auditOption('the log that the event is in'))
    .option('--ip <address>', 'for a token: the address that it came from')
    .option('--user-agent <text>', 'for a token: the User-Agent that it came with')
    .option('--at <time>', 'for a token: when, ISO 8601', readTime, Date.now())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
A token is the cookie's value, or a whole Cookie header. Type or paste it, and end with Ctrl+D: as an argument it
would stay in the shell's history. It needs the keys: SESSION_KEYS in the environment, or --config. Nothing is changed.
Exit status 1: the token is refused; or there is no such event.

Examples:
  holdfast explain --store sqlite:sessions.db --user-agent 'Mozilla/5.0 …' < cookie.txt
  holdfast explain 3pXv9QmZ8r1n.2a --audit sqlite:audit.db`,
    )
    .action(run(explain))
}

async function explain(given: string | undefined, options: Options): Promise<Exit> {
  if (given !== undefined && EVENT_ID.test(given)) return explainEvent(given, options)
  if (given !== undefined && given !== '-') {
    if (!given.includes('.') || given.length < 60)
      throw new Stop(EXIT.usage, 'this is no id of an event; a token is read from standard input')
    say(
      "This token is in your shell's history now: end its session, or remove it there. Standard input is safer.",
    )
  }
  const text = given !== undefined && given !== '-' ? given : await readInput()
  const keys = process.env.SESSION_KEYS
  if (options.config === undefined && keys === undefined)
    throw new Stop(EXIT.usage, "a token is read with the application's keys: give SESSION_KEYS, or --config")
  const store = await openStore(options, keys === undefined ? {} : { keys })
  const { ip = null, userAgent = null, at } = options
  const request = { ip, userAgent, now: at }
  const { policy } = store.sessions
  const load = (id: string) => store.engine.load(id, { fresh: true })
  const found = await withStore('the store failed', async () =>
    explainToken(text, request, policy, load, await store.notBefore()),
  )
  if (options.json) print(toJsonLine(found))
  else {
    printExplanation(found)
    sayAssumed(options)
  }
  await store.close()
  return found.served ? EXIT.ok : EXIT.negative
}

function printExplanation({ steps, outcome }: Explanation): void {
  printTable(
    ['STEP', 'RESULT'],
    steps.map(({ step, result }) => [step, result]),
    Infinity,
  )
  print(`\n${plain(outcome)}`)
}

async function explainEvent(id: string, { audit, json }: Options): Promise<Exit> {
  const log = await openLog(audit)
  const entry = await withStore('the audit log failed', () => find(log, id))
  await log.close()
  if (!entry) throw new Stop(EXIT.negative, `the log holds no event ${id}`)
  const name = textOf(entry.name) ?? ''
  const words = Object.hasOwn(WORDS, name)
    ? WORDS[name as ExplainedName]
    : { what: 'This version of holdfast knows no such event.', todo: '' }
  if (json) print(toJsonLine({ event: entry, ...words }))
  else {
    printFields({ ...entry, seq: entry.seq })
    print(`\n${words.what}${words.todo && `\n${words.todo}`}`)
  }
  return EXIT.ok
}

/** From the end backwards: what is asked for is mostly new. */
async function find(log: AuditStore, id: string) {
  const tell = progress('rows searched')
  let searched = 0
  for await (const row of backwards(log, await log.head())) {
    const entry = entryOf(row)
    if (entry.id === id) return entry
    tell(++searched)
  }
  return null
}

async function readInput(): Promise<string> {
  if (process.stdin.isTTY) say('The token, then Enter and Ctrl+D:')
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of process.stdin) {
    length += chunk.length
    // Longer than any header that a server takes.
    if (length > 65_536) throw new Stop(EXIT.usage, 'this is too long to be a token or a Cookie header')
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString().trim()
  if (text === '') throw new Stop(EXIT.usage, 'no token came on standard input')
  return text
}
