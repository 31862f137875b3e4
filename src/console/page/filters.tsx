/** What is searched for: typed, and after a pause in the address, from where the views read it. @module */

import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { replaceRoute } from './hooks.ts'
import { Field } from './parts.tsx'
import { linkTo, type View } from './route.ts'

export type Filters = Readonly<Record<string, string>>

/** Somebody who types is not interrupted at every letter. */
const PAUSE = 180

export interface Typing {
  readonly typed: Filters
  readonly type: (name: string, value: string) => void
  /** Without the pause. */
  readonly go: () => void
}

export function useTyping(view: View, filters: Filters): Typing {
  const [typed, setTyped] = useState(filters)
  const here = linkTo(view, filters)
  const sent = useRef(here)
  const go = () => {
    const trimmed = Object.entries(typed).map(([name, value]) => [name, value.trim()])
    sent.current = linkTo(view, Object.fromEntries(trimmed))
    if (sent.current !== here) replaceRoute(sent.current)
  }
  // Another address than ours: a link, or the browser's way back.
  useEffect(() => {
    if (here === sent.current) return
    sent.current = here
    setTyped(filters)
  }, [here])
  useEffect(() => {
    const timer = setTimeout(go, PAUSE)
    return () => clearTimeout(timer)
  }, [typed])
  return { typed, type: (name, value) => setTyped({ ...typed, [name]: value }), go }
}

export function TextFilter({
  label,
  name,
  example,
  typing,
  disabled = false,
}: {
  label: string
  name: string
  example: string
  typing: Typing
  disabled?: boolean
}): JSX.Element {
  return (
    <Field label={label}>
      <input
        type="search"
        name={name}
        value={typing.typed[name] ?? ''}
        placeholder={example}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        disabled={disabled}
        onInput={(event) => typing.type(name, event.currentTarget.value)}
      />
    </Field>
  )
}

export function ChoiceFilter({
  label,
  name,
  choices,
  typing,
  disabled = false,
}: {
  label: string
  name: string
  choices: readonly { readonly value: string; readonly name: string }[]
  typing: Typing
  disabled?: boolean
}): JSX.Element {
  return (
    <Field label={label}>
      <select
        name={name}
        value={typing.typed[name] ?? ''}
        disabled={disabled}
        onChange={(event) => typing.type(name, event.currentTarget.value)}
      >
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.name}
          </option>
        ))}
      </select>
    </Field>
  )
}
