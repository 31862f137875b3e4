// The programs that tests need and npm has none of: the one that is named, else one that is found, else Debian's package where
// we may install it.

import { spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const PROGRAMS = {
  Chromium: {
    names: [
      'chromium',
      'chromium-browser',
      'google-chrome',
      'google-chrome-stable',
      'chrome',
      'Google Chrome',
    ],
    folders: ['/Applications/Google Chrome.app/Contents/MacOS'],
    debian: 'chromium',
  },
  Firefox: { names: ['firefox-esr', 'firefox'], debian: 'firefox-esr' },
  // The tools' packages have the servers' own programs, under other names, and no service that would be started.
  Redis: { names: ['redis-server', 'redis-check-rdb'], debian: 'redis-tools' },
  Valkey: { names: ['valkey-server', 'valkey-check-rdb'], debian: 'valkey-tools' },
  PostgreSQL: { names: ['postgres'], folders: below('/usr/lib/postgresql', 'bin'), debian: 'postgresql-15' },
}

/** @returns its path; undefined where it isn't there, and can't be had */
export function findProgram(name) {
  const { debian } = PROGRAMS[name]
  const named = process.env[`HOLDFAST_${name.toUpperCase()}`]
  if (named) return named
  const found = find(name) ?? (install(debian, name) ? find(name) : undefined)
  if (found === undefined) {
    console.log(`\n!!! NO ${name.toUpperCase()}: ITS TESTS ARE SKIPPED. Install it (Debian: ${debian}). !!!`)
  }
  return found
}

/** PATH without any node_modules/.bin, which npm puts in front. */
export function pathOutside() {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.filter((folder) => !folder.includes('node_modules')).join(delimiter)
}

function find(name) {
  const { names, folders = [] } = PROGRAMS[name]
  const windows = process.platform === 'win32'
  const places = [...pathOutside().split(delimiter), ...folders]
  return names
    .flatMap((program) => places.map((folder) => join(folder, windows ? `${program}.exe` : program)))
    .find(isProgram)
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

function below(folder, name) {
  return existsSync(folder) ? readdirSync(folder).map((version) => join(folder, version, name)) : []
}

/** Installs a package of Debian, or of its backports. Starts no service, and leaves the sources as they are. */
function install(wanted, name) {
  if (process.getuid?.() !== 0 || !isProgram('/usr/bin/apt-get')) return false
  console.error(`holdfast: installing Debian's package ${wanted} for the tests (${name}), about a minute`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args) =>
    spawnSync('apt-get', ['-q', ...args], { stdio: ['ignore', 2, 2], env }).status === 0
  const add = (...options) => apt(...options, 'install', '-y', '--no-install-recommends', wanted)
  return withoutServices(() => add() || (apt('update') && add()) || withBackports(add, apt))
}

function withBackports(add, apt) {
  const source = backports()
  if (source === undefined) return false
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-apt-'))
  try {
    writeFileSync(join(folder, 'sources.list'), source)
    // Some versions of apt make it themselves, others fail without it.
    mkdirSync(join(folder, 'lists', 'partial'), { recursive: true })
    const places = {
      'Etc::sourcelist': join(folder, 'sources.list'),
      'Etc::sourceparts': '-',
      'State::Lists': join(folder, 'lists'),
    }
    const options = Object.entries(places).flatMap(([key, place]) => ['-o', `Dir::${key}=${place}`])
    return apt(...options, 'update') && add(...options)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The backports of where this Debian comes from, by its own list of sources, in either of its two forms. */
function backports() {
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(read('/etc/os-release'))?.[1]
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  if (codename === undefined || !existsSync(keyring)) return undefined
  const parts = '/etc/apt/sources.list.d'
  const files = existsSync(parts) ? readdirSync(parts).filter((name) => /\.(list|sources)$/.test(name)) : []
  const texts = [read('/etc/apt/sources.list'), ...files.map((name) => read(join(parts, name)))]
  const line = new RegExp(`^deb\\s+(?:\\[[^\\]]*\\]\\s+)?(\\S+)\\s+${codename}\\s`, 'm')
  const stanza = new RegExp(`^Suites:.*\\b${codename}(?:\\s|$)`, 'm')
  const stanzas = texts.flatMap((text) => text.split(/\n\s*\n/)).filter((text) => stanza.test(text))
  const uri =
    texts.map((text) => line.exec(text)?.[1]).find(Boolean) ??
    stanzas.map((text) => /^URIs:\s*(\S+)/m.exec(text)?.[1]).find(Boolean)
  return uri && `deb [signed-by=${keyring}] ${uri} ${codename}-backports main\n`
}

/** Debian's way to say that a package that is installed must not start its service. */
function withoutServices(work) {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync(policy)) return work()
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return work()
  } finally {
    rmSync(policy, { force: true })
  }
}

function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}
