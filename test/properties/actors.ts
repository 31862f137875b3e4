/** Who does what: the steps that a run is made of, drawn at random and shrunk to the least that fails. @module */

import fc from 'fast-check'

export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE

/** Three honest browsers, of two users who lend each other theirs, and a thief who copies jars. */
export const BROWSERS = 3
export const THIEF = 3
export const USERS = ['ada', 'grace'] as const
export type User = (typeof USERS)[number]

export type Action =
  | { readonly do: 'login' | 'login, revoking others'; readonly user: User; readonly remember: boolean }
  | {
      readonly do:
        | 'read'
        | 'passive'
        | 'increment'
        | 'mark'
        | 'renew'
        | 'logout'
        | 'reauthenticate'
        | 'csrf'
        | 'fail'
    }

/** Whether the answer reaches the client at once, after the next wait, or never. */
export type Delivery = 'now' | 'later' | 'lost'

export type Step =
  | {
      readonly kind: 'ask'
      readonly by: number
      readonly on: number
      readonly action: Action
      readonly delivery: Delivery
    }
  | { readonly kind: 'begin'; readonly by: number; readonly on: number; readonly action: Action }
  /** On its way, with the cookies of now; it arrives when it is finished. */
  | { readonly kind: 'send'; readonly by: number; readonly on: number; readonly action: Action }
  | { readonly kind: 'finish'; readonly which: number; readonly delivery: Delivery }
  | { readonly kind: 'burst'; readonly by: number; readonly actions: readonly Action[] }
  | { readonly kind: 'wait'; readonly by: number }
  | { readonly kind: 'steal'; readonly from: number }
  | { readonly kind: 'revoke'; readonly user: User }
  | { readonly kind: 'revoke one'; readonly of: number }

const user = fc.constantFrom(...USERS)
const by = fc.oneof(
  { weight: 9, arbitrary: fc.nat(BROWSERS - 1) },
  { weight: 1, arbitrary: fc.constant(THIEF) },
)
const on = fc.nat(1)
const delivery = fc.oneof(
  { weight: 7, arbitrary: fc.constant<Delivery>('now') },
  { weight: 1, arbitrary: fc.constant<Delivery>('later') },
  { weight: 1, arbitrary: fc.constant<Delivery>('lost') },
)
const login = (name: 'login' | 'login, revoking others') =>
  fc.record({ do: fc.constant(name), user, remember: fc.boolean() })
const plain = (...names: Exclude<Action['do'], 'login' | 'login, revoking others'>[]) =>
  fc.record({ do: fc.constantFrom(...names) })

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: login('login') },
  { weight: 1, arbitrary: login('login, revoking others') },
  { weight: 10, arbitrary: plain('read', 'increment', 'mark') },
  { weight: 3, arbitrary: plain('renew', 'csrf', 'passive') },
  { weight: 2, arbitrary: plain('logout', 'reauthenticate', 'fail') },
)

/** Around every limit of the policy: grace, late, both twice, renewal, idle, absolute. */
const wait = fc.oneof(
  fc.constantFrom(SECOND, 59 * SECOND, 61 * SECOND, 3 * MINUTE, 6 * MINUTE, 15 * MINUTE, 16 * MINUTE),
  fc.constantFrom(20 * MINUTE, 29 * MINUTE, 30 * MINUTE, HOUR, 12 * HOUR, 13 * 24 * HOUR),
  fc.integer({ min: 1, max: 40 * MINUTE }),
)

/** Everybody does anything. */
const anything: fc.Arbitrary<Step> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('ask' as const), by, on, action, delivery }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('begin' as const), by, on, action }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('send' as const), by, on, action }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat(5), delivery }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('burst' as const),
      by,
      actions: fc.array(action, { minLength: 2, maxLength: 5 }),
    }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('wait' as const), by: wait }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('steal' as const), from: fc.nat(BROWSERS - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revoke' as const), user }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revoke one' as const), of: fc.nat(BROWSERS - 1) }) },
)

const one = fc.constant(0)
const tabs = fc.oneof(
  { weight: 8, arbitrary: plain('read', 'increment') },
  { weight: 3, arbitrary: plain('csrf', 'renew', 'reauthenticate') },
  { weight: 1, arbitrary: login('login') },
)
const slowly = fc.constantFrom<Delivery>('now', 'now', 'now', 'later', 'later', 'lost')

/** One browser with many tabs, whose requests and answers overtake one another while its token is renewed. */
const busy: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('ask' as const), by: one, on, action: tabs, delivery: slowly }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('begin' as const), by: one, on, action: tabs }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('send' as const), by: one, on, action: tabs }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat(5), delivery: slowly }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      by: fc.constantFrom(SECOND, 10 * SECOND, 50 * SECOND, 16 * MINUTE, 16 * MINUTE),
    }),
  },
)

const list = (step: fc.Arbitrary<Step>) => fc.array(step, { minLength: 1, maxLength: 60, size: 'max' })

export const steps: fc.Arbitrary<Step[]> = fc.oneof(list(anything), list(busy))
