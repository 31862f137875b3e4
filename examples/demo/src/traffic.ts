/**
 * Traffic of the demo against itself, over HTTP, so that there is something to look at in the first minute: people who
 * come, look around and leave, and now and then somebody who means harm.
 * @module
 */

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { INCIDENTS } from './incidents.ts'
import type { Users } from './users.ts'
import { type Person, Visit } from './visit.ts'
import { openWire, TRAFFIC_ADDRESS } from './wire.ts'

const NAMES =
  'Amara Bilal Chiara Dmitri Elif Femi Greta Hiro Ines Jonas Kaveh Lena Mateo Noor Oskar Priya Rosa Samir Tomasz Yuki'.split(
    ' ',
  )
/** How many are there at once. Each sends something every few seconds. */
const CROWD = 6
const BETWEEN_INCIDENTS = 6_000

export interface Traffic {
  stop(): Promise<void>
}

/**
 * Starts it.
 *
 * @param url - where the demo listens
 * @param certificate - its own, with `--tls`
 * @param say - hears, in a line each, of what is not everyday
 * @param pace - how long its pauses are, beside the usual ones
 */
export async function startTraffic(
  users: Users,
  url: string,
  certificate: string | null,
  say: (line: string) => void,
  pace = 1,
): Promise<Traffic> {
  const ending = new AbortController()
  const wire = await openWire(url, certificate, TRAFFIC_ADDRESS)
  if (!wire.pretends) say(`This machine has no ${TRAFFIC_ADDRESS}, so that all of it comes from one address.`)
  const people = NAMES.map((name): Person => {
    return { id: name.toLowerCase(), name, password: randomBytes(18).toString('base64url') }
  })
  const known = new Set<string>()
  const pause = (millis: number) =>
    sleep(millis * pace * (0.5 + Math.random()), undefined, { signal: ending.signal })

  /** Nobody but this process knows their passwords, which are drawn anew at each start. */
  async function visitOf(person: Person): Promise<Visit> {
    if (!known.has(person.id)) {
      known.add(person.id)
      await users.put(person.id, person.name, person.password)
    }
    return new Visit(wire, person, pause)
  }

  const working = new Set<Promise<void>>()
  /** A fault of the traffic's, or a demo that is out of reach, ends the traffic and not the demo. */
  function meanwhile(work: Promise<void>): void {
    const done = work.catch((error) => {
      if (!ending.signal.aborted) say(`Some of it stopped: ${error instanceof Error ? error.message : error}`)
    })
    working.add(done)
    void done.then(() => working.delete(done))
  }

  const stage: Stage = { people, visitOf, pause, say, meanwhile }
  for (let place = 0; place < CROWD; place++) meanwhile(comeAndGo(stage, place))
  meanwhile(misbehave(stage))
  return {
    async stop() {
      ending.abort()
      await Promise.all(working)
    },
  }
}

/** What everybody in the traffic needs. */
export interface Stage {
  readonly people: readonly Person[]
  readonly visitOf: (person: Person) => Promise<Visit>
  /** Waits for so long, more or less. @throws when the traffic ends */
  readonly pause: (millis: number) => Promise<void>
  readonly say: (line: string) => void
  /** Looks after work that nobody waits for. */
  readonly meanwhile: (work: Promise<void>) => void
}

/** One place in the crowd: somebody comes, stays for a while, and leaves it to the next one. */
async function comeAndGo({ people, visitOf, pause }: Stage, place: number): Promise<never> {
  await pause(place * 800)
  for (let turn = place; ; turn += CROWD) {
    const visit = await visitOf(people[turn % people.length]!)
    await visit.logIn({ mistypes: turn % 4 === 2 })
    for (let left = 4 + (turn % 9); left > 0; left--) {
      await pause(3_000)
      await visit.lookAround()
    }
    // Every third one just closes the window.
    if (turn % 3 !== 1) await visit.logOut()
    await pause(2_000)
  }
}

async function misbehave(stage: Stage): Promise<never> {
  for (let turn = 0; ; turn++) {
    await stage.pause(BETWEEN_INCIDENTS)
    await INCIDENTS[turn % INCIDENTS.length]!(stage)
  }
}
