/** Runs the scripts of the Redis engine, and waits for replicas where that is asked for. @module */

import { SessionError } from '../core/errors.ts'
import { Batch } from './batch.ts'
import { type Commands, sendNow } from './redis-client.ts'
import {
  EVICTION,
  foreign,
  MARK,
  SCRIPTS,
  type Script,
  SLACK,
  type Write,
  writeArguments,
} from './redis-scripts.ts'

/** How long a login or an ending waits for a replica, in milliseconds. Meanwhile its connection serves nobody else. */
const REPLICA_PATIENCE = 200
/** How long nobody waits after that was in vain: by then the server itself tells that the replica doesn't answer. */
const REPLICA_REST = 4_000
/** How long an answer is waited for that should have come by then: others wait for their turn. */
const REPLICA_DEADLINE = 1_000

export interface Manner {
  /** Whether to wait for a replica. */
  readonly confirmed: boolean
  /** Whether it needs room, and so is refused where there is none. */
  readonly growing: boolean
}

export class Writer {
  readonly #commands: Commands
  /** Of those that wait for no replica. In a Cluster the keys of one script would have to be in one slot. */
  readonly #batch = new Batch<{ key: string; args: readonly string[] }, unknown>(async (writes) => {
    const keys = writes.map(({ key }) => key)
    const args = writes.flatMap((write) => write.args)
    const send: Commands['send'] = (key, command) => sendNow(this.#commands, key, command)
    return repliesOf(await this.run(SCRIPTS.write, keys, args, send), keys.length)
  }, apart)
  /** By primary, what was asked of its replicas last. */
  readonly #confirmations = new Map<string, Confirmation>()
  #looked = false

  constructor(commands: Commands) {
    this.#commands = commands
  }

  async write(key: string, write: Write, { confirmed, growing }: Manner): Promise<boolean> {
    const args = writeArguments(write)
    const together = growing && !confirmed && !this.#commands.cluster
    let said: string
    try {
      said = String(
        together
          ? await this.#batch.ask({ key, args })
          : await this.#writeAlone(key, growing, [...args, confirmed ? '1' : '0']),
      )
    } catch (error) {
      said = String(await this.#writeWithin(key, write, args, error))
    }
    if (said === '0' || said === '-1') return false
    if (said !== '1' && !(confirmed && isPrimary(said))) throw foreign()
    if (confirmed && !this.#looked) await this.#look(key)
    if (said !== '1') await this.#confirm(said, key)
    return true
  }

  async #writeAlone(key: string, growing: boolean, args: readonly string[]): Promise<unknown> {
    return repliesOf(await this.run(growing ? SCRIPTS.write : SCRIPTS.writeWhenFull, [key], args), 1)[0]
  }

  /** On a server that is full: renewals, and changes that need no room, go on. */
  async #writeWithin(key: string, write: Write, args: readonly string[], error: unknown): Promise<unknown> {
    const full = error instanceof SessionError && error.code === 'ERR_ENGINE_FULL'
    if (!full || write.expected === null) throw error
    const said = await this.#writeAlone(key, false, [...args, '0', SLACK])
    if (Number(said) < 0) throw error
    return said
  }

  run(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    send = this.#commands.send,
  ): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args]
    return send(keys[0]!, ['EVALSHA', script.sha, ...rest]).catch((error) => {
      if (!isUnknownScript(error)) throw failure(error)
      return failing(send(keys[0]!, ['EVAL', script.text, ...rest]))
    })
  }

  /**
   * Waits until a replica has what was written. One `WAIT` at a time, for all who came before it: it blocks its connection, and
   * many of them in a row would, where the replica is silent, block whatever comes behind for as many times their patience.
   */
  async #confirm(primary: string, key: string): Promise<void> {
    const last = this.#confirmations.get(primary) ?? new Confirmation()
    this.#confirmations.set(primary, last)
    if (performance.now() < last.restingUntil) return
    last.next ??= this.#confirmNext(last, key)
    await last.next
  }

  async #confirmNext(last: Confirmation, key: string): Promise<void> {
    await last.running?.catch(() => {})
    last.running = last.next
    last.next = undefined
    if (performance.now() < last.restingUntil) return
    if ((await this.#wait(key)) === 0) last.restingUntil = performance.now() + REPLICA_REST
  }

  /** @returns how many replicas have everything */
  async #wait(key: string): Promise<number> {
    const mark = ['EVAL', MARK, '1', key]
    const wait = ['WAIT', '1', String(REPLICA_PATIENCE)]
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('no answer to WAIT')), REPLICA_DEADLINE)
    })
    try {
      const replies = await failing(Promise.race([this.#commands.sendAll(key, [mark, wait]), late]))
      // A server that is no primary any more says so: the write may have gone with it.
      for (const reply of replies) if (reply instanceof Error) throw failure(reply)
      return Number(replies[1])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Says once what would undo revocations. A server that won't tell is left alone. */
  async #look(key: string): Promise<void> {
    this.#looked = true
    const policy = await this.#commands.send(key, ['EVAL', EVICTION, '1', key]).then(String, () => '')
    if (policy === '' || policy === 'noeviction') return
    console.warn(
      `holdfast/redis: this server's maxmemory-policy is ${policy}: when it is full it forgets sessions, and with a ` +
        "user's ledger that they were revoked. Set it to noeviction.",
    )
  }
}

/** What is asked of one primary's replicas: one question at a time, and the next one, for whoever comes meanwhile. */
class Confirmation {
  running: Promise<void> | undefined
  next: Promise<void> | undefined
  restingUntil = 0
}

/** By its `master_replid`, as the script names it. */
function isPrimary(said: string): boolean {
  return /^[0-9a-f]{40}$/.test(said)
}

/**
 * A server of a Cluster refuses keys of several slots, whatever client it has: one that knows no Cluster goes through a proxy,
 * or the server is the only one. Nothing has been performed.
 */
export function apart(error: unknown): 'always' | false {
  return String((error as Error | null)?.message).includes('CROSSSLOT') && 'always'
}

/** One for each key, or the connection's replies have shifted. */
export function repliesOf(reply: unknown, count: number): readonly unknown[] {
  if (Array.isArray(reply) && reply.length === count) return reply
  throw foreign()
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
export function failure(error: unknown): SessionError {
  if (error instanceof SessionError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (message.startsWith('OOM'))
    return new SessionError('ERR_ENGINE_FULL', 'redis: full; raise maxmemory, and keep noeviction')
  return new SessionError('ERR_ENGINE', `redis: ${message}`)
}
