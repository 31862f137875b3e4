/** Light, dark, or as the system has it. @module */

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { Icon } from './icons.tsx'

const THEMES = ['auto', 'light', 'dark'] as const
type Theme = (typeof THEMES)[number]
const SIGNS = { auto: 'auto', light: 'sun', dark: 'moon' } as const
const NAMES = { auto: 'as the system', light: 'light', dark: 'dark' } as const
const KEPT = 'holdfast-console-theme'

export function readTheme(): Theme {
  const kept = localStorage.getItem(KEPT)
  return THEMES.find((theme) => theme === kept) ?? 'auto'
}

export function applyTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme
  dispatchEvent(new Event('themechange'))
}

export function ThemeSwitch(): JSX.Element {
  const [theme, setTheme] = useState(readTheme)
  const change = () => {
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!
    localStorage.setItem(KEPT, next)
    applyTheme(next)
    setTheme(next)
  }
  const label = `Colours: ${NAMES[theme]}`
  return (
    <button type="button" class="quiet square" onClick={change} aria-label={label} title={label}>
      <Icon sign={SIGNS[theme]} />
    </button>
  )
}
