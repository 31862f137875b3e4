/**
 * What commands print. Data goes to standard output, words to standard error. Texts come from clients, and a terminal
 * obeys what it is shown: nothing that moves its cursor, turns text round or hides it gets through.
 * @module
 */

import { styleText } from 'node:util'
import type { Millis } from '../core/duration.ts'
import { EXIT } from './stop.ts'

/**
 * C0, DEL and C1 controls; what reorders text (bidi), ends lines or shows nothing; halves of surrogate pairs.
 * @see https://trojansource.codes
 */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** Text for a terminal: what is unsafe there is written as `\u001b`. */
export function plain(text: string): string {
  return text.replace(UNSAFE, (unsafe) => `\\u${unsafe.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** One line of JSON, which stays the same JSON while nothing in it is unsafe for a terminal. */
export function toJsonLine(value: unknown): string {
  return plain(JSON.stringify(value))
}

let read = true

/**
 * Goes on where whoever reads has enough, as in `holdfast list | head`: what was begun is brought to its end, and has its
 * exit status.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') process.exit(EXIT.bug)
      if (stream === process.stdout) read = false
    })
  }
}

/** Whether anybody reads standard output, as far as is known. */
export function isRead(): boolean {
  return read
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Says something to whoever sits there, beside the data. */
export function say(line: string): void {
  process.stderr.write(`${plain(line)}\n`)
}

const LONGEST_CELL = 44

/** Prints a table whose columns are as wide as they must be. Null is a dash. */
export function printTable(
  headers: readonly string[],
  rows: readonly (readonly (string | null)[])[],
  longest = LONGEST_CELL,
): void {
  const cells = rows.map((row) => row.map((cell) => cut(plain(cell ?? '-'), longest)))
  const widths = headers.map((header, n) => Math.max(header.length, ...cells.map((row) => row[n]!.length)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, n) => cell.padEnd(widths[n]!))
      .join('  ')
      .trimEnd()
  print(styleText('bold', line(headers), { stream: process.stdout }))
  for (const row of cells) print(line(row))
}

/** Prints names and values below one another. Null is left out. */
export function printFields(fields: Readonly<Record<string, unknown>>): void {
  const shown = Object.entries(fields).flatMap(([name, value]) => {
    const text = textOf(value)
    return text === null ? [] : [[plain(name), plain(text)] as const]
  })
  const width = Math.max(...shown.map(([name]) => name.length))
  for (const [name, text] of shown)
    print(`${styleText('bold', name.padEnd(width), { stream: process.stdout })}  ${text}`)
}

/** Whatever stands in a log or a store, as text: an object there may not know how to become one. Null where there is nothing. */
export function textOf(value: unknown): string | null {
  if (value === undefined || value === null) return null
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** A moment, in UTC, as logs write it. */
export function formatMoment(millis: Millis): string {
  return new Date(millis)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z')
}

/** @returns such as `1 session`, `2 sessions`, `no sessions` */
export function count(number: number, word: string): string {
  return `${number === 0 ? 'no' : number.toLocaleString('en')} ${word}${number === 1 ? '' : 's'}`
}

const EVERY = 200

/** Says how far long work has come, where somebody is watching. @returns what the work calls; without a number it is done */
export function progress(what: string): (done?: number) => void {
  let last = performance.now()
  let shown = false
  return (done) => {
    if (!process.stderr.isTTY) return
    if (done === undefined) {
      if (shown) process.stderr.write('\r\u001b[K')
    } else if (performance.now() - last > EVERY) {
      last = performance.now()
      shown = true
      process.stderr.write(`\r${done.toLocaleString('en')} ${what}`)
    }
  }
}

function cut(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`
}
