/** Breadth first through every world that a configuration can become. @module */

import { keyOf } from './canonical.ts'
import { choices } from './choices.ts'
import { PROPERTIES, type Property, unnoticedFor } from './properties.ts'
import type { Choice, Configuration, State } from './state.ts'
import { loadCore } from './sut.ts'
import { type Transition, World } from './world.ts'

export interface Counterexample {
  readonly property: Property
  readonly what: string
  readonly path: readonly Choice[]
}

export interface Exploration {
  readonly config: Configuration
  readonly states: number
  readonly transitions: number
  /** Choices on the longest of the shortest paths. */
  readonly depth: number
  /** Whether everything within the bounds was seen. */
  readonly complete: boolean
  readonly seconds: number
  readonly counterexamples: readonly Counterexample[]
  /** The longest that thief and victim both went unnoticed. */
  readonly unnoticed: number
}

export interface Limits {
  readonly seconds: number
  readonly states?: number
  readonly properties?: readonly Property[]
}

/** A state by its number, and by which choice it was reached from which other. */
interface Reached {
  readonly state: State
  readonly at: number
}

/** The world of a configuration, over the core that it asks for, broken or whole. */
export async function worldOf(config: Configuration): Promise<World> {
  const { mutant } = config
  return new World(await loadCore(mutant?.kind === 'core' ? mutant : null), config)
}

/** Explores a world; of a broken one only as far as the first level on which something is found. */
export async function explore(
  world: World,
  { seconds, states = Infinity, properties = PROPERTIES }: Limits,
): Promise<Exploration> {
  const { config } = world
  const { idle, absolute } = world.known.policy.limits
  const horizon = 2 * Math.max(idle, absolute)
  const began = performance.now()
  const elapsed = () => (performance.now() - began) / 1000
  const parents: number[] = [-1]
  const chosen: (Choice | null)[] = [null]
  const found = new Map<Property, Counterexample>()
  let transitions = 0
  let unnoticed = 0
  let depth = 0

  const pathTo = (at: number, last: Choice | null): Choice[] => {
    const path = last ? [last] : []
    for (; at > 0; at = parents[at]!) path.unshift(chosen[at]!)
    return path
  }
  const check = (before: State, transition: Transition, at: number, choice: Choice | null): boolean => {
    let holds = true
    for (const property of properties) {
      const what = property.violated(before, transition, world)
      if (what === null) continue
      holds = false
      if (!found.has(property)) found.set(property, { property, what, path: pathTo(at, choice) })
    }
    if (config.unnoticed !== null) unnoticed = Math.max(unnoticed, unnoticedFor(transition.state, world))
    return holds
  }

  const dawn = await world.dawn()
  for (const [index, transition] of dawn.entries())
    check(dawn[index - 1]?.state ?? transition.state, transition, 0, null)
  const seen = new Set([keyOf(dawn.at(-1)!.state, horizon)])
  let level: Reached[] = [{ state: dawn.at(-1)!.state, at: 0 }]
  let complete = true

  search: while (level.length > 0) {
    const next: Reached[] = []
    for (const { state, at } of level) {
      if (elapsed() > seconds || seen.size >= states) {
        complete = false
        break search
      }
      for (const choice of choices(state, config)) {
        transitions++
        const steps = await world.apply(state, choice)
        let before = state
        let holds = true
        for (const step of steps) {
          holds = check(before, step, at, choice) && holds
          before = step.state
        }
        // What comes after a violation says nothing new.
        if (!holds) continue
        const key = keyOf(before, horizon)
        if (seen.has(key)) continue
        seen.add(key)
        parents.push(at)
        chosen.push(choice)
        next.push({ state: before, at: parents.length - 1 })
      }
    }
    if (found.size > 0 && config.mutant) {
      complete = false
      break
    }
    if (next.length > 0) depth++
    level = next
  }
  return {
    config,
    states: seen.size,
    transitions,
    depth,
    complete,
    seconds: elapsed(),
    counterexamples: [...found.values()],
    unnoticed,
  }
}
