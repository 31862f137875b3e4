/**
 * Runs the steps, and keeps in mind what must be true by what everybody was told. It never looks into the store: what it
 * knows of a session it knows from answers, as its users do.
 * @module
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mock } from 'node:test'
import type { Engine, SessionEvent } from '../../src/index.ts'
import { type Action, BROWSERS, type Delivery, MINUTE, SECOND, type Step, THIEF, USERS } from './actors.ts'
import type { Begun, Reply, Server, ServerParts } from './servers.ts'

const SESSION = '__Host-Http-session'
const VISITOR = '__Host-Http-visitor'
const START = Date.UTC(2026, 0, 1)
const GRACE = 60 * SECOND
const TOUCH = MINUTE
const CHANGES = new Set<Action['do']>(['login', 'login, revoking others', 'logout', 'reauthenticate'])

/** Of requests at once, what was written counts before what took it along, and that before what ended it. */
const ORDER: Partial<Record<Action['do'], number>> = {
  login: 1,
  'login, revoking others': 2,
  logout: 3,
  reauthenticate: 3,
}

interface Limits {
  readonly idle: number
  readonly absolute: number
}

/** What is known of a session. */
interface Known {
  readonly id: string
  readonly user: string | null
  readonly limits: Limits
  /** Increments that were acknowledged. */
  count: number
  /** Whether more may not have been taken along from a session that another login had ended meanwhile. */
  exact: boolean
  marks: Set<string>
  era: number
  authenticatedAt: number
  /** The latest moment at which somebody used it, and the latest whose request was answered. */
  usedAt: number
  answeredAt: number
  dead: boolean
}

interface Actor {
  readonly jar: Map<string, string>
  /** The session that it must not lose: it is honest, nobody stole it, every answer came in time. */
  entitled: string | null
  csrf: { readonly value: string; readonly subject: string } | null
  /** Requests under way that came without a session, and may make one. */
  visiting: number
  /** Requests that have left it, and not arrived. */
  travelling: number
  /** One more for each login and the like: what was sent before is of another time. */
  epoch: number
  mail: Exchange[]
}

/** A request as it left its client. */
interface Sent {
  readonly by: number
  readonly on: number
  readonly action: Action
  readonly cookie: string
  readonly token: { readonly id: string; readonly era: number } | null
  readonly csrf: Actor['csrf']
  readonly sentAt: number
  readonly epoch: number
}

/** The same, with its handler at work. */
interface Exchange extends Sent {
  readonly begun: Begun
  readonly begunAt: number
  readonly mark: string
  readonly entitled: string | null
  reply: Reply | null
}

export interface Setup {
  readonly engine: () => Engine
  readonly server: (parts: ServerParts) => Server
  readonly keys: string
  readonly options: ServerParts['options']
  readonly limits: Limits
  readonly remembered: Limits
}

/** Runs one sequence of steps. @throws when a promise is broken */
export async function run(steps: readonly Step[], setup: Setup): Promise<void> {
  mock.timers.enable({ apis: ['Date'], now: START })
  // Time passes when the steps say so, on both clocks.
  const monotonic = mock.method(performance, 'now', () => Date.now())
  const engine = setup.engine()
  try {
    const world = new World(setup, engine)
    for (const step of steps) await world.step(step)
    await world.end()
  } finally {
    await engine.close?.()
    monotonic.mock.restore()
    mock.timers.reset()
  }
}

class World {
  readonly #setup: Setup
  readonly #engine: Engine
  readonly #servers: readonly Server[]
  readonly #events: SessionEvent[] = []
  readonly #actors: Actor[] = Array.from({ length: BROWSERS + 1 }, () => ({
    jar: new Map(),
    entitled: null,
    csrf: null,
    visiting: 0,
    travelling: 0,
    epoch: 0,
    mail: [],
  }))
  readonly #known = new Map<string, Known>()
  readonly #tokens = new Set<string>()
  readonly #revokedAt = new Map<string, number>()
  readonly #pending: (Sent | Exchange)[] = []
  #marks = 0

  constructor(setup: Setup, engine: Engine) {
    const { server, keys, options } = setup
    this.#setup = setup
    this.#engine = engine
    const parts = { engine, keys, options, onEvent: (event: SessionEvent) => void this.#events.push(event) }
    this.#servers = [server(parts), server(parts)]
  }

  async step(step: Step): Promise<void> {
    switch (step.kind) {
      case 'ask': {
        const exchange = await this.#begin(this.#send(step.by, step.on, step.action))
        await this.#answer([exchange])
        return this.#deliver(exchange, step.delivery)
      }
      case 'begin':
        this.#pending.push(await this.#begin(this.#send(step.by, step.on, step.action)))
        return
      case 'send':
        this.#actors[step.by]!.travelling++
        this.#pending.push(this.#send(step.by, step.on, step.action))
        return
      case 'finish': {
        const [request] = this.#pending.splice(step.which % (this.#pending.length || 1), 1)
        if (!request) return
        const exchange = await this.#arrive(request)
        await this.#answer([exchange])
        return this.#deliver(exchange, step.delivery)
      }
      case 'burst': {
        const exchanges: Exchange[] = []
        for (const [index, action] of step.actions.entries())
          exchanges.push(await this.#begin(this.#send(step.by, index, action)))
        await this.#answer(exchanges)
        for (const exchange of exchanges) this.#deliver(exchange, 'now')
        // Which of their answers came last is for the network to say.
        if (step.actions.some((action) => CHANGES.has(action.do))) this.#actors[step.by]!.entitled = null
        return
      }
      case 'wait':
        mock.timers.setTime(Date.now() + step.by)
        for (const actor of this.#actors) {
          for (let next = actor.mail.shift(); next; next = actor.mail.shift()) this.#receive(next)
        }
        return
      case 'steal': {
        const { jar } = this.#actors[step.from]!
        this.#actors[step.from]!.entitled = null
        const thief = this.#actors[THIEF]!
        thief.jar.clear()
        for (const [name, value] of jar) thief.jar.set(name, value)
        return
      }
      case 'revoke':
        await this.#servers[0]!.revoke({ userId: step.user })
        return this.#revoked(step.user)
      case 'revoke one': {
        const id = this.#actors[step.of]!.jar.get(SESSION)?.split('.')[0]
        if (id === undefined) return
        await this.#servers[1]!.revoke({ id })
        const known = this.#known.get(id)
        if (known) this.#kill(known)
      }
    }
  }

  /** Nobody comes any more: what is left must hold, too. */
  async end(): Promise<void> {
    for (const request of this.#pending.splice(0)) await this.#answer([await this.#arrive(request)])
    for (const token of this.#tokens) {
      const [id, era] = token.split('.')
      const known = this.#known.get(id!)!
      const dead = known.dead || Number(era) < known.era || this.#isExpired(known)
      if (!dead) continue
      const user = await this.#servers[0]!.peek(`${SESSION}=${token}`)
      assert.equal(user, null, 'P1 P3 P10: a token that is dead is served')
    }
    const { records } = await this.#engine.scan!({ limit: 10_000 })
    const ledgers = await Promise.all(USERS.map((user) => this.#engine.loadUser(user)))
    this.#holdsNoSecret('P5: the store', JSON.stringify([records, ledgers]), true)
  }

  #send(by: number, on: number, action: Action): Sent {
    const { jar, csrf, epoch } = this.#actors[by]!
    const shown = jar.get(SESSION)
    const [id = '', era = ''] = shown?.split('.') ?? []
    return {
      by,
      on,
      action,
      cookie: [...jar].map((pair) => pair.join('=')).join('; '),
      token: shown === undefined ? null : { id, era: Number(era) },
      csrf: action.do === 'csrf' ? csrf : null,
      sentAt: Date.now(),
      epoch,
    }
  }

  async #arrive(request: Sent | Exchange): Promise<Exchange> {
    if ('begun' in request) return request
    const actor = this.#actors[request.by]!
    actor.travelling--
    // Who is so late may be taken for a thief.
    if (Date.now() - request.sentAt > GRACE) actor.entitled = null
    return this.#begin(request)
  }

  async #begin(sent: Sent): Promise<Exchange> {
    const { by, on, action, cookie, token, csrf, epoch } = sent
    const actor = this.#actors[by]!
    const known = token ? this.#known.get(token.id)! : null
    const before = known && { ...known, expired: this.#isExpired(known) }
    const mark = `mark ${this.#marks++} of ${known?.user ?? 'a visitor'}`
    const begunAt = Date.now()
    const entitled = epoch === actor.epoch ? actor.entitled : null
    const due = entitled !== null && this.#isSafe(this.#known.get(entitled)!) ? entitled : null
    const begun = await this.#servers[on % 2]!.begin({ action, cookie, csrf: csrf?.value ?? null, mark })
    this.#hear(due)
    const exchange = { ...sent, begun, begunAt, mark, entitled: due, reply: null }
    const { seen } = begun
    if (isVisitor(exchange)) actor.visiting++

    if (seen && seen.id !== null) {
      assert.ok(known && before && token, 'a session out of nothing')
      assert.equal(seen.id, token.id, 'another session than was shown')
      assert.ok(!before.dead, 'P1: a session that has ended is served')
      assert.ok(token.era >= before.era, 'P3: a token from before the authentication is served')
      assert.ok(!before.expired, 'P10: a session is served past its limits')
      assert.equal(seen.user, known.user, 'one user is taken for another')
      const count = Number(seen.data.count ?? 0)
      if (before.exact) assert.equal(count, before.count, 'P2: the count of acknowledged increments')
      else assert.ok(count <= before.count, 'P2: more increments than were acknowledged')
      if (!before.exact) Object.assign(known, { count, exact: true })
      const { mark } = seen.data
      assert.ok(mark === undefined || known.marks.has(String(mark)), `somebody else's data: ${mark}`)
      if (action.do !== 'passive') known.usedAt = Math.max(known.usedAt, begunAt)
    }
    if (due !== null) {
      assert.ok(seen || csrf, 'P4: an honest request was refused')
      if (seen) assert.equal(seen.id, due, `P4: an honest browser was logged out: ${seen.lost}`)
    }
    if (csrf && known) {
      const subject = `${known.id} ${known.authenticatedAt}`
      if (seen?.user != null)
        assert.equal(csrf.subject, subject, 'P3: a CSRF token from before the login passes')
      else if (due !== null && csrf.subject === subject) assert.fail('P4: an honest CSRF token was refused')
    }
    return exchange
  }

  /** Ends requests, all at once, and takes in what they were told. */
  async #answer(exchanges: readonly Exchange[]): Promise<void> {
    const replies = await Promise.all(exchanges.map(({ begun }) => begun.end()))
    for (const [index, exchange] of exchanges.entries()) {
      exchange.reply = replies[index]!
      if (isVisitor(exchange)) this.#actors[exchange.by]!.visiting--
    }
    this.#hear(null)
    for (const exchange of exchanges) this.#inspect(exchange)
    const order = (action: Action) => ORDER[action.do] ?? 0
    const sorted = [...exchanges].sort((a, b) => order(a.action) - order(b.action))
    // Of two logins at once from one session, whoever ends it has its last data: nobody outside can tell which.
    const taken = new Set<string>()
    const logins = sorted.filter(({ action, reply }) => reply!.became && action.do.startsWith('login'))
    for (const { token } of logins) {
      if (logins.filter((other) => other.token?.id === token?.id).length > 1) taken.add(token?.id ?? '')
    }
    for (const exchange of sorted) if (exchange.reply!.became) this.#took(exchange, taken)
    for (const exchange of exchanges) this.#checkRefusal(exchange)
  }

  /** Takes in what an acknowledged request has done. */
  #took({ by, action, begun, begunAt, token, mark, reply }: Exchange, taken: Set<string>): void {
    if (CHANGES.has(action.do)) this.#actors[by]!.epoch++
    const seen = begun.seen!
    const known = seen.id === null ? null : this.#known.get(seen.id)!
    const handed = this.#tokenIn(reply!)
    if (known && action.do !== 'passive') known.answeredAt = Math.max(known.answeredAt, begunAt)
    switch (action.do) {
      case 'login':
      case 'login, revoking others': {
        assert.ok(handed, 'a login without a token')
        const revokedAt = this.#revokedAt.get(action.user) ?? -1
        assert.ok(begunAt > revokedAt, 'P12: a login from before the revoke was let in')
        const carries = known !== null && (known.user === null || known.user === action.user)
        const made = this.#learn(handed, action.user, begunAt, action.remember)
        if (carries) {
          made.count = known.count
          made.exact = known.exact && !known.dead && !taken.has(known.id)
          for (const each of known.marks) made.marks.add(each)
        }
        // Whatever the token was worth: a login ends the session that it names.
        const replaced = token && this.#known.get(token.id)!
        if (replaced) taken.add(replaced.id)
        if (replaced) this.#kill(replaced)
        if (action.do === 'login') return
        // It counts from its end: what was begun until then may have been let in by the old password.
        const at = Date.now()
        this.#revokedAt.set(action.user, at)
        for (const other of this.#known.values()) {
          if (other.user === action.user && other !== made && !taken.has(other.id)) this.#kill(other, at)
        }
        return
      }
      case 'increment':
      case 'mark': {
        const target = known ?? this.#learn(handed!, null, begunAt, false)
        if (action.do === 'increment') target.count++
        else target.marks.add(mark)
        return
      }
      case 'logout':
        if (known) this.#kill(known)
        return
      case 'reauthenticate':
        if (!known || known.user === null || !handed) return
        known.era = Math.max(known.era, handed.era)
        known.authenticatedAt = Math.max(begunAt, seen.authenticatedAt! + 1)
        assert.ok(handed.era > token!.era, 'P3: a reauthentication without a new era')
    }
  }

  /** A refusal must have a reason that everybody can know. */
  #checkRefusal({ action, begun, begunAt, token, csrf, entitled, reply }: Exchange): void {
    const { status, code } = reply!
    if (status === 200 || (status === 500 && action.do === 'fail')) return
    if (status === 403) {
      assert.ok(csrf && code === 'ERR_CSRF_TOKEN_INVALID', `refused: ${code}`)
      return
    }
    assert.equal(status, 409, `an answer that nobody expects: ${status} ${code}`)
    const known = token && this.#known.get(token.id)!
    const revoked =
      action.do.startsWith('login') &&
      begunAt <= (this.#revokedAt.get((action as { user: string }).user) ?? -1)
    // A request that takes longer than `idle` is judged by the session as it was when the request came.
    const endless = known && Date.now() - begunAt >= known.limits.idle
    const changed = known && (known.dead || known.era > token.era || this.#isExpired(known) || endless)
    const outdated = ['superseded', 'replaced'].includes(begun.seen?.lost ?? '')
    assert.ok(
      revoked || changed || outdated,
      `${action.do} was refused for no reason: ${code}, entitled: ${entitled !== null}`,
    )
  }

  /** P6: what leaves holds no secret but in the one cookie. */
  #inspect({ reply }: Exchange): void {
    const { headers, body } = reply!
    const cookies = headers.filter(([name]) => name.toLowerCase() === 'set-cookie').map(([, line]) => line)
    const names = cookies.map((line) => line.slice(0, line.indexOf('=')))
    assert.equal(new Set(names).size, names.length, 'P6: one cookie, twice')
    assert.ok(
      names.every((name) => name === SESSION || name === VISITOR),
      `P6: a cookie ${names}`,
    )
    for (const line of cookies) {
      if (!line.startsWith(SESSION) || /max-age=0/i.test(line)) continue
      this.#tokens.add(line.slice(SESSION.length + 1).split(';')[0]!)
      const control = headers.find(([name]) => name.toLowerCase() === 'cache-control')
      if (body !== '') assert.match(control?.[1] ?? '', /no-store/, 'P11: a token in a cacheable answer')
    }
    const rest = headers.filter(([name]) => name.toLowerCase() !== 'set-cookie')
    this.#holdsNoSecret('P6: an answer', JSON.stringify([rest, body]), false)
  }

  #holdsNoSecret(where: string, text: string, hashed: boolean): void {
    for (const token of this.#tokens) {
      const [, , parent, secret = '', , tag = ''] = token.split('.')
      assert.ok(!text.includes(secret) && !text.includes(tag), `${where} holds a secret`)
      if (!hashed) continue
      const proof = createHash('sha256').update(secret).digest('base64url')
      assert.ok(
        !text.includes(proof) && (!parent || !text.includes(parent)),
        `${where} holds what makes an offer`,
      )
    }
  }

  /** Takes in what the operator was told. @param due - a session that must not be taken for a replay */
  #hear(due: string | null): void {
    for (const event of this.#events.splice(0)) {
      this.#holdsNoSecret('P6: an event', JSON.stringify(event), true)
      const known = event.sessionId === null ? undefined : this.#known.get(event.sessionId)
      if (event.name === 'authn_token_reuse')
        assert.notEqual(event.sessionId, due, 'P4: an honest browser was taken for a thief')
      if (known && (event.name === 'session_revoked' || event.name === 'session_logout')) this.#kill(known)
      assert.notEqual(event.name, 'engine_failure', String(event.reason))
    }
  }

  #deliver(exchange: Exchange, delivery: Delivery): void {
    const actor = this.#actors[exchange.by]!
    if (delivery === 'later') actor.mail.push(exchange)
    else if (delivery === 'now') this.#receive(exchange)
    else if (CHANGES.has(exchange.action.do)) actor.entitled = null
    if (delivery === 'later' && CHANGES.has(exchange.action.do)) actor.entitled = null
  }

  #receive(exchange: Exchange): void {
    const { action, begun, begunAt, reply } = exchange
    const actor = this.#actors[exchange.by]!
    const handed = this.#tokenIn(reply!)
    for (const [name, line] of reply!.headers) {
      if (name.toLowerCase() !== 'set-cookie') continue
      const cookie = line.slice(0, line.indexOf('='))
      if (/max-age=0/i.test(line)) actor.jar.delete(cookie)
      else actor.jar.set(cookie, line.slice(cookie.length + 1).split(';')[0]!)
    }
    // What had expired when it was asked for is another session from here on, even if a request under way prolongs the first.
    if (handed && handed.id !== actor.entitled) actor.entitled = null
    const inTime = Date.now() - begunAt <= GRACE
    if (CHANGES.has(action.do) || (!inTime && handed)) {
      // What a visitor stores meanwhile takes the place of the cookie; and so does whatever was sent before, and comes late.
      actor.epoch++
      const sure =
        handed &&
        inTime &&
        actor.visiting + actor.travelling === 0 &&
        actor.mail.length === 0 &&
        exchange.by !== THIEF
      const known = handed && this.#known.get(handed.id)
      actor.entitled = sure && known && !known.dead && known.user !== null ? handed.id : null
    }
    const csrf = reply!.became?.csrf
    if (action.do === 'read' && csrf && begun.seen?.user != null) {
      const { id, authenticatedAt } = begun.seen
      actor.csrf = { value: csrf, subject: `${id} ${authenticatedAt}` }
    }
  }

  #revoked(user: string): void {
    this.#revokedAt.set(user, Date.now())
    for (const known of this.#known.values()) if (known.user === user) this.#kill(known)
  }

  #kill(known: Known, before = Infinity): void {
    if (known.authenticatedAt > before) return
    known.dead = true
    for (const actor of this.#actors) if (actor.entitled === known.id) actor.entitled = null
  }

  #learn(
    { id, era }: { id: string; era: number },
    user: string | null,
    now: number,
    remember: boolean,
  ): Known {
    assert.ok(!this.#known.has(id), 'an id was used twice')
    const known: Known = {
      id,
      user,
      limits: remember ? this.#setup.remembered : this.#setup.limits,
      count: 0,
      exact: true,
      marks: new Set(),
      era,
      authenticatedAt: now,
      usedAt: now,
      answeredAt: now,
      dead: false,
    }
    this.#known.set(id, known)
    return known
  }

  #tokenIn({ headers }: Reply): { id: string; era: number } | null {
    const line = headers.find(
      ([name, value]) => name.toLowerCase() === 'set-cookie' && value.startsWith(`${SESSION}=`),
    )?.[1]
    if (line === undefined || /max-age=0/i.test(line)) return null
    const [id, era] = line.slice(SESSION.length + 1).split('.')
    return { id: id!, era: Number(era) }
  }

  /** Past a limit, by any reckoning. */
  #isExpired({ usedAt, authenticatedAt, limits }: Known): boolean {
    const now = Date.now()
    return now >= usedAt + limits.idle || now >= authenticatedAt + limits.absolute
  }

  /** Within every limit, by any reckoning. */
  #isSafe({ answeredAt, authenticatedAt, limits }: Known): boolean {
    const now = Date.now()
    return now < answeredAt + limits.idle - TOUCH && now < authenticatedAt + limits.absolute
  }
}

function isVisitor({ begun: { seen } }: Exchange): boolean {
  return seen?.id == null
}
