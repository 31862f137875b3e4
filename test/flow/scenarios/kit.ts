/** What scenarios have in common. */

import type { TestContext } from 'node:test'
import type { Browser, BrowserOptions } from 'holdfast/testing'
import type { Configuration, Control } from '../site.ts'

export const SESSION = '__Host-Http-session'
export const VISITOR = '__Host-Http-visitor'

/** A server that runs, and what can be done to it. */
export interface Site extends AsyncDisposable {
  readonly port: number
  readonly control: Control
  browser(options?: BrowserOptions): Browser
  /** A browser behind a proxy that speaks TLS for `https://app.example`. */
  proxied(options?: BrowserOptions): Browser
  /** A browser that speaks TLS: with the server, where it can, else with that proxy. */
  secure(options?: BrowserOptions): Browser
}

/** @param secure - the server is to speak TLS, if it can */
export type Open = (configuration?: Configuration, secure?: boolean) => Promise<Site>

/** As of `node:test`, less what adapters can't have. */
export type Test = (name: string, run: (t: TestContext) => Promise<void>) => void

/** An error's answer to a script. */
export interface Problem {
  readonly error: { readonly code: string; readonly message: string; readonly required?: object }
}

export async function me(client: Browser): Promise<{ user: string | null; lost?: string }> {
  return (await (await client.fetch('/me')).json()) as never
}

/** What a browser on this machine sends. */
export function here(site: Site): Record<string, string> {
  const host = `localhost:${site.port}`
  return {
    host,
    origin: `http://${host}`,
    'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0',
  }
}
