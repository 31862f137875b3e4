/**
 * Has somebody else answer for a response: its methods and getters are replaced by ones that ask him. Those are made once,
 * and find him at the response. Made anew for each, they would give each response a shape of its own, in which V8 finds
 * nothing fast: that was half of what a session cost.
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

/** A response as it was: other middleware may have put its own in the place of methods before us. */
export interface Original {
  readonly methods: Readonly<Record<string, Method | undefined>>
  /** Those that are not inherited. */
  readonly getters: Partial<Record<Getter, PropertyDescriptor>>
}

type Properties = Record<string, Method | undefined>

/** Written out, for V8 reads them ten times as fast as in a loop. HTTP/2's responses lack some. */
function methodsOf(res: Properties): Properties {
  const { writeHead, writeHeader, _implicitHeader, write, end, flushHeaders, destroy, on } = res
  const { setHeader, setHeaders, appendHeader, removeHeader } = res
  return {
    writeHead,
    writeHeader,
    _implicitHeader,
    write,
    end,
    flushHeaders,
    destroy,
    on,
    setHeader,
    setHeaders,
    appendHeader,
    removeHeader,
  }
}

const METHODS = Object.keys(methodsOf({}))
const GETTERS = ['headersSent', 'writableEnded', 'writableNeedDrain'] as const

interface Layer {
  readonly key: symbol
  readonly methods: Properties
  readonly getters: PropertyDescriptorMap
}

/** A response may get two deputies, by the sessions of two applications: then the second layer lies over the first. */
const layers: Layer[] = []

/** Puts a deputy in the place of a response. He stays there, for others may have wrapped what asks him. */
export function standIn(res: ServerResponse, deputy: Deputy): Original {
  const layer = layers.find(({ key }) => !(key in res)) ?? addLayer()
  const own = res as unknown as Properties
  const methods = methodsOf(own)
  const getters: Partial<Record<Getter, PropertyDescriptor>> = {}
  Object.assign(own, { [layer.key]: deputy }, layer.methods)
  if (!methods._implicitHeader) for (const name of METHODS) if (!methods[name]) delete own[name]
  for (const name of GETTERS) {
    if (Object.hasOwn(own, name)) getters[name] = Object.getOwnPropertyDescriptor(own, name)!
    Object.defineProperty(own, name, layer.getters[name]!)
  }
  return { methods, getters }
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
    methods: Object.fromEntries(METHODS.map((name) => [name, method(name) as Method])),
    getters: Object.fromEntries(GETTERS.map((name) => [name, getter(name)])),
  }
  layers.push(layer)
  return layer
}
