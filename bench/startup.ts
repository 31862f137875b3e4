/** What Holdfast costs before the first request: time to import, and bytes. @module */

import { execFileSync } from 'node:child_process'
import { brotliCompressSync } from 'node:zlib'
import { build } from 'esbuild'

/** What is imported, each in a fresh process: an empty module, for what Node's loader takes by itself, and what we load. */
export const IMPORTS = {
  empty: 'data:text/javascript,',
  crypto: 'node:crypto',
  bowser: 'bowser',
  ipaddr: 'ipaddr.js',
  holdfast: 'holdfast',
} as const

/** Of each the milliseconds that its first import takes: the fastest of some, for others use the machine, too. */
export function importTimes(): Record<keyof typeof IMPORTS, number> {
  // Not within the script: `-e` looks for words in it, and loads what they name beforehand.
  const script =
    'const t = performance.now(); import(process.argv[1]).then(() => console.log(performance.now() - t))'
  const once = (specifier: string) =>
    Number(
      execFileSync(process.execPath, ['-e', script, specifier], {
        cwd: import.meta.dirname,
        encoding: 'utf8',
      }),
    )
  const fastest = Object.entries(IMPORTS).map(([name, specifier]) => {
    return [name, Math.min(...Array.from({ length: 21 }, () => once(specifier)))]
  })
  return Object.fromEntries(fastest)
}

/** Bytes with brotli, of one minified file as Node loads it. */
export interface Sizes {
  readonly core: number
  /** The core, without the texts of its messages. */
  readonly wordless: number
  /** With dependencies and bindings. */
  readonly all: number
}

export async function sizes(): Promise<Sizes> {
  const dist = new URL('../dist/', import.meta.url).pathname
  const core = await bundle(`${dist}core/sessions.js`, ['cookie'])
  const all = await bundle(`${dist}index.js`, [])
  const bytes = (code: string) => brotliCompressSync(code).length
  return { core: bytes(core), wordless: bytes(withoutMessages(core)), all: bytes(all) }
}

/** Texts of four words and more are messages. */
function withoutMessages(code: string): string {
  return code.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`/g, (text) =>
    text.split(' ').length > 3 && text.length < 400 ? '""' : text,
  )
}

async function bundle(entry: string, external: string[]): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    external,
    write: false,
  })
  return outputFiles[0]!.text
}
