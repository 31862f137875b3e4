// The console's page: bundled and named by its content, with a list of it for the server to read.

import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = join(dirname(dirname(fileURLToPath(import.meta.url))), 'src', 'console', 'page')
const TYPES = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

await buildPage(process.argv[2])

/** @param folder what becomes `dist/console/page` */
async function buildPage(folder) {
  const { outputFiles } = await build({
    entryPoints: [
      { in: join(source, 'main.tsx'), out: 'console' },
      { in: join(source, 'style.css'), out: 'console' },
    ],
    outdir: folder,
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['chrome123', 'firefox120', 'safari17.5'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'inline',
    logLevel: 'warning',
    write: false,
  })
  const icon = readFileSync(join(source, 'icon.svg'))
  const made = [...outputFiles.map(({ path, contents }) => [basename(path), contents]), ['icon.svg', icon]]
  mkdirSync(folder, { recursive: true })
  const assets = {}
  let page = readFileSync(join(source, 'index.html'), 'utf8')
  for (const [name, contents] of made) {
    const named = withHash(name, contents)
    writeFileSync(join(folder, named), contents)
    page = page.replace(`assets/${name}`, `assets/${named}`)
    assets[named] = TYPES[extname(name)]
  }
  writeFileSync(join(folder, 'index.html'), page)
  writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify({ assets }, null, 2)}\n`)
}

/** The name itself says when it is another: browsers may keep it for ever. */
function withHash(name, contents) {
  const hash = createHash('sha256').update(contents).digest('base64url').replace(/[-_]/g, '').slice(0, 10)
  return `${basename(name, extname(name))}-${hash}${extname(name)}`
}
