/** Sockets on one server, whose sessions end on another: what is promised, over the store of a real server. @module */

import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Engine } from 'holdfast'
import { createSessions } from '../../../src/create-sessions.ts'
import { KEY } from '../../core/fixtures.ts'
import { pause, type Tab, User } from '../../live/site.ts'
import { freePort, type Scope, ServerProcess, scopeOf } from '../process.ts'

export interface Rig {
  readonly store: 'redis' | 'postgres'
  readonly url: string
  /** For this process, which is an operator's. */
  readonly engine: Engine
  kill(): Promise<void>
  restart(): Promise<void>
  /** Breaks every connection, for as short a time as it can be. */
  interrupt(): Promise<unknown>
}

const child = fileURLToPath(new URL('child.ts', import.meta.url))

export function liveSuite(name: string, way: 'push' | 'poll', start: (scope: Scope) => Promise<Rig>): void {
  describe(`${name}, ${way === 'push' ? 'by push' : 'by reading again'}`, () => {
    const scope = scopeOf(after)
    let rig: Rig
    let here: number
    let there: number
    before(async () => {
      rig = await start(scope)
      const ports = [await freePort(), await freePort()]
      await Promise.all(ports.map((port) => serve(scope, port, rig, way)))
      here = ports[0]!
      there = ports[1]!
      // The channel is up when its barriers have returned, which are sent while something is held.
      await (await session(here)).tab.ws.close()
    })
    const operator = () => createSessions({ engine: rig.engine, keys: KEY })

    /** A user who logs in on one server, and whose socket is on the other. */
    async function session(on = there, name = 'ada'): Promise<{ user: User; tab: Tab }> {
      const user = await User.login(here, name)
      const elsewhere = new User(on)
      elsewhere.cookie = user.cookie
      const tab = await elsewhere.open()
      await pause(1_000)
      return { user, tab }
    }

    test('P12 revoked by a third process: closed within a second', async (t) => {
      const times: number[] = []
      for (let round = 0; round < 5; round++) {
        const { tab } = await session(round % 2 ? here : there)
        await operator().revoke({ userId: 'ada' })
        times.push(await tab.endsBy(4401, 'revoked'))
      }
      t.diagnostic(`${name}, ${way}: ${times.map(Math.round).join(', ')} ms after revoke`)
    })

    test('logged out on the one server: closed on the other within a second', async () => {
      const { user, tab } = await session()
      await user.post('/logout')
      await tab.endsBy(4401, 'logout')
    })

    test('logged in anew, and authenticated again, on the one: 4409 on the other', async () => {
      const { user, tab } = await session()
      await user.post('/login?ada')
      await tab.endsBy(4409, 'replaced')
      const next = new User(there)
      next.cookie = user.cookie
      const again = await next.open()
      await pause(1_000)
      await user.post('/again')
      await again.endsBy(4409, 'superseded')
    })

    test('everybody: closed within a second', async () => {
      const [one, other] = await Promise.all([session(there, 'ada'), session(here, 'bob')])
      await operator().revoke({ everybody: true })
      await Promise.all([one, other].map(({ tab }) => tab.endsBy(4401, 'revoked')))
      // What is authenticated within the same second counts again.
      await pause(1_100)
    })

    test('P7 the store is gone: 4503 within the bound; back again, so are they', async () => {
      const { tab } = await session()
      await rig.kill()
      await tab.endsBy(4503, 'unavailable', 5_500)
      await rig.restart()
      await pause(1_500)
      const next = await session()
      await operator().revoke({ userId: 'ada' })
      await next.tab.endsBy(4401, 'revoked', 2_000)
    })

    test('its connections break for less than the bound: sockets stay, and what is revoked after that is closed', async () => {
      const { tab } = await session()
      await rig.interrupt()
      await pause(1_500)
      if (!tab.isOpen) throw new Error(`it was closed: ${JSON.stringify(await tab.closed)}`)
      await operator().revoke({ userId: 'ada' })
      await tab.endsBy(4401, 'revoked', 2_000)
    })
  })
}

function serve(scope: Scope, port: number, { store, url }: Rig, way: string): Promise<ServerProcess> {
  return ServerProcess.start(scope, {
    file: process.execPath,
    args: ['--conditions=holdfast-source', child, String(port), store, url, way],
    ready: () => fetch(`http://127.0.0.1:${port}/`),
  })
}
