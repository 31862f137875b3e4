/**
 * Has somebody else answer for a response: its methods and getters are replaced by ones that ask him. Those are made once,
 * and find him at the response. Made anew for each, they would give each response a shape of its own, in which V8 finds
 * nothing fast: that was two thirds of what a visitor's request cost.
 *
 * In two steps, for most responses need only the first: what begins a response, and then what must not be done to it while
 * it waits.
 * @module
 */

import type { ServerResponse } from 'node:http'

/** Any method: overloads are passed on as they came. */
export type Method = (...args: unknown[]) => unknown

export type Getter = 'headersSent' | 'writableEnded' | 'writableNeedDrain'

/** Who is asked. */
export interface Deputy {
  call(name: string, args: unknown[]): unknown
  tell(name: Getter): boolean
}

type Properties = Record<string, Method | undefined>

/** A response as it was: other middleware may have put its own in the place of methods before us. */
export interface Original {
  readonly methods: Properties
  /** Those that are not inherited. */
  readonly getters: Partial<Record<Getter, PropertyDescriptor>>
}

/** Written out, here and below, for V8 does it ten times as fast as in a loop. HTTP/2's responses lack some. */
function beginnersOf(res: Properties): Properties {
  const { writeHead, writeHeader, _implicitHeader, write, end, flushHeaders, on } = res
  return { writeHead, writeHeader, _implicitHeader, write, end, flushHeaders, on }
}

const BEGINNERS = Object.keys(beginnersOf({}))
const OTHERS = ['setHeader', 'setHeaders', 'appendHeader', 'removeHeader', 'destroy']
const GETTERS = ['headersSent', 'writableEnded', 'writableNeedDrain'] as const

interface Layer {
  readonly key: symbol
  readonly methods: Properties
  readonly getters: PropertyDescriptorMap
}

/** A response may get two deputies, by the sessions of two applications: then the second layer lies over the first. */
const layers: Layer[] = []

/** Puts a deputy in the place of a response that is about to begin. He stays there, for others may have wrapped what asks him. */
export function standIn(res: ServerResponse, deputy: Deputy): Original {
  const layer = layers.find(({ key }) => !(key in res)) ?? addLayer()
  const own = res as unknown as Properties & Record<symbol, Deputy>
  const original = beginnersOf(own)
  own[layer.key] = deputy
  own.writeHead = layer.methods.writeHead
  own.write = layer.methods.write
  own.end = layer.methods.end
  own.flushHeaders = layer.methods.flushHeaders
  own.on = layer.methods.on
  if (original.writeHeader) own.writeHeader = layer.methods.writeHeader
  if (original._implicitHeader) own._implicitHeader = layer.methods._implicitHeader
  return { methods: original, getters: {} }
}

/** Has the deputy answer for the rest, too, from now on. */
export function standInWholly(res: ServerResponse, deputy: Deputy, { methods, getters }: Original): void {
  const own = res as unknown as Properties & Record<symbol, Deputy>
  const layer = layers.find(({ key }) => own[key] === deputy)!
  const { setHeader, setHeaders, appendHeader, removeHeader, destroy } = own
  Object.assign(methods, { setHeader, setHeaders, appendHeader, removeHeader, destroy })
  own.setHeader = layer.methods.setHeader
  own.appendHeader = layer.methods.appendHeader
  own.removeHeader = layer.methods.removeHeader
  own.destroy = layer.methods.destroy
  if (setHeaders) own.setHeaders = layer.methods.setHeaders
  for (const name of GETTERS) {
    if (Object.hasOwn(own, name)) getters[name] = Object.getOwnPropertyDescriptor(own, name)!
    Object.defineProperty(own, name, layer.getters[name]!)
  }
}

function addLayer(): Layer {
  const key = Symbol('holdfast')
  type Asking = { readonly [key]: Deputy }
  const method = (name: string) =>
    function (this: Asking, ...args: unknown[]) {
      return this[key]!.call(name, args)
    }
  const getter = (name: Getter) => ({
    configurable: true,
    get(this: Asking) {
      return this[key]!.tell(name)
    },
  })
  const layer = {
    key,
    methods: Object.fromEntries([...BEGINNERS, ...OTHERS].map((name) => [name, method(name) as Method])),
    getters: Object.fromEntries(GETTERS.map((name) => [name, getter(name)])),
  }
  layers.push(layer)
  return layer
}
