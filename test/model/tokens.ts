/** What the checker knows of a token without asking anybody, and what the core under test would say to it now. @module */

import type { SessionRecord } from '../../src/core/engine.ts'
import type { Policy } from '../../src/core/policy.ts'
import { sha256 } from './crypto.ts'
import type { Core } from './sut.ts'

export interface TokenParts {
  readonly id: string
  readonly era: number
  readonly parent: string
  readonly secret: string
  readonly proof: string
  readonly issued: number
  readonly oldKey: false
}

const tokens = new Map<string, TokenParts>()

export function splitToken(text: string): TokenParts {
  let token = tokens.get(text)
  if (!token) {
    const [id, era, parent, secret, issued] = text.split('.')
    token = {
      id: id!,
      era: Number(era),
      parent: parent!,
      secret: secret!,
      proof: sha256(sha256(secret!)),
      issued: Number(issued),
      oldKey: false,
    }
    tokens.set(text, token)
  }
  return token
}

export interface Known {
  readonly policy: Policy
  /** What a request that showed this token would be told. */
  verdict(token: string, records: ReadonlyMap<string, SessionRecord>, now: number): string
  isLive(verdict: string): boolean
  touchEvery(record: SessionRecord): number
}

export function know(core: Core, policy: Policy): Known {
  const silence = { header: () => null, field: () => null }
  const request = {
    method: 'GET',
    origin: 'https://example.com',
    path: '/',
    search: '',
    ip: null,
    ...silence,
  }
  return {
    policy,
    verdict(text, records, now) {
      const token = splitToken(text)
      return core.judge(records.get(token.id) ?? null, token, { ...request, now }, policy).kind
    },
    isLive: (kind) => core.isLive({ kind } as never),
    touchEvery: (record) => core.touchEvery(record, policy),
  }
}
