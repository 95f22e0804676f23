import { randomUUID } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { type RunningServer, startServer } from '../../../src/server/start.ts'
import { startRedis } from '../peers.ts'

/** Encodes a request as clients do: as an array of bulk strings. All strings are binary. */
export function encode(...args: string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`
}

/** Encodes several requests, each a line of words, as one pipeline. */
export function pipeline(...lines: string[]): string {
  return lines.map((line) => encode(...line.split(' '))).join('')
}

/**
 * Sends bytes on a new connection, half-closes it, and returns all that the server sends until it
 * closes. Servers serve all requests that they have received before they close.
 */
export function transcript(port: number, input: string): Promise<string> {
  return new Promise((resolve) => {
    let output = ''
    const socket = connect(port, '127.0.0.1', () => socket.end(input, 'latin1'))
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      output += chunk
    })
    // A server that closes with unread input resets the connection; its output before that counts.
    socket.on('error', () => {})
    socket.on('close', () => resolve(output))
  })
}

/** A connection that stays open. */
export class Talk {
  readonly #socket: Socket
  #output = ''
  #wake = (): void => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      this.#output += chunk
      this.#wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#output += '<closed>'
      this.#wake()
    })
  }

  static open(port: number): Promise<Talk> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new Talk(socket)))
      socket.once('error', reject)
    })
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0
  }

  send(bytes: string): void {
    this.#socket.write(bytes, 'latin1')
  }

  /** Sends bytes, and takes the output up to and including `end`, or until the connection closes. */
  async ask(bytes: string, end: string): Promise<string> {
    this.send(bytes)
    return this.until(end)
  }

  /** Takes the output up to and including `end`, or until the connection closes. */
  async until(end: string): Promise<string> {
    while (!this.#output.includes(end) && !this.#output.endsWith('<closed>')) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const at = this.#output.indexOf(end)
    const length = at < 0 ? this.#output.length : at + end.length
    const taken = this.#output.slice(0, length)
    this.#output = this.#output.slice(length)
    return taken
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** A Redis and a ktree with the same settings. */
export interface Pair {
  readonly redis: number
  readonly ktree: number
  /** What both reply to the same bytes, each on a new connection. */
  ask(input: string): Promise<{ redis: string; ktree: string }>
  /** Does the same with both, first with Redis. */
  each<T>(act: (port: number) => Promise<T>): Promise<{ redis: T; ktree: T }>
  stop(): Promise<void>
}

/** How many nodes a group has over which requests are spread. */
const NODES = 3

/**
 * Starts both.
 *
 * @param directives the settings of both
 * @param spread whether each ask may go to another node, where tests run against a group; for tests that
 *   use nothing that is one node's own
 */
export async function startPair(
  directives: Readonly<Record<string, string>> = {},
  spread = false,
): Promise<Pair> {
  const shared = { 'proto-max-bulk-len': '64mb', ...directives }
  const redis = await startRedis([
    // One database, as in ktree.
    ...['--databases', '1'],
    ...Object.entries(shared).flatMap(([name, value]) => [`--${name}`, value]),
  ])
  const isGroup = spread && process.env.KTREE_ETCD !== undefined
  const place = isGroup ? { 'etcd-prefix': `/${randomUUID()}/` } : {}
  const servers: RunningServer[] = []
  for (let i = 0; i < (isGroup ? NODES : 1); i++) {
    servers.push(await startServer({ port: 0, directives: { ...shared, ...place } }))
  }
  const ports = servers.map((server) => server.port ?? 0)
  let turn = 0
  const next = async (): Promise<number> => {
    const chosen = ports[turn++ % ports.length]
    if (isGroup) await transcript(chosen, pipeline('KSYNC'))
    return chosen
  }
  const each = async <T>(act: (port: number) => Promise<T>): Promise<{ redis: T; ktree: T }> => ({
    redis: await act(redis.port),
    ktree: await act(await next()),
  })
  return {
    redis: redis.port,
    ktree: ports[0],
    each,
    ask: (input) => each((to) => transcript(to, input)),
    async stop() {
      for (const server of servers) await server.close()
      await redis.stop()
    },
  }
}

/** Hides connection IDs and ports, which differ from one connection to another. */
export function withoutNumbers(output: string): string {
  return output
    .replace(/(\$2\r\nid\r\n):\d+/g, '$1:ID')
    .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
}

export type Value = string | number | null | boolean | Value[] | Map<Value, Value>

/** Parses replies. Simple and bulk strings become their text, an error becomes `Error: text`. */
export function parseReplies(output: string): Value[] {
  let at = 0
  const line = (): string => {
    const end = output.indexOf('\r\n', at)
    const text = output.slice(at, end)
    at = end + 2
    return text
  }
  const bytes = (length: number): string => {
    const text = output.slice(at, at + length)
    at += length + 2
    return text
  }
  const many = (count: number): Value[] => Array.from({ length: count }, () => one())
  const one = (): Value => {
    const header = line()
    const rest = header.slice(1)
    switch (header[0]) {
      case '+':
        return rest
      case '-':
        return `Error: ${rest}`
      case ':':
        return Number(rest)
      case '_':
        return null
      case '#':
        return rest === 't'
      case '$':
        return rest === '-1' ? null : bytes(Number(rest))
      case '=':
        return bytes(Number(rest)).slice(4)
      case '*':
        return rest === '-1' ? null : many(Number(rest))
      case '~':
      case '>':
        return many(Number(rest))
      case '%':
        return new Map(Array.from({ length: Number(rest) }, () => [one(), one()] as const))
      default:
        throw new Error(`not a reply: ${JSON.stringify(header)}`)
    }
  }
  const values: Value[] = []
  while (at < output.length) values.push(one())
  return values
}
