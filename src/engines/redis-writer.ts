/** Runs the scripts of the Redis engine, and waits for replicas where that is asked for. @module */

import { SessionError } from '../core/errors.ts'
import { type Commands, isElsewhere } from './redis-client.ts'
import { SCRIPTS, type Script, type Write, withinSlack, writeArguments } from './redis-scripts.ts'

/** How long a login or an ending waits for a replica, in milliseconds. Meanwhile its connection serves nobody else. */
const REPLICA_PATIENCE = 200
/** How long nobody waits after that was in vain: by then the server itself tells that the replica doesn't answer. */
const REPLICA_REST = 4_000
/** How often a command follows its key to another server. */
const REDIRECTIONS = 3

export interface Manner {
  /** Whether to wait for a replica. */
  readonly confirmed: boolean
  /** Whether it needs room, and so is refused where there is none. */
  readonly growing: boolean
}

export class Writer {
  readonly #commands: Commands
  /** Whether the last server asked had a replica that answers; undefined before the first was. */
  #replicated: boolean | undefined
  #restingUntil = 0

  constructor(commands: Commands) {
    this.#commands = commands
  }

  async write(key: string, write: Write, { confirmed, growing }: Manner): Promise<boolean> {
    const args = writeArguments(write, confirmed)
    const run = (script: Script, given: string[]) =>
      confirmed ? this.#runConfirmed(script, key, given) : this.run(script, key, given)
    try {
      return Number(await run(growing ? SCRIPTS.write : SCRIPTS.writeWhenFull, args)) > 0
    } catch (error) {
      if (!(error instanceof SessionError) || error.code !== 'ERR_ENGINE_FULL') throw error
      // Renewals, and changes that need no room, go on.
      const reply = write.expected === null ? -1 : Number(await run(SCRIPTS.writeWhenFull, withinSlack(args)))
      if (reply < 0) throw error
      return reply > 0
    }
  }

  async run(script: Script, key: string, args: readonly string[]): Promise<unknown> {
    try {
      return await this.#commands.send(key, ['EVALSHA', script.sha, '1', key, ...args])
    } catch (error) {
      if (!isUnknownScript(error)) throw failure(error)
      return failing(this.#commands.send(key, ['EVAL', script.text, '1', key, ...args]))
    }
  }

  /** One round trip, like any other write: the server is told at once to answer no sooner than a replica has it. */
  async #runConfirmed(script: Script, key: string, args: readonly string[]): Promise<unknown> {
    this.#replicated ??= await this.#look(key)
    const waits = this.#replicated && performance.now() >= this.#restingUntil
    const reply = waits ? await this.#runAndWait(script, key, args) : await this.run(script, key, args)
    if (Number(reply) > 0) this.#replicated = Number(reply) === 2
    return reply
  }

  async #runAndWait(script: Script, key: string, args: readonly string[]): Promise<unknown> {
    const wait = ['WAIT', '1', String(REPLICA_PATIENCE)]
    let run = ['EVALSHA', script.sha]
    for (let attempt = 0; ; attempt++) {
      const [reply, acknowledged] = await failing(
        this.#commands.sendAll(key, [[...run, '1', key, ...args], wait]),
      )
      if (isUnknownScript(reply)) run = ['EVAL', script.text]
      // Any other command finds the key's new place, and makes the client remember it.
      else if (isElsewhere(reply) && attempt < REDIRECTIONS) await this.#look(key)
      else {
        // A server that ceased to be a primary while we waited answers with an error: the write may be lost with it.
        for (const each of [reply, acknowledged]) if (each instanceof Error) throw failure(each)
        if (acknowledged === 0) this.#restingUntil = performance.now() + REPLICA_REST
        return reply
      }
    }
  }

  async #look(key: string): Promise<boolean> {
    const [replicas, policy] = (await this.run(SCRIPTS.surroundings, key, [])) as [unknown, unknown]
    warnOfEviction(String(policy))
    return Number(replicas) === 1
  }
}

let warned = false

function warnOfEviction(policy: string): void {
  if (warned || policy === '' || policy === 'noeviction') return
  warned = true
  console.warn(
    `holdfast/redis: this server's maxmemory-policy is ${policy}: when it is full it forgets sessions, and with a ` +
      "user's ledger that they were revoked. Set it to noeviction.",
  )
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT')
}

/** Turns what a client throws into our error. */
export async function failing<T>(reply: Promise<T>): Promise<T> {
  try {
    return await reply
  } catch (error) {
    throw failure(error)
  }
}

/** Without its cause: clients attach the whole command to it, with the user's data. */
function failure(error: unknown): SessionError {
  if (error instanceof SessionError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (message.startsWith('OOM'))
    return new SessionError('ERR_ENGINE_FULL', 'redis: full; raise maxmemory, and keep noeviction')
  return new SessionError('ERR_ENGINE', `redis: ${message}`)
}
