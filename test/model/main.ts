/**
 * The checker as a command:
 *
 *     node --conditions=holdfast-source test/model/main.ts [--config thief] [--depth 4] [--seconds 600] [--svg folder]
 *     node --conditions=holdfast-source test/model/main.ts --mutants [--svg folder]
 *
 * @module
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CONFIGURATIONS } from './configurations.ts'
import { draw, toSvg, toText } from './diagram.ts'
import { type Exploration, explore, worldOf } from './explore.ts'
import { BROKEN } from './mutants.ts'
import type { Configuration } from './state.ts'

/** One line on how far it got. */
export function summary({
  config,
  states,
  transitions,
  depth,
  complete,
  seconds,
  unnoticed,
}: Exploration): string {
  const name = config.mutant ? `${config.name}, ${config.mutant.name}` : config.name
  const extent = complete ? 'all' : config.mutant ? 'up to the first find' : 'cut off'
  const longest = config.unnoticed === null ? '' : `; unnoticed for ${unnoticed / 1000} s at most`
  const figures = `${states} states, ${transitions} transitions, ${depth} steps deep, ${extent}`
  return `${name}: ${figures}, ${seconds.toFixed(1)} s${longest}`
}

/** What was found, as diagrams in text; in SVG, too, where a folder is named. */
export async function describe({ config, counterexamples }: Exploration, folder?: string): Promise<string> {
  const texts: string[] = []
  for (const { property, what, path } of counterexamples) {
    const diagram = await draw(await worldOf(config), path, `${property.name}: ${what}`)
    texts.push(toText(diagram))
    if (folder === undefined) continue
    const name = [config.name, config.mutant?.name, property.name].filter(Boolean).join(' ').toLowerCase()
    const file = join(folder, `${name.replace(/[^a-z0-9]+/g, '-')}.svg`)
    writeFileSync(file, toSvg(diagram))
    texts.push(file)
  }
  return texts.join('\n\n')
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      config: { type: 'string' },
      depth: { type: 'string' },
      seconds: { type: 'string', default: '600' },
      svg: { type: 'string' },
      mutants: { type: 'boolean', default: false },
    },
  })
  const seconds = Number(values.seconds)
  const run = async (config: Configuration, expected: (names: readonly string[]) => boolean) => {
    const exploration = await explore(await worldOf(config), { seconds })
    const names = exploration.counterexamples.map(({ property }) => property.name)
    console.log(summary(exploration))
    if (names.length > 0) console.log(`${await describe(exploration, values.svg)}\n`)
    if (!expected(names)) process.exitCode = 1
  }
  if (values.mutants) {
    for (const { mutant, config, violates } of BROKEN) {
      const { depth, at } = CONFIGURATIONS[config]!
      await run({ ...at(depth), mutant }, (names) => violates.some((name) => names.includes(name)))
    }
    return
  }
  for (const name of values.config === undefined ? Object.keys(CONFIGURATIONS) : [values.config]) {
    const entry = CONFIGURATIONS[name]
    if (!entry) throw new Error(`--config: there are ${Object.keys(CONFIGURATIONS).join(', ')}`)
    const config = entry.at(Number(values.depth ?? entry.depth))
    await run(config, (names) => names.every((violated) => config.known.includes(violated)))
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
