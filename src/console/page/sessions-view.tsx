/** All sessions: searched, chosen, ended. @module */

import type { JSX } from 'preact'
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { ConsoleSession } from '../api.ts'
import { blockOf } from './block.ts'
import type { Query } from './client.ts'
import { ChoiceFilter, type Filters, TextFilter, useTyping } from './filters.tsx'
import { useLive, useNow, useShared } from './hooks.ts'
import { toSessions } from './intent.ts'
import { Problem } from './parts.tsx'
import { SessionGrid } from './session-grid.tsx'
import { clock } from './time.ts'
import { type Found, useSessions } from './use-sessions.ts'
import { count } from './words.ts'

export function SessionsView({ query }: { query: Filters }): JSX.Element {
  const { changes, askToRevoke } = useShared()
  const { gone } = useLive()
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const now = useNow(5000)
  const request = useRequest(query)
  const { more, ...found } = useSessions(request, changes)
  useEffect(() => setChosen(new Set()), [request, changes])
  const selected = useMemo(
    () => (chosen.size === 0 ? [] : found.sessions.filter(({ id }) => chosen.has(id))),
    [found.sessions, chosen],
  )
  const user = onlyUser(found, query)
  return (
    <div class="sessions">
      <div class="head">
        <h1 tabIndex={-1}>Sessions</h1>
        <Summary found={found} />
        <span class="grow" />
        <button type="button" class="danger-quiet" onClick={() => askToRevoke({ kind: 'everybody' })}>
          End everybody’s…
        </button>
      </div>
      <Search filters={query} />
      <div class="tools" role="group" aria-label="What to do with the sessions found">
        <button
          type="button"
          class={selected.length > 0 ? 'danger' : ''}
          aria-disabled={selected.length === 0}
          onClick={() => selected.length > 0 && askToRevoke(toSessions(selected))}
        >
          End selected{selected.length > 0 && ` (${selected.length.toLocaleString('en-GB')})`}
        </button>
        {user !== null && (
          <button type="button" onClick={() => askToRevoke({ kind: 'user', userId: user, except: null })}>
            End all of {user}
          </button>
        )}
        <span class="dim keys">
          <kbd>↑</kbd> <kbd>↓</kbd> move, <kbd>Space</kbd> selects, <kbd>Enter</kbd> opens, <kbd>Delete</kbd>{' '}
          ends
        </span>
      </div>
      <Problem text={found.problem} />
      <SessionGrid
        found={found}
        chosen={chosen}
        gone={gone}
        now={now}
        onChoose={setChosen}
        onMore={more}
        onEnd={(sessions) => askToRevoke(toSessions(sessions))}
      />
    </div>
  )
}

function Summary({ found: { sessions, next, looked, isBusy } }: { found: Found }): JSX.Element {
  const text =
    sessions.length === 0 && isBusy
      ? 'Searching…'
      : `${count(sessions.length, 'session')}${next === null ? '' : ` so far, ${looked.toLocaleString('en-GB')} looked at`}`
  return (
    <span class="dim summary" role="status" data-busy={isBusy}>
      {text}
    </span>
  )
}

/** The one whose sessions alone were searched for, and found. */
function onlyUser({ sessions, next }: Found, query: Filters): string | null {
  const first = sessions[0]
  if (!query.user || first === undefined || next !== null) return null
  return sessions.every(({ userId }: ConsoleSession) => userId === first.userId) ? first.userId : null
}

const HOUR = 3_600_000
const AGES: readonly { value: string; name: string; query: () => Query }[] = [
  { value: '', name: 'any age', query: () => ({}) },
  { value: '15m', name: 'younger than 15 min', query: () => ({ createdAfter: clock() - HOUR / 4 }) },
  { value: '1h', name: 'younger than 1 hour', query: () => ({ createdAfter: clock() - HOUR }) },
  { value: '1d', name: 'younger than 1 day', query: () => ({ createdAfter: clock() - 24 * HOUR }) },
  { value: 'over1h', name: 'older than 1 hour', query: () => ({ createdBefore: clock() - HOUR }) },
  { value: 'over1d', name: 'older than 1 day', query: () => ({ createdBefore: clock() - 24 * HOUR }) },
  { value: 'over7d', name: 'older than 7 days', query: () => ({ createdBefore: clock() - 7 * 24 * HOUR }) },
]

/** Made anew only for other filters: the moments in it would change it at every second. */
function useRequest({ user = '', address = '', device = '', age = '' }: Filters): Query {
  const make = (): Query => {
    const ages = AGES.find(({ value }) => value === age)?.query() ?? {}
    return { user: user.trim(), address: blockOf(address.trim()), device: device.trim(), ...ages }
  }
  const text = [user, address, device, age].join('\n')
  const [kept, setKept] = useState(() => ({ text, request: make() }))
  if (kept.text === text) return kept.request
  const request = make()
  setKept({ text, request })
  return request
}

function Search({ filters }: { filters: Filters }): JSX.Element {
  const { canSearch } = useShared().me
  const typing = useTyping('sessions', filters)
  const rest = { typing, disabled: !canSearch }
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault()
        typing.go()
      }}
    >
      <TextFilter label="User" name="user" example="ada" typing={typing} />
      <TextFilter label="Address" name="address" example="203.0.113.0/24" {...rest} />
      <TextFilter label="Device" name="device" example="Firefox" {...rest} />
      <ChoiceFilter label="Age" name="age" choices={AGES} {...rest} />
      {!canSearch && <p class="dim">This store can list no sessions but a user’s.</p>}
    </form>
  )
}
