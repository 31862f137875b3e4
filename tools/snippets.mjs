// Writes into README.md and docs/ what is cut from the examples, and the table of frameworks, made from what the scenarios
// found (test/flow/results). `--check` writes nothing, and fails where a page says anything else.
//
// In a page:  <!-- snippet: examples/koa/app.ts#login -->  …  <!-- /snippet -->, and <!-- frameworks -->  …  <!-- /frameworks -->
// In a source:  // snippet: login  …  // /snippet; without #name the whole file, less such lines.

import { globSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const MARKER = /^\s*(?:\/\/|#|<!--|\{\/\*) ?\/?snippet\b.*$/
const LANGUAGES = { '.tsx': 'tsx', '.jsx': 'jsx', '.svelte': 'svelte', '.vue': 'vue', '.json': 'json' }

/** The rows of the table, in the order in which people look for them; whatever else was run follows. */
const ORDER = [
  'Express 5',
  'Express 4',
  'Fastify 5',
  'Hono 4',
  'Next.js',
  'Koa 3',
  'NestJS',
  'SvelteKit',
  'Nuxt',
]

const stale = pages().filter((page) => {
  const text = readFileSync(join(root, page), 'utf8')
  const wanted = fill(text, page)
  if (text !== wanted && !process.argv.includes('--check')) writeFileSync(join(root, page), wanted)
  return text !== wanted
})
for (const page of stale) console.log(page)
if (process.argv.includes('--check') && stale.length > 0) process.exitCode = 1

function pages() {
  return [
    'README.md',
    ...globSync('docs/**/*.md', { cwd: root }),
    ...globSync('examples/*/README.md', { cwd: root }),
  ]
}

function fill(text, page) {
  return text
    .replace(
      /(<!-- snippet: (\S+?)(?:#(\S+))? -->\n).*?(<!-- \/snippet -->)/gs,
      (_, open, file, name, close) => {
        const language = LANGUAGES[extname(file)] ?? 'ts'
        return `${open}\n\`\`\`${language}\n${cut(file, name, page)}\n\`\`\`\n\n${close}`
      },
    )
    .replace(
      /(<!-- frameworks -->\n).*?(<!-- \/frameworks -->)/gs,
      (_, open, close) => `${open}\n${table()}\n\n${close}`,
    )
}

/** What stands between the markers of that name, moved to the left margin. */
function cut(file, name, page) {
  const lines = readFileSync(join(root, file), 'utf8').trimEnd().split('\n')
  if (name === undefined) return lines.filter((line) => !MARKER.test(line)).join('\n')
  const from = lines.findIndex((line) => MARKER.test(line) && line.includes(`snippet: ${name}`))
  const to = lines.findIndex((line, at) => at > from && MARKER.test(line) && line.includes('/snippet'))
  if (from < 0 || to < 0) throw new Error(`${page}: ${file} has no snippet ${name}`)
  const taken = lines.slice(from + 1, to)
  const margin = Math.min(...taken.filter(Boolean).map((line) => line.search(/\S/)))
  return taken.map((line) => line.slice(margin)).join('\n')
}

/** A row for each framework, a column for each feature: of its scenarios, how many hold. */
function table() {
  const folder = join(root, 'test/flow/results')
  const results = readdirSync(folder)
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')))
    .sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1))
  const features = Object.keys(results[0].features)
  const notes = []
  const cell = ({ passed, except }) => {
    const missing = Object.entries(except)
    if (missing.length === 0) return `✓ ${passed}`
    const marks = missing.map(([name, reason]) => {
      const note = `${name}: ${reason}`
      if (!notes.includes(note)) notes.push(note)
      return notes.indexOf(note) + 1
    })
    return `${passed} of ${passed + missing.length} <sup>${marks.join(' ')}</sup>`
  }
  const rows = results.map(({ name, features: found }) =>
    [name, ...features.map((feature) => (found[feature] ? cell(found[feature]) : ''))].join(' | '),
  )
  return [
    `| | ${features.join(' | ')} |`,
    `|---${'|---'.repeat(features.length)}|`,
    ...rows.map((row) => `| ${row} |`),
    ...(notes.length > 0 ? ['', ...notes.map((note, at) => `<sup>${at + 1}</sup> ${note}  `)] : []),
  ].join('\n')
}

function rank(name) {
  const at = ORDER.findIndex((each) => name.startsWith(each))
  return at < 0 ? ORDER.length : at
}
