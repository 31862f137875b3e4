/** Says exactly what will happen, and does it. @module */

import type { JSX } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { Failure } from './client.ts'
import { sayFailure, useShared } from './hooks.ts'
import { type Intent, inWords, type Named } from './intent.ts'
import { Problem } from './parts.tsx'
import { carryOut, goAndProve } from './revoking.ts'
import { count } from './words.ts'

/** What is typed to end everybody's. */
const WORD = 'everybody'
const MOST_NAMED = 6

export function RevokeDialog({
  intent,
  onClose,
  onDone,
}: {
  intent: Intent
  onClose: () => void
  onDone: (said: string) => void
}): JSX.Element {
  const { me } = useShared()
  const dialog = useRef<HTMLDialogElement>(null)
  const [typed, setTyped] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState('')
  const [wantsProof, setWantsProof] = useState(false)
  useOpen(dialog)

  const { title, consequence, button } = inWords(intent, me)
  const mayGo = !busy && (intent.kind !== 'everybody' || typed.trim() === WORD)
  const go = async () => {
    setBusy(true)
    setProblem('')
    try {
      const ended = await carryOut(intent, me)
      dialog.current!.close()
      onDone(ended === null ? 'The sessions were ended.' : `${count(ended, 'session')} ended.`)
    } catch (error) {
      if (error instanceof Failure && error.wantsProof) setWantsProof(true)
      else setProblem(sayFailure(error))
      setBusy(false)
    }
  }
  return (
    <dialog ref={dialog} aria-labelledby="revoke-title" aria-describedby="revoke-what" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (mayGo && !wantsProof) void go()
        }}
      >
        <h2 id="revoke-title">{title}</h2>
        <p id="revoke-what">{consequence}</p>
        {intent.kind === 'sessions' && <Names sessions={intent.sessions} />}
        {intent.kind === 'everybody' && !wantsProof && (
          <label class="field">
            <span>
              Type <b>{WORD}</b> to go on
            </span>
            <input
              value={typed}
              autocomplete="off"
              spellcheck={false}
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
          </label>
        )}
        {wantsProof && <Proof intent={intent} url={me.reauthenticateUrl} />}
        <Problem text={problem} />
        <div class="dialog-end">
          <button type="button" onClick={() => dialog.current!.close()}>
            Cancel
          </button>
          {!wantsProof && (
            <button type="submit" class="danger" disabled={!mayGo}>
              {busy ? 'Ending…' : button}
            </button>
          )}
        </div>
      </form>
    </dialog>
  )
}

function Names({ sessions }: { sessions: readonly Named[] }): JSX.Element {
  const more = sessions.length - MOST_NAMED
  return (
    <ul class="names">
      {sessions.slice(0, MOST_NAMED).map(({ id, userId, device, ip }) => (
        <li key={id}>
          <b>{userId}</b> {device} <span class="dim">{ip}</span>
        </li>
      ))}
      {more > 0 && <li class="dim">and {count(more, 'more', 'more')}</li>}
    </ul>
  )
}

function Proof({ intent, url }: { intent: Intent; url: string | null }): JSX.Element {
  return (
    <div class="proof" role="alert">
      <p>
        <b>Show once more who you are.</b> Your login is too long ago for this.{' '}
        {url === null ? 'Log in again, then come back here.' : 'You come back here, and are asked once more.'}
      </p>
      {url !== null && (
        <button type="button" class="main" onClick={() => goAndProve(intent, url)}>
          Confirm who you are
        </button>
      )}
    </div>
  )
}

/** At once: the next key is for the dialog. The browser keeps the focus inside, closes on Escape, and gives it back. */
function useOpen(dialog: { current: HTMLDialogElement | null }): void {
  useLayoutEffect(() => {
    dialog.current!.showModal()
  }, [dialog])
}
