/** Signs, drawn in the colour of the text beside them. They say nothing that the text doesn't. @module */

import type { JSX } from 'preact'
import type { Kind } from './words.ts'

/** Paths on 16 by 16. */
const PATHS = {
  start: 'M8 3v10M3 8h10',
  login: 'M9.5 3H13v10H9.5M2.5 8H9M6.5 5.2 9.3 8l-2.8 2.8',
  proof: 'M8 2 3 4v4c0 3 2.2 5 5 6 2.8-1 5-3 5-6V4L8 2ZM5.8 8l1.6 1.6L10.4 6.4',
  renewal: 'M13 6.5A5.2 5.2 0 0 0 3.6 5M3 2.5V5h2.5M3 9.5A5.2 5.2 0 0 0 12.4 11m.6 2.5V11h-2.5',
  change: 'M2.5 5.5h10M9.8 2.8l2.7 2.7-2.7 2.7M13.5 10.5h-10M6.2 7.8 3.5 10.5l2.7 2.7',
  trouble: 'M8 3v6.2M8 12.2v.6',
  alarm: 'M4 4l8 8M12 4l-8 8',
  end: 'M4.5 4.5h7v7h-7z',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM10.4 10.4l3.1 3.1',
  check: 'M3 8.5 6.5 12 13 4.5',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6ZM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M12.6 3.4l-.7.7M4.1 11.9l-.7.7',
  moon: 'M13 9.6A5.5 5.5 0 0 1 6.4 3 5.5 5.5 0 1 0 13 9.6Z',
  auto: 'M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11ZM8 2.5v11',
  close: 'M4 4l8 8M12 4l-8 8',
  back: 'M9.5 3.5 5 8l4.5 4.5',
} as const

export type Sign = keyof typeof PATHS

export function Icon({ sign, size = 16 }: { sign: Sign; size?: number }): JSX.Element {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[sign]} />
    </svg>
  )
}

/** For use inside of another picture. */
export function signPath(kind: Kind): string {
  return PATHS[kind]
}
