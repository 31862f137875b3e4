/**
 * Holds a `ServerResponse` back until what it stands for is durable. The head decides: whatever sends it (`writeHead`,
 * `write`, `end`, `flushHeaders`) begins the commit, and waits for it, in order, together with all that follows. Where there is
 * nothing to wait for it leaves at once.
 *
 * To the application the response has begun all the same: `headersSent` and `writableEnded` say so, headers can't be set
 * any more, `write` returns false, and 'drain' follows. Informational responses (1xx) pass untouched.
 *
 * @module
 */

import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Effects } from '../core/effects.ts'
import type { MaybePromise } from '../core/engine.ts'
import { isLater } from '../core/later.ts'
import { type Answer, prepareAnswer } from './answer.ts'
import { applyEffects, headersOf } from './effects.ts'
import { type Deputy, type Getter, type Original, standIn, standInWholly } from './stand-in.ts'

/** What becomes of a response that was held back: it leaves with these effects, or another one in its place. */
export interface Outcome {
  readonly effects: Effects
  readonly instead: { readonly answer: Answer; readonly error: unknown } | null
}

interface QueuedCall {
  readonly name: 'write' | 'end' | 'flushHeaders'
  readonly args: unknown[]
}

/**
 * Makes a response wait. To be called before anybody writes to it.
 *
 * @param settle - called once, with the status, when the response begins; where it rejects, the connection is cut. It must not
 *   throw
 */
export function deferResponse(res: ServerResponse, settle: (status: number) => MaybePromise<Outcome>): void {
  new Deferral(res, settle)
}

class Deferral implements Deputy {
  readonly #res: ServerResponse
  readonly #settle: (status: number) => MaybePromise<Outcome>
  readonly #original: Original
  #phase: 'waiting' | 'pending' | 'released' | 'replaced' = 'waiting'
  #queue: QueuedCall[] = []
  #status = 200
  #implicit = false
  /** What came at once, and waits for those who hook into the head. */
  #settled: Outcome | null = null
  #blocked = false
  #ended = false
  /** Whether the calls that arrive are our own. */
  #passing = false

  constructor(res: ServerResponse, settle: (status: number) => MaybePromise<Outcome>) {
    this.#res = res
    this.#settle = settle
    this.#original = standIn(res, this)
  }

  /** What a method of the response does now. When all is over it only passes on. */
  call(name: string, args: unknown[]): unknown {
    if (this.#passing || this.#phase === 'released') return this.#call(name, args)
    switch (name) {
      case 'writeHead':
      // The old name (DEP0063) doesn't call the new one, so it would go past us; nor do all call writeHead by themselves.
      case 'writeHeader':
        return this.#writeHead(args)
      case '_implicitHeader':
        return this.#sendHead()
      case 'write':
        return this.#write(args)
      case 'end':
        return this.#end(args)
      case 'flushHeaders':
        return this.#pass('flushHeaders', [])
      case 'destroy':
        // A response that was replaced is no longer the application's to cut off.
        return this.#phase === 'replaced' ? this.#res : this.#call('destroy', args)
      case 'on':
        // Compressing middleware before us takes these listeners to its own stream, which knows nothing of our 'drain'.
        return args[0] === 'drain' ? this.#listen(args) : this.#call('on', args)
      default:
        if (this.#phase === 'waiting') return this.#call(name, args)
        throw headersSent()
    }
  }

  /** What a getter of the response says now. */
  tell(name: Getter): boolean {
    if (name === 'headersSent' && (this.#phase === 'pending' || this.#phase === 'replaced')) return true
    if (name === 'writableEnded' && this.#phase !== 'released' && this.#ended) return true
    if (name === 'writableNeedDrain' && this.#phase === 'pending' && this.#blocked) return true
    const own = this.#original.getters[name]
    return Boolean(
      own ? own.get?.call(this.#res) : Reflect.get(Object.getPrototypeOf(this.#res), name, this.#res),
    )
  }

  #listen(args: unknown[]): unknown {
    return EventEmitter.prototype.on.apply(this.#res, args as [string, () => void])
  }

  #call(name: string, args: unknown[]): unknown {
    return this.#original.methods[name]!.apply(this.#res, args)
  }

  #writeHead(args: unknown[]): ServerResponse {
    if (this.#phase === 'pending') throw headersSent()
    if (this.#phase === 'waiting') {
      foldHead(this.#res, args)
      this.#begin()
    }
    return this.#res
  }

  #beginImplicitly(): void {
    if (this.#phase !== 'waiting') return
    this.#implicit = true
    // Whoever hooks into writeHead has his say now: after the commit he would reach neither status nor session.
    this.#res.writeHead(this.#res.statusCode)
    // Not before: what they do after they have called on must not undo what a session asks for.
    if (this.#settled) this.#finish(this.#settled)
  }

  #begin(): void {
    this.#phase = 'pending'
    this.#status = this.#res.statusCode
    const settled = this.#settle(this.#status)
    if (isLater(settled)) {
      standInWholly(this.#res, this, this.#original)
      settled.then(
        (outcome) => this.#finishLate(outcome),
        (error) => this.#cut(error),
      )
    } else if (this.#implicit) this.#settled = settled
    else this.#finish(settled)
  }

  /** For middleware that asks for the head by its internal name. */
  #sendHead(): unknown {
    this.#beginImplicitly()
    return this.#phase === 'released' ? this.#directly(() => this.#call('_implicitHeader', [])) : undefined
  }

  /** Begins the response if need be, and then does what belongs to it as soon as that may leave. */
  #pass(name: QueuedCall['name'], args: unknown[]): unknown {
    this.#beginImplicitly()
    if (this.#phase === 'released') return this.#directly(() => this.#call(name, args))
    if (this.#phase === 'replaced') discard(args)
    else this.#queue.push({ name, args })
    return undefined
  }

  #write(args: unknown[]): unknown {
    checkChunk(args[0])
    const flows = this.#pass('write', args)
    if (this.#phase === 'pending') this.#blocked = true
    return this.#phase === 'released' ? flows : this.#phase === 'replaced'
  }

  #end(args: unknown[]): ServerResponse {
    if (args[0] != null && typeof args[0] !== 'function') checkChunk(args[0])
    this.#pass('end', args)
    this.#ended = true
    return this.#res
  }

  #finish(outcome: Outcome): void {
    if (outcome.instead) this.#replace(outcome)
    else this.#release(outcome)
  }

  #finishLate(outcome: Outcome): void {
    try {
      this.#finish(outcome)
    } catch (error) {
      this.#cut(error)
    }
  }

  /** Past all who stand in its place: some of them would not hear of it. */
  #cut(error: unknown): void {
    Object.getPrototypeOf(this.#res).destroy.call(this.#res, error)
  }

  #release({ effects }: Outcome): void {
    const res = this.#res
    this.#phase = 'released'
    applyEffects(effects, headersOf(res))
    res.statusCode = this.#status
    let flows = true
    this.#directly(() => {
      // An implicit head stays one, so that Node counts the length of a body that comes in one piece.
      if (!this.#implicit) this.#call('writeHead', [this.#status])
      for (const { name, args } of this.#queue.splice(0)) flows = this.#call(name, args) !== false
    })
    // Where the last write was refused once more, whoever refused it says when to go on.
    if (this.#blocked && flows && !this.#ended && !res.destroyed) res.emit('drain')
    for (const listener of res.rawListeners('drain')) {
      res.off('drain', listener as () => void)
      this.#call('on', ['drain', listener])
    }
  }

  #replace({ effects, instead }: Outcome): void {
    const res = this.#res
    const { answer, error } = instead!
    this.#phase = 'replaced'
    for (const { args } of this.#queue.splice(0)) discard(args)
    this.#directly(() => {
      prepareAnswer(res, answer)
      applyEffects(effects, headersOf(res))
      this.#call('writeHead', [answer.status])
      this.#call('end', [answer.body])
    })
    if (this.#ended) return
    // What still flows into it must stop: `pipeline` destroys its source when its destination fails.
    res.on('error', () => {})
    res.emit('error', error)
  }

  /** Without a detour through those who wrapped our writeHead, for they have had their say. */
  #directly<Result>(run: () => Result): Result {
    const res = this.#res
    const wrapped = res.writeHead
    res.writeHead = this.#original.methods.writeHead as typeof res.writeHead
    this.#passing = true
    try {
      return run()
    } finally {
      this.#passing = false
      res.writeHead = wrapped
    }
  }
}

/**
 * Takes in what `writeHead` was given, in all its forms: with and without a message, headers as an object, as a flat
 * array, as an array of pairs (CVE-2025-7339). They replace those of the same name that were set before.
 */
function foldHead(res: ServerResponse, [status, ...rest]: unknown[]): void {
  const code = Number(status) | 0
  if (code < 100 || code > 999)
    throw fault(RangeError, 'ERR_HTTP_INVALID_STATUS_CODE', `Invalid status code: ${status}`)
  const [message, headers] = typeof rest[0] === 'string' ? rest : [undefined, rest[1] ?? rest[0]]
  if (Array.isArray(headers)) {
    const pairs = pairsOf(headers)
    for (const [name] of pairs) res.removeHeader(name)
    for (const [name, value] of pairs) res.appendHeader(name, value)
  } else {
    for (const [name, value] of Object.entries(headers ?? {})) if (name !== '') res.setHeader(name, value)
  }
  res.statusCode = code
  if (message !== undefined) res.statusMessage = message as string
}

function pairsOf(headers: readonly unknown[]): [name: string, value: string | string[]][] {
  if (Array.isArray(headers[0])) return headers as [string, string][]
  if (headers.length % 2 !== 0)
    throw fault(TypeError, 'ERR_INVALID_ARG_VALUE', 'The headers are names without a value')
  return headers.flatMap((name, index) => (index % 2 === 0 ? [[name, headers[index + 1]]] : [])) as [
    string,
    string,
  ][]
}

/** At once, as Node would: where the call waits, its error would reach nobody. */
function checkChunk(chunk: unknown): void {
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) return
  throw fault(TypeError, 'ERR_INVALID_ARG_TYPE', 'A chunk must be a string or a Uint8Array')
}

/** Nobody gets these bytes, but whoever waits for them to be taken must go on. */
function discard(args: readonly unknown[]): void {
  const callback = args.at(-1)
  if (typeof callback === 'function') process.nextTick(() => callback())
}

function headersSent(): Error {
  return fault(Error, 'ERR_HTTP_HEADERS_SENT', 'The response has begun: its headers can no longer be changed')
}

function fault(kind: new (message: string) => Error, code: string, message: string): Error {
  return Object.assign(new kind(message), { code })
}
