/**
 * One text for all worlds that are the same but for the random strings and the hour: names are given in the order of
 * first appearance, times are told from now. What was made of a secret by hashing is named after it, so that a token
 * that fits a record is never taken for one that doesn't.
 * @module
 */

import { hash } from 'node:crypto'
import { preimageOf } from './crypto.ts'
import type { Request, State } from './state.ts'
import { textOf } from './text.ts'

/** Random strings, requests' names, and moments, which have 13 digits. */
const ATOMS = /([\w-]{22,}|#\d+#|\b\d{13}\b)/
const MOMENT = /^\d{13}$/

/** A text, taken apart once: what stands at an odd place is to be renamed, a number being a moment. */
type Parts = readonly (string | number)[]

const known = new Map<string, Parts>()

function takeApart(text: string): Parts {
  let parts = known.get(text)
  if (!parts) {
    parts = text
      .split(ATOMS)
      .map((part, index) => (index % 2 === 1 && MOMENT.test(part) ? Number(part) : part))
    known.set(text, parts)
  }
  return parts
}

/** @param horizon - how long ago no longer matters */
export function canonical(state: State, horizon: number): string {
  const names = new Map<string, string>()
  const nameOf = (text: string): string => {
    let name = names.get(text)
    if (name === undefined) {
      const preimage = preimageOf(text)
      name = preimage === undefined ? `~${names.size}` : `${nameOf(preimage)}'`
      names.set(text, name)
    }
    return name
  }
  let result = ''
  for (const text of texts(state)) {
    const parts = takeApart(text)
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!
      if (typeof part === 'number') result += Math.max(part - state.now, -horizon)
      else result += i % 2 === 0 ? part : nameOf(part)
    }
    result += '\n'
  }
  return result
}

/** A short text that differs where `canonical` does. */
export function keyOf(state: State, horizon: number): string {
  return hash('sha1', canonical(state, horizon), 'base64')
}

function* texts({
  records,
  ledgers,
  jars,
  stash,
  requests,
  responses,
  servers,
  spent,
  ghost,
}: State): Generator<string> {
  yield jars.browser ?? ''
  yield jars.device ?? ''
  yield* stash
  for (const request of requests) yield requestText(request)
  for (const { request, answer } of responses) {
    yield requestText(request)
    yield answer.token!
  }
  yield 'records'
  for (const record of records.values()) yield textOf(record)
  for (const ledger of ledgers.values()) yield textOf(ledger)
  for (const { log } of servers) {
    yield 'log'
    for (const { text } of log) yield text
  }
  const { sent: _, requests: counts, ...rest } = spent
  yield `${Object.values(counts).join()} ${Object.values(rest).join()}`
  yield textOf(ghost)
}

const requestTexts = new WeakMap<Request, string>()

function requestText(request: Request): string {
  let text = requestTexts.get(request)
  if (text === undefined) {
    const { number, client, task, server, sentAt, cookie, entitled, covers } = request
    text = `#${number}# ${client} ${task} ${server} ${sentAt} ${cookie} ${textOf(entitled)} ${covers.join(' ')}`
    requestTexts.set(request, text)
  }
  return text
}
