/** A wire between a client and its server that can be slow, cut, or dead without either end noticing. @module */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Scope } from './process.ts'

/** Forwards bytes from a port of its own to the server's, in order and whole, until told otherwise. */
export class Wire {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #dead = new WeakSet<Socket>()
  #target: number
  #delay = 0
  #stalled = false
  #refusing = false
  /** Called with each chunk that the server sends, before it goes on: the moment to cut between a write and its answer. */
  onAnswer: ((chunk: Buffer) => void) | null = null
  /** The same for what the client sends. */
  onRequest: ((chunk: Buffer) => void) | null = null

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer((client) => this.#join(client))
  }

  /** Opens a wire to a port of the loopback interface. It ends with the scope. */
  static async open(scope: Scope, target: number): Promise<Wire> {
    const wire = new Wire(target)
    wire.#server.listen(0, '127.0.0.1')
    await once(wire.#server, 'listening')
    scope.after(() => {
      wire.#server.close()
      wire.cut()
    })
    return wire
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** From now on each chunk arrives so many milliseconds late, both ways. */
  delay(milliseconds: number): void {
    this.#delay = milliseconds
  }

  /** Bytes vanish from now on, new connections' too, and nobody is told: a half-open connection. */
  stall(): void {
    this.#stalled = true
  }

  /** The same for the connections that are open now, while new ones are served. */
  stallOpen(): void {
    for (const socket of this.#sockets) this.#dead.add(socket)
  }

  /** Ends every connection at once; new ones are served. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Ends every connection, and accepts none until `restore`. */
  refuse(): void {
    this.#refusing = true
    this.cut()
  }

  /** As in the beginning. What was stalled is cut, for its bytes are lost. */
  restore(): void {
    if (this.#stalled) this.cut()
    this.#stalled = false
    this.#refusing = false
    this.#delay = 0
    this.onAnswer = null
    this.onRequest = null
  }

  #join(client: Socket): void {
    if (this.#refusing) return void client.destroy()
    const server = connect(this.#target, '127.0.0.1')
    this.#forward(client, server, false)
    this.#forward(server, client, true)
  }

  #forward(from: Socket, to: Socket, answers: boolean): void {
    this.#sockets.add(from)
    from.setNoDelay(true)
    from.on('error', () => {})
    from.on('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
    let queue = Promise.resolve()
    from.on('data', (chunk: Buffer) => {
      if (answers) this.onAnswer?.(chunk)
      else this.onRequest?.(chunk)
      queue = queue.then(async () => {
        if (this.#delay > 0) await sleep(this.#delay)
        if (!this.#stalled && !this.#dead.has(from) && !to.destroyed) to.write(chunk)
      })
    })
  }
}
