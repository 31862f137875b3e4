/** What is not everyday, one after another. Each says what it does, and what it saw. @module */

import type { Stage } from './traffic.ts'
import { drawAddress, pick, type Visit } from './visit.ts'

type Incident = (stage: Stage) => Promise<void>

const SESSION = '__Host-Http-session'

export const INCIDENTS: readonly Incident[] = [
  beginTheft,
  forgeToken,
  postFromElsewhere,
  changeNetwork,
  stepUp,
  guessPassword,
]

/** The thief waits, while others go on: a copy tells nothing before its session was renewed. */
async function beginTheft(stage: Stage): Promise<void> {
  const visit = await arrive(stage)
  const address = drawAddress(visit.address)
  const thief = visit.browser.clone({ headers: { 'x-forwarded-for': address } })
  stage.say(`Somebody at ${address} copies the cookie of ${visit.person.id}, and waits.`)
  stage.meanwhile(finishTheft(stage, visit, thief, address))
}

async function finishTheft(
  stage: Stage,
  visit: Visit,
  thief: Visit['browser'],
  address: string,
): Promise<void> {
  const { pause, say } = stage
  const copied = (await visit.browser.cookies())[SESSION]
  do {
    await pause(2_000)
    await visit.lookAround()
  } while ((await visit.browser.cookies())[SESSION] === copied)
  // By now the victim has shown a renewed token; a copy of the old one is a replay when grace and late are over.
  for (let step = 0; step < 7; step++) {
    await pause(2_000)
    await visit.lookAround()
  }
  const stolen = await visit.whoAmI(thief)
  const victim = await visit.whoAmI()
  say(
    `The copy is used from ${address}. The thief is ${stolen ?? 'out'}, and the session of ${visit.person.id} is ` +
      `${victim === null ? 'over, for nobody can tell the two apart' : 'alive'}.`,
  )
}

async function forgeToken({ people, visitOf, say }: Stage): Promise<void> {
  const visit = await visitOf(pick(people))
  const forged = `${'A'.repeat(22)}.1..${'B'.repeat(43)}.1700000000000.${'C'.repeat(43)}`
  await visit.browser.setCookie(`${SESSION}=${forged}; Path=/; Secure; HttpOnly; SameSite=Lax`)
  const user = await visit.whoAmI()
  say(`${visit.address} invents a token: to the demo it is ${user ?? 'a visitor'}.`)
}

async function postFromElsewhere(stage: Stage): Promise<void> {
  const visit = await arrive(stage)
  const body = new URLSearchParams({ text: 'From elsewhere.' })
  const response = await visit.browser.crossSite('/account/note', { method: 'POST', body })
  await response.body?.cancel()
  stage.say(`Another site posts a form in the name of ${visit.person.id}: ${response.status}.`)
  await visit.logOut()
}

async function changeNetwork(stage: Stage): Promise<void> {
  const visit = await arrive(stage)
  const address = visit.move()
  const user = await visit.whoAmI()
  stage.say(
    `${visit.person.id} leaves ${visit.address}, and comes from ${address}: ${user === null ? 'out' : 'still in'}.`,
  )
  await visit.lookAround()
}

async function stepUp(stage: Stage): Promise<void> {
  const visit = await arrive(stage)
  await visit.stepUp()
  stage.say(`${visit.person.id} enters the password again.`)
  await visit.logOut()
}

async function guessPassword({ people, visitOf, pause, say }: Stage): Promise<void> {
  const visit = await visitOf(pick(people))
  const form = await visit.read(() => visit.browser.get('/login'))
  const guess = { username: 'grace', password: 'password1' }
  const response = await visit.browser.submit(form, guess, '/login')
  await response.body?.cancel()
  await pause(500)
  say(`${visit.address} guesses at the password of grace: ${response.status}.`)
}

async function arrive({ people, visitOf, pause }: Stage): Promise<Visit> {
  const visit = await visitOf(pick(people))
  await visit.logIn()
  await pause(1_500)
  return visit
}
