/** How the engine speaks to the clients that users bring: ioredis and iovalkey, and node-redis with its pools and clusters. @module */

/** A `Redis` or a `Cluster` of ioredis or iovalkey, as far as it is needed here. */
export interface IoredisClient {
  readonly options: object
  call(command: string, ...args: string[]): Promise<unknown>
  pipeline(): {
    call(command: string, ...args: string[]): unknown
    exec(): Promise<[error: Error | null, result: unknown][] | null>
  }
}

interface IoredisCluster extends IoredisClient {
  nodes(role: 'master'): (IoredisClient & { readonly options: { host?: string; port?: number } })[]
}

/** A client of node-redis, as far as it is needed here. */
export interface NodeRedisClient {
  sendCommand(args: string[]): Promise<unknown>
}

/** A pool of node-redis, as far as it is needed here. */
export interface NodeRedisPool extends NodeRedisClient {
  execute<T>(work: (client: NodeRedisClient) => T): Promise<Awaited<T>>
}

/** A cluster of node-redis, as far as it is needed here. */
export interface NodeRedisCluster {
  sendCommand(firstKey: string | undefined, isReadonly: boolean | undefined, args: string[]): Promise<unknown>
  getNodeClientForKey(key: string, isReadonly?: boolean): Promise<NodeRedisClient>
  // biome-ignore lint/suspicious/noExplicitAny: a node goes back to the cluster that it came from, whatever it is
  readonly masters: readonly any[]
  // biome-ignore lint/suspicious/noExplicitAny: see above
  nodeClient(node: any): Promise<NodeRedisClient>
}

export type RedisClient = IoredisClient | NodeRedisClient | NodeRedisPool | NodeRedisCluster

/** What the engine asks of a client, whichever it is. */
export interface Commands {
  /** Whether there are several primaries, one for each key. */
  readonly cluster: boolean
  /** What the client puts before each key by itself, except where a pattern stands for it. */
  readonly keyPrefix: string
  /** Sends a command to the primary of its key. */
  send(key: string, command: readonly string[]): Promise<unknown>
  /** Sends commands over one connection without waiting between them. An error of the server comes back as a value. */
  sendAll(key: string, commands: readonly (readonly string[])[]): Promise<unknown[]>
  /** Every primary, by an address that stays its own. */
  primaries(): Promise<readonly Primary[]>
}

export interface Primary {
  readonly address: string
  send(command: readonly string[]): Promise<unknown>
}

/** Sends a command without waiting for others that could go with it: they have been gathered already. */
export async function sendNow(
  { sendAll }: Pick<Commands, 'sendAll'>,
  key: string,
  command: readonly string[],
): Promise<unknown> {
  const [reply] = await sendAll(key, [command])
  if (reply instanceof Error) throw reply
  return reply
}

/** What a server says that doesn't have the key, or not now: the command was not performed. */
const ELSEWHERE = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN)\b/

function isElsewhere(reply: unknown): boolean {
  return reply instanceof Error && ELSEWHERE.test(reply.message)
}

/** @returns undefined for what is no client of these */
export function commandsOf(client: RedisClient): Commands | undefined {
  if (isFunction(client, 'call') && isFunction(client, 'pipeline')) return ofIoredis(client as IoredisClient)
  if (!isFunction(client, 'sendCommand')) return undefined
  if (isFunction(client, 'nodeClient')) return ofNodeRedisCluster(client as NodeRedisCluster)
  return ofNodeRedis(client as NodeRedisClient)
}

function isFunction(value: unknown, name: string): boolean {
  return typeof (value as Record<string, unknown> | null | undefined)?.[name] === 'function'
}

function ofIoredis(client: IoredisClient): Commands {
  const nodes = isFunction(client, 'nodes') ? (client as IoredisCluster).nodes.bind(client) : undefined
  const { keyPrefix = '' } = client.options as { keyPrefix?: string }

  /** By its name in lower case iovalkey knows where a command has its keys, and so where to send it. */
  const send = ([name, ...args]: readonly string[]) => client.call(name!.toLowerCase(), ...args)

  /** An automatic pipeline of which only some commands moved doesn't follow them; one of a single command does. */
  async function follow(key: string, command: readonly string[]): Promise<unknown> {
    try {
      return await send(command)
    } catch (error) {
      if (!isElsewhere(error)) throw error
      return sendNow({ sendAll }, key, command)
    }
  }

  async function sendAll(_key: string, commands: readonly (readonly string[])[]): Promise<unknown[]> {
    const pipeline = client.pipeline()
    for (const [name, ...args] of commands) pipeline.call(name!.toLowerCase(), ...args)
    const results = await pipeline.exec()
    return (results ?? []).map(([error, result]) => error ?? result)
  }

  return {
    cluster: nodes !== undefined,
    keyPrefix,

    send: nodes ? follow : (_key, command) => send(command),

    sendAll,

    async primaries() {
      const found = nodes ? nodes('master') : [client]
      return found.map((node) => {
        const { host = '', port = 0 } = node.options as { host?: string; port?: number }
        return { address: `${host}:${port}`, send: ([name, ...args]) => node.call(name!, ...args) }
      })
    },
  }
}

/** Raw commands: they pass by the client's own cache, key prefix and type mapping. */
function ofNodeRedis(client: NodeRedisClient): Commands {
  return {
    cluster: false,
    keyPrefix: '',
    send: (_key, command) => client.sendCommand([...command]),
    sendAll: (_key, commands) =>
      isFunction(client, 'execute')
        ? (client as NodeRedisPool).execute((member) => settleAll(member, commands))
        : settleAll(client, commands),
    primaries: async () => [{ address: ':0', send: (command) => client.sendCommand([...command]) }],
  }
}

function ofNodeRedisCluster(cluster: NodeRedisCluster): Commands {
  return {
    cluster: true,
    keyPrefix: '',
    send: (key, command) => cluster.sendCommand(key, false, [...command]),
    sendAll: async (key, commands) => settleAll(await cluster.getNodeClientForKey(key, false), commands),
    primaries: async () =>
      cluster.masters.map((master) => ({
        address: String((master as { address?: unknown }).address),
        send: async (command) => (await cluster.nodeClient(master)).sendCommand([...command]),
      })),
  }
}

/** Commands given to a client in one turn of the event loop leave in one go, and in order. */
async function settleAll(
  client: NodeRedisClient,
  commands: readonly (readonly string[])[],
): Promise<unknown[]> {
  const settled = await Promise.allSettled(commands.map((command) => client.sendCommand([...command])))
  return settled.map((result) => (result.status === 'fulfilled' ? result.value : result.reason))
}
