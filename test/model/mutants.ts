/** Rules broken on purpose, and where the checker must notice: what it can't find, it can't rule out. @module */

import type { Mutant } from './state.ts'

export interface Broken {
  readonly mutant: Mutant
  readonly config: string
  /** One of these properties is found violated. */
  readonly violates: readonly string[]
}

const ENDED = 'P1 ended stays ended'
const WRITES = 'P2 no write is lost'
const OLDER = 'P3 nothing older works'
const STAYS = 'P4 the honest browser stays in'
const ALARM = 'P4 no false alarm'
const REPLAY = 'P4 a replay ends the session'
const LIMITS = 'P10 no limit is stretched'
const LEDGER = 'nobody unadmitted'
const NOTICED = 'two can not both go unnoticed'

export const BROKEN: readonly Broken[] = [
  { mutant: { kind: 'engine', name: 'swap ignored' }, config: 'login', violates: [ENDED, WRITES] },
  { mutant: { kind: 'engine', name: 'replace inserts' }, config: 'forget', violates: [ENDED] },
  core('login', [ENDED], {
    name: 'the old record is not ended at login',
    file: 'commit.ts',
    from: 'const handed = base ? await',
    to: 'const handed = base && base.userId === null ? await',
  }),
  core('login', [ENDED, WRITES], {
    name: 'a commit writes to a tombstone',
    file: 'plan.ts',
    from: "if (!latest || latest.ended) return refuse('ERR_SESSION_ENDED')",
    to: "if (!latest) return refuse('ERR_SESSION_ENDED')\n  if (latest.ended) latest = { ...latest, ended: null, secrets: opened.record!.secrets }",
  }),
  core('login', [OLDER], {
    name: 'older eras are served',
    file: 'judge.ts',
    from: "if (token.era < record.era) return 'superseded'",
    to: "if (token.era < record.era) return 'current'",
  }),
  core('login', [WRITES], {
    name: 'whoever loses the race writes what he had',
    file: 'plan.ts',
    from: 'const data = intent.replay ? intent.replay(latest.data) : latest.data',
    to: 'const data = intent.replay ? intent.replay(opened.record!.data) : latest.data',
  }),
  core('visitor', [WRITES], {
    name: 'a login takes the data as it first saw them',
    file: 'commit.ts',
    from: 'if (latest.data !== taken) {',
    to: 'if (latest === null) {',
  }),
  core('login', [LEDGER], {
    name: 'the ledger is skipped',
    file: 'ledger.ts',
    from: '    sessions: [...staying, entry],\n',
    to: '    sessions: [...staying, entry].slice(-1).filter(() => ledger.version === 0),\n',
  }),
  core('revoke', [ENDED], {
    name: 'a login that a revocation overtook is admitted',
    file: 'ledger.ts',
    from: 'return openedAt <= ledger.notBefore',
    to: 'return openedAt < 0 * ledger.notBefore',
  }),
  core('revoke', [ENDED], {
    name: 'a revocation leaves the records to others',
    file: 'directory.ts',
    from: 'return finished + (await this.#finish(userId, ledger.ending, now, null, by))',
    to: 'return ledger.ending.length',
  }),
  core('tabs', [STAYS], {
    name: 'no grace',
    file: 'judge.ts',
    from: 'if (shown === parent && retiredFor <= policy.grace) return',
    to: 'if (shown === parent && retiredFor < 0) return',
  }),
  core('tabs', [STAYS, ALARM], {
    name: 'siblings are replays',
    file: 'judge.ts',
    from: "if (shownParent === parent) return 'sibling'",
    to: "if (shownParent === parent) return 'replayed'",
  }),
  core('tabs', [STAYS, ALARM], {
    name: 'siblings settle at once',
    file: 'judge.ts',
    from: 'now - record.renewedAt <= 2 * (policy.grace + policy.late)',
    to: 'now < record.renewedAt',
  }),
  core('tardy', [ALARM], {
    name: 'a late retired token is a replay',
    file: 'judge.ts',
    from: 'if (shown === parent && retiredFor <= policy.grace + policy.late) return',
    to: 'if (shown === parent && retiredFor <= policy.grace) return',
  }),
  core('detection', [NOTICED], {
    name: 'retired tokens are served for ever',
    file: 'judge.ts',
    from: 'if (shown === parent && retiredFor <= policy.grace) return',
    to: 'if (shown === parent) return',
  }),
  core('detection', [NOTICED], {
    name: 'siblings never settle',
    file: 'judge.ts',
    from: 'return record.secrets.parent !== null && now - record.renewedAt <=',
    to: 'return record.secrets.parent !== null && 0 * now <=',
  }),
  core('thief', [REPLAY], {
    name: 'a replay is only reported',
    file: 'sessions.ts',
    from: "if (verdict.kind === 'replayed') return this.policy.onReplay === 'revoke'",
    to: "if (verdict.kind === 'replayed') return false",
  }),
  core('forget', [LIMITS], {
    name: 'idle is ignored',
    file: 'judge.ts',
    from: "now >= absolute ? 'absolute' : now >= idle ? 'idle' : null",
    to: "now >= absolute ? 'absolute' : idle < 0 ? 'idle' : null",
  }),
]

function core(
  config: string,
  violates: readonly string[],
  mutation: { readonly name: string; readonly file: string; readonly from: string; readonly to: string },
): Broken {
  return { mutant: { kind: 'core', ...mutation }, config, violates }
}
