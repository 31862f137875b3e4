/** The worlds that are explored, and how far each. @module */

import type { Millis } from '../../src/core/duration.ts'
import type { Configuration } from './state.ts'

const SECOND = 1_000

/** Small numbers, in the proportions that the policy demands. */
const POLICY = { grace: '1s', late: '1s', renewal: '5s', idle: '20s', absolute: '60s' } as const
const GRACE = 1 * SECOND
const LATE = 1 * SECOND
const RENEWAL = 5 * SECOND
const IDLE = 20 * SECOND

interface Entry {
  /** Requests of each client; with `detection`, seconds of a pause. */
  readonly depth: number
  /** Where the tests stop looking; none where they see everything within the bounds. */
  readonly states?: number
  readonly at: (depth: number) => Configuration
}

const STILL: Omit<Configuration, 'name' | 'about' | 'clients' | 'requests'> = {
  options: POLICY,
  before: [{ kind: 'visit', task: 'login' }],
  concurrent: 3,
  servers: 2,
  skew: 0,
  crashes: 0,
  losses: 0,
  sweeps: 0,
  steals: false,
  waits: [],
  steps: 0,
  patience: null,
  pause: null,
  travel: false,
  atomic: false,
  slowServers: true,
  unnoticed: null,
  known: [],
  mutant: null,
}

const DUE = [...STILL.before, { kind: 'wait', by: RENEWAL }] as const
/** Shown tokens end up in this: one renewal ago, and the window of its siblings just begun. */
const RENEWED = [...DUE, { kind: 'visit', task: 'read' }, { kind: 'visit', task: 'read' }] as const

/** By name; each with the depth at which the tests run it. */
export const CONFIGURATIONS: Readonly<Record<string, Entry>> = {
  renewal: {
    depth: 2,
    at: (depth) => ({
      ...STILL,
      name: 'renewal',
      about: 'an honest browser whose token is renewed; answers late, reordered or lost; a crash',
      clients: { browser: { tasks: ['write', 'renew'], requests: depth } },
      requests: depth,
      before: DUE,
      crashes: 1,
      losses: 1,
      waits: [GRACE, 2 * (GRACE + LATE) + SECOND],
      steps: 2,
      patience: GRACE,
    }),
  },
  tabs: {
    depth: 5,
    at: (depth) => ({
      ...STILL,
      name: 'tabs',
      about: 'three requests at a time, that travel and are answered late, across two renewals',
      clients: { browser: { tasks: ['read'], requests: depth } },
      requests: depth,
      before: DUE,
      waits: [GRACE, RENEWAL],
      steps: 3,
      losses: 1,
      patience: GRACE,
      travel: true,
      atomic: true,
    }),
  },
  tardy: {
    depth: 4,
    at: (depth) => ({
      ...CONFIGURATIONS.tabs!.at(depth),
      name: 'tardy',
      about: 'as tabs, with answers that take up to grace + late: refused perhaps, never an alarm',
      waits: [GRACE, 2 * GRACE + LATE, RENEWAL],
      steps: 3,
      patience: GRACE + LATE,
    }),
  },
  login: {
    depth: 2,
    at: (depth) => ({
      ...STILL,
      name: 'login',
      about: 'a browser that logs in anew, proves itself again, writes and logs out; a crash',
      clients: { browser: { tasks: ['login', 'reauthenticate', 'write', 'logout'], requests: depth } },
      requests: depth,
      crashes: 1,
      losses: 1,
      patience: GRACE,
    }),
  },
  revoke: {
    depth: 2,
    at: (depth) => ({
      ...STILL,
      name: 'revoke',
      about: 'an operator who revokes, among logins and writes; a crash',
      clients: {
        browser: { tasks: ['login', 'reauthenticate', 'write'], requests: depth },
        operator: { tasks: ['revoke'], requests: 1 },
      },
      requests: depth,
      crashes: 1,
      patience: GRACE,
    }),
  },
  handover: {
    depth: 2,
    at: (depth) => ({
      ...STILL,
      name: 'handover',
      about: 'a login, while answers to requests from before it are under way, and renewal is due',
      clients: { browser: { tasks: ['read', 'login', 'reauthenticate'], requests: depth } },
      requests: depth,
      before: DUE,
      patience: GRACE,
      known: ['P4 the honest browser stays in'],
    }),
  },
  devices: {
    depth: 2,
    at: (depth) => ({
      ...STILL,
      name: 'devices',
      about:
        'two devices of a user who may have one session: one writes at the end of its idle time, the other logs in',
      options: { ...POLICY, maxSessionsPerUser: 1 },
      clients: {
        browser: { tasks: ['write'], requests: depth },
        device: { tasks: ['login'], requests: depth },
      },
      requests: depth,
      servers: 1,
      concurrent: 1,
      before: [...STILL.before, { kind: 'wait', by: IDLE - SECOND }],
      waits: [IDLE - SECOND],
      steps: 1,
      known: ['nobody unadmitted'],
    }),
  },
  limit: {
    depth: 2,
    states: 5_000,
    at: (depth) => ({
      ...STILL,
      name: 'limit',
      about: 'two devices of a user who may have one session log in at the same time',
      options: { ...POLICY, maxSessionsPerUser: 1 },
      clients: {
        browser: { tasks: ['login', 'write'], requests: depth },
        device: { tasks: ['login'], requests: depth },
      },
      requests: depth,
      concurrent: 1,
    }),
  },
  forget: {
    depth: 2,
    at: (depth) => ({
      ...STILL,
      name: 'forget',
      about: 'an engine that forgets what is past its time, while requests are under way',
      options: { ...POLICY, remembrance: '1s' },
      clients: { browser: { tasks: ['write', 'logout'], requests: depth } },
      requests: depth,
      before: [...STILL.before, { kind: 'wait', by: IDLE - SECOND }],
      waits: [2 * SECOND],
      steps: 1,
      sweeps: 1,
    }),
  },
  idle: {
    depth: 3,
    at: (depth) => ({
      ...STILL,
      name: 'idle',
      about: 'requests that come just before the idle limit, and are done after it',
      clients: { browser: { tasks: ['write'], requests: depth } },
      requests: depth,
      concurrent: 2,
      waits: [IDLE - SECOND],
      steps: 2,
      known: ['P1 expired stays expired'],
    }),
  },
  visitor: {
    depth: 2,
    at: (depth) => ({
      ...STILL,
      name: 'visitor',
      about: 'a visitor who fills a cart, logs in, and hands the browser to somebody else',
      clients: { browser: { tasks: ['shop', 'login', 'login as bob'], requests: depth } },
      requests: depth,
      before: [{ kind: 'visit', task: 'shop' }],
      crashes: 1,
    }),
  },
  skew: {
    depth: 2,
    at: (depth) => ({
      ...STILL,
      name: 'skew',
      about: 'two servers whose clocks differ by almost half of grace; answers within half of grace',
      options: { ...POLICY, grace: '2s', renewal: '7s' },
      clients: { browser: { tasks: ['read', 'write'], requests: depth } },
      requests: depth,
      before: [...STILL.before, { kind: 'wait', by: 7 * SECOND }],
      skew: SECOND - 1,
      losses: 1,
      waits: [SECOND, 7 * SECOND],
      steps: 2,
      patience: SECOND,
    }),
  },
  thief: {
    depth: 3,
    at: (depth) => ({
      ...STILL,
      name: 'thief',
      about: 'a thief who copies the jar at any moment, and then shows any token that he has',
      clients: {
        browser: { tasks: ['write'], requests: depth },
        thief: { tasks: ['write'], requests: depth },
      },
      requests: depth,
      before: DUE,
      concurrent: 2,
      steals: true,
      waits: [GRACE + LATE + SECOND],
      steps: 1,
      slowServers: false,
    }),
  },
  detection: {
    depth: 2,
    at: (depth) => ({
      ...STILL,
      name: 'detection',
      about:
        'thief and victim show a token at least every so many seconds as the depth says: how long can it go on?',
      options: { ...POLICY, idle: '100s', absolute: '200s' },
      clients: {
        browser: { tasks: ['read'], requests: Infinity },
        thief: { tasks: ['read'], requests: Infinity },
      },
      requests: Infinity,
      before: [...RENEWED, { kind: 'steal' }],
      concurrent: 2,
      losses: 1,
      waits: [SECOND],
      steps: Infinity,
      patience: GRACE,
      pause: depth * SECOND,
      atomic: true,
      // Times are whole seconds here, and the bound is not reached.
      unnoticed: unnoticedBound(GRACE, depth * SECOND, 1) - SECOND,
    }),
  },
}

/**
 * How long thief and victim can both go unnoticed, at most.
 *
 * @param delay - of an answer, from the request's sending
 * @param pause - the longest that either of them makes between two requests
 * @param losses - answers that never arrive
 */
function unnoticedBound(delay: Millis, pause: Millis, losses: number): Millis {
  return RENEWAL + 2 * (GRACE + LATE) + delay + (3 + losses) * pause
}
