/** Ways to a site of the scenarios: in this process, a new one each time; in a process of its own, kept and reset. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Engine } from 'holdfast'
import { browser } from 'holdfast/testing'
import { type LocalAdapter, listen, PUBLIC_ORIGIN, pause, type RemoteAdapter } from './harness.ts'
import type { Open, Site } from './scenarios/kit.ts'
import { type Configuration, type Control, createSite } from './site.ts'

export function openHere(adapter: LocalAdapter, createEngine: () => Engine): Open {
  return async (configuration = 'plain', secure = false) => {
    const { sessions, handler, control } = createSite(configuration, createEngine)
    const { server, port, close } = await listen(await adapter.listen(sessions, handler), secure)
    return {
      port,
      control,
      ...browsers(server),
      secure: (options = {}) => browser(server, options),
      async [Symbol.asyncDispose]() {
        await close()
        await sessions.close()
      },
    }
  }
}

/** One process for each configuration, started when it is first asked for. */
export function openRemote(adapter: RemoteAdapter): {
  readonly open: Open
  readonly close: () => Promise<void>
} {
  const running = new Map<Configuration, Promise<Server>>()

  const open: Open = async (configuration = 'plain') => {
    const starting = running.get(configuration) ?? start(adapter, configuration)
    running.set(configuration, starting)
    const { port, control } = await starting
    await control.reset()
    const { browser, proxied } = browsers(`http://localhost:${port}`)
    return { port, control, browser, proxied, secure: proxied, async [Symbol.asyncDispose]() {} }
  }

  async function close(): Promise<void> {
    for (const starting of running.values()) {
      const { child } = await starting
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    }
  }

  return { open, close }
}

function browsers(app: Parameters<typeof browser>[0]): Pick<Site, 'browser' | 'proxied'> {
  return {
    browser: (options = {}) => browser(app, options),
    proxied: (options = {}) =>
      browser(app, {
        origin: PUBLIC_ORIGIN,
        ...options,
        headers: { 'x-forwarded-proto': 'https', ...options.headers },
      }),
  }
}

interface Server {
  readonly child: ChildProcess
  readonly port: number
  readonly control: Control
}

async function start({ name, spawn: how }: RemoteAdapter, configuration: Configuration): Promise<Server> {
  const [port, controlPort] = [await freePort(), await freePort()]
  const { command, args = [], cwd, env = {} } = how(port)
  const child = spawn(command, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      HOST: '127.0.0.1',
      PORT: String(port),
      HOLDFAST_SITE: configuration,
      HOLDFAST_CONTROL_PORT: String(controlPort),
      ...env,
    },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  for (let left = 300; left > 0; left--) {
    if (child.exitCode !== null) break
    // The first request makes the application load what it serves, and with it the control.
    const ready = await fetch(`http://127.0.0.1:${port}/public`).catch(() => null)
    const control = remoteControl(controlPort)
    if (ready?.ok && (await Promise.resolve(control.handled()).catch(() => null)) !== null)
      return { child, port, control }
    await pause(100)
  }
  child.kill('SIGKILL')
  throw new Error(`${name} did not start:\n${output}`)
}

/** The control of another process, where `siteOfProcess` listens. */
function remoteControl(port: number): Control {
  return new Proxy({} as Control, {
    get:
      (_, name: string) =>
      async (...args: unknown[]) => {
        const response = await fetch(`http://127.0.0.1:${port}/${name}`, {
          method: 'POST',
          body: JSON.stringify(args),
        })
        return response.json()
      },
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
