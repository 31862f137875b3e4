/** One visit of an invented person: a browser, a device, a network. @module */

import { type Browser, browser } from 'holdfast/testing'
import type { Wire } from './wire.ts'

export interface Person {
  readonly id: string
  readonly name: string
  readonly password: string
}

const AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15',
  'Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (Linux; Android 16; Pixel 10) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Mobile Safari/537.36',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:149.0) Gecko/20100101 Firefox/149.0',
] as const

/** Networks for documentation (RFC 5737): nobody's. */
const NETWORKS = ['192.0.2', '198.51.100', '203.0.113'] as const

export function pick<T>(choices: readonly T[]): T {
  return choices[Math.floor(Math.random() * choices.length)]!
}

/** An address out of the networks; not out of that of `other`. */
export function drawAddress(other = ''): string {
  const network = pick(NETWORKS.filter((each) => !other.startsWith(`${each}.`)))
  return `${network}.${1 + Math.floor(Math.random() * 254)}`
}

export class Visit {
  readonly person: Person
  readonly address: string
  readonly userAgent: string
  readonly #pause: (millis: number) => Promise<void>
  #browser: Browser

  constructor(wire: Wire, person: Person, pause: (millis: number) => Promise<void>) {
    this.#pause = pause
    this.person = person
    this.address = drawAddress()
    this.userAgent = pick(AGENTS)
    this.#browser = browser(wire, {
      origin: wire.origin,
      userAgent: this.userAgent,
      headers: { 'x-forwarded-for': this.address },
    })
  }

  get browser(): Browser {
    return this.#browser
  }

  async logIn({ mistypes = false } = {}): Promise<void> {
    const { id, password } = this.person
    await this.#open('/')
    await this.#pause(500)
    let form = await this.#open('/login')
    if (mistypes) {
      await this.#pause(1_500)
      form = await this.#submit(form, { username: id, password: `${password}?` }, '/login')
    }
    await this.#pause(1_000)
    await this.#submit(form, { username: id, password }, '/login')
  }

  /** Opens one page or other, as a person would, or a page by itself. */
  async lookAround(): Promise<void> {
    const page = pick(['/account', '/account', '/account/sessions', 'note', 'poll'] as const)
    if (page === 'poll') {
      await this.read(() => this.#browser.fetch('/api/session', { headers: { 'session-passive': '1' } }))
    } else if (page === 'note') {
      const form = await this.#open('/account')
      // Whose session was ended meanwhile sees the login page.
      if (form.includes('action="/account/note"'))
        await this.#submit(form, { text: `It is ${new Date().toLocaleTimeString('en')}.` }, '/account/note')
    } else await this.#open(page)
  }

  /** Proves again who it is. */
  async stepUp(): Promise<void> {
    await this.#submit(
      await this.#open('/reauthenticate'),
      { password: this.person.password },
      '/reauthenticate',
    )
  }

  async logOut(): Promise<void> {
    const page = await this.#open('/account')
    if (page.includes('action="/logout"')) await this.#submit(page, {}, '/logout')
  }

  /** Walks out of the door, and into another network. @returns the address there */
  move(): string {
    const address = drawAddress(this.address)
    this.#browser = this.#browser.clone({ headers: { 'x-forwarded-for': address } })
    return address
  }

  /** Whom the demo takes this browser for; null for a visitor. */
  async whoAmI(from: Browser = this.#browser): Promise<string | null> {
    const response = await from.fetch('/api/session')
    const body = (await response.json()) as { user?: string }
    return body.user ?? null
  }

  /** Reads an answer to its end. */
  async read(ask: () => Promise<Response>): Promise<string> {
    return (await ask()).text()
  }

  #open(path: string): Promise<string> {
    return this.read(() => this.#browser.get(path))
  }

  #submit(page: string, fields: Record<string, string>, action: string): Promise<string> {
    return this.read(() => this.#browser.submit(page, fields, action))
  }
}
