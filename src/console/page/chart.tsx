/** A chart with its number, its legend and the same as a table, for whoever doesn't see it. @module */

import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import type { Millis } from '../../core/duration.ts'
import { sum } from './figures.ts'
import { useMedia, useWidth } from './hooks.ts'
import { secondOf } from './time.ts'

export interface Series {
  readonly label: string
  /** The custom property that holds it. */
  readonly color: string
  readonly counts: readonly (number | null)[]
}

interface ChartProps {
  readonly title: string
  readonly total: string
  readonly note: string
  readonly from: readonly Millis[]
  readonly series: readonly Series[]
  readonly shape: 'area' | 'bars'
}

const HEIGHT = 214

export function Chart({ title, total, note, from, series, shape }: ChartProps): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>()
  const [at, setAt] = useState<number | null>(null)
  usePlot(box, width, from, series, shape, setAt)
  const shown = at !== null && from[at] !== undefined ? at : null
  return (
    <section class="panel chart" aria-label={title}>
      <header>
        <h2>{title}</h2>
        <span class="total">{total}</span>
        <span class="dim">{shown === null ? note : `at ${secondOf(from[shown]!)}`}</span>
      </header>
      <div ref={box} class="plot" aria-hidden="true" />
      {(series.length > 1 || shown !== null) && (
        <ul class="legend" aria-hidden="true">
          {series.map(({ label, color, counts }) => (
            <li key={label} data-color={color}>
              {label} <b>{shown === null ? sum(counts) : (counts[shown] ?? '–')}</b>
            </li>
          ))}
        </ul>
      )}
      <AsTable title={title} from={from} series={series} />
    </section>
  )
}

function AsTable({ title, from, series }: Pick<ChartProps, 'title' | 'from' | 'series'>): JSX.Element {
  const [open, setOpen] = useState(false)
  return (
    <details class="as-table" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>As a table</summary>
      {open && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
        <div class="scroll" tabIndex={0} role="group" aria-label={`${title}, as a table`}>
          <table>
            <thead>
              <tr>
                <th scope="col">From</th>
                {series.map(({ label }) => (
                  <th scope="col" key={label}>
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {from
                .map((_, index) => from.length - 1 - index)
                .map((index) => (
                  <tr key={from[index]}>
                    <th scope="row">{secondOf(from[index]!)}</th>
                    {series.map(({ label, counts }) => (
                      <td key={label}>{counts[index] ?? '–'}</td>
                    ))}
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  )
}

/** Drawn anew for another width, other colours, other series; else only its numbers change. */
function usePlot(
  box: { current: HTMLDivElement | null },
  width: number,
  from: readonly Millis[],
  series: readonly Series[],
  shape: ChartProps['shape'],
  onCursor: (index: number | null) => void,
): void {
  const plot = useRef<uPlot>(null)
  const system = useMedia('(prefers-color-scheme: dark)')
  const [theme, setTheme] = useState(0)
  useEffect(() => {
    const read = () => setTheme((n) => n + 1)
    addEventListener('themechange', read)
    return () => removeEventListener('themechange', read)
  }, [])
  const names = series.map(({ label }) => label).join('\n')
  useEffect(() => {
    if (width === 0) return
    const options = optionsOf(box.current!, width, series, shape, onCursor)
    plot.current = new uPlot(options, dataOf(from, series), box.current!)
    return () => {
      plot.current!.destroy()
      plot.current = null
    }
  }, [width, system, theme, names, shape])
  useEffect(() => plot.current?.setData(dataOf(from, series)), [from, series])
}

/** Bars on top of each other are drawn as sums, the highest first: the lower ones cover it. */
function dataOf(from: readonly Millis[], series: readonly Series[]): uPlot.AlignedData {
  const stacked: (number | null)[][] = []
  for (const { counts } of series) {
    const below = stacked.at(-1)
    stacked.push(counts.map((count, index) => (below ? (count ?? 0) + (below[index] ?? 0) : count)))
  }
  return [from.map((at) => at / 1000), ...stacked.reverse()]
}

function optionsOf(
  box: HTMLElement,
  width: number,
  series: readonly Series[],
  shape: ChartProps['shape'],
  onCursor: (index: number | null) => void,
): uPlot.Options {
  const color = (name: string) => colorIn(box, name)
  const axis = {
    stroke: color('--dim'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false },
  }
  const bars = uPlot.paths.bars!({ size: [0.72, 28], radius: 0.15 })
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    padding: [8, 20, 0, 0],
    cursor: { y: false, sync: { key: 'overview' }, points: { show: shape === 'area' }, drag: { x: false } },
    scales: { y: { range: (_plot, min, max) => rangeOf(shape, min ?? 0, max ?? 0) } },
    axes: [
      {
        ...axis,
        space: 52,
        values: (_plot, splits) => splits.map(timeLabel),
        grid: { show: false },
        size: 28,
      },
      { ...axis, size: 42, space: 32, incrs: INCREMENTS },
    ],
    series: [
      {},
      ...[...series].reverse().map(({ color: name }) => {
        const main = color(name)
        return shape === 'bars'
          ? { stroke: main, fill: main, width: 0, paths: bars, points: { show: false } }
          : { stroke: main, fill: color('--accent-soft'), width: 2, points: { show: false } }
      }),
    ],
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)] },
  }
}

/** Bars stand on nothing; a line shows how it moves, but makes no mountain of a tenth. */
function rangeOf(shape: ChartProps['shape'], min: number, max: number): [number, number] {
  if (shape === 'bars') return [0, Math.max(4, Math.ceil(max * 1.15))]
  const room = Math.max(max - min, max / 10, 4) / 2
  return [Math.max(0, Math.floor(min - room)), Math.ceil(max + room)]
}

/** Nobody logs in half a time. */
const INCREMENTS = [1, 2, 5]
  .flatMap((n) => [0, 1, 2, 3, 4, 5, 6].map((power) => n * 10 ** power))
  .sort((a, b) => a - b)

function timeLabel(seconds: number): string {
  const text = secondOf(seconds * 1000)
  return text.endsWith(':00') ? text.slice(0, -3) : text
}

/** A canvas knows no custom properties: the browser says what colour it is. */
function colorIn(box: HTMLElement, name: string): string {
  box.style.color = `var(${name})`
  const { color } = getComputedStyle(box)
  box.style.color = ''
  return color
}
