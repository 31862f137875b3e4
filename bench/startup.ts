/** What Holdfast costs before the first request: time to import, and bytes. @module */

import { execFileSync } from 'node:child_process'
import { brotliCompressSync } from 'node:zlib'
import { build } from 'esbuild'
import { median } from './measure.ts'

/** @returns milliseconds that the first import of `holdfast` takes in a fresh process; the median of some */
export function importTime(): number {
  const script =
    "const from = performance.now(); import('holdfast').then(() => console.log(performance.now() - from))"
  const once = () =>
    Number(execFileSync(process.execPath, ['-e', script], { cwd: import.meta.dirname, encoding: 'utf8' }))
  return median(Array.from({ length: 21 }, once))
}

/** @returns bytes of the core as Node loads it, in one minified file with brotli; `all` with dependencies and bindings */
export async function sizes(): Promise<{ core: number; all: number }> {
  const dist = new URL('../dist/', import.meta.url).pathname
  return {
    core: await bundled(`${dist}core/sessions.js`, ['cookie']),
    all: await bundled(`${dist}index.js`, []),
  }
}

async function bundled(entry: string, external: string[]): Promise<number> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    external,
    write: false,
  })
  return brotliCompressSync(outputFiles[0]!.contents).length
}
