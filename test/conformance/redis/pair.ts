import { connect, type Socket } from 'node:net'
import { startServer } from '../../../src/server/start.ts'
import { startRedis } from '../peers.ts'

/** A request as clients send it: an array of bulk strings. All strings are binary. */
export function encode(...args: string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`
}

/** Several requests, each a line of words, in one pipeline. */
export function pipeline(...lines: string[]): string {
  return lines.map((line) => encode(...line.split(' '))).join('')
}

/**
 * Everything that a server answers on a connection of its own: sends the bytes, says that no more
 * will come, and waits for the server to close. Servers serve what they have before they do.
 */
export function transcript(port: number, input: string): Promise<string> {
  return new Promise((resolve) => {
    let output = ''
    const socket = connect(port, '127.0.0.1', () => socket.end(input, 'latin1'))
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      output += chunk
    })
    // A server that closes with input unread resets the connection; what it said before counts.
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

  /** Sends, and takes all that comes up to `end` (or to the closing of the connection). */
  async ask(bytes: string, end: string): Promise<string> {
    this.send(bytes)
    return this.until(end)
  }

  /** Takes all that comes up to `end` (or to the closing of the connection). */
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
  /** What both answer to the same bytes, each on a connection of its own. */
  ask(input: string): Promise<{ redis: string; ktree: string }>
  /** Does the same with both, one after the other. */
  each<T>(act: (port: number) => Promise<T>): Promise<{ redis: T; ktree: T }>
  stop(): Promise<void>
}

/** @param directives those that both have */
export async function startPair(directives: Readonly<Record<string, string>> = {}): Promise<Pair> {
  const shared = { 'proto-max-bulk-len': '64mb', ...directives }
  const redis = await startRedis([
    // One database, as here.
    ...['--databases', '1'],
    ...Object.entries(shared).flatMap(([name, value]) => [`--${name}`, value]),
  ])
  const ktree = await startServer({ port: 0, directives: shared })
  const port = ktree.port ?? 0
  const each = async <T>(act: (port: number) => Promise<T>): Promise<{ redis: T; ktree: T }> => ({
    redis: await act(redis.port),
    ktree: await act(port),
  })
  return {
    redis: redis.port,
    ktree: port,
    each,
    ask: (input) => each((to) => transcript(to, input)),
    async stop() {
      await ktree.close()
      await redis.stop()
    },
  }
}

/** What replies carry that differs from one connection to another: its number and its ports. */
export function withoutNumbers(output: string): string {
  return output
    .replace(/(\$2\r\nid\r\n):\d+/g, '$1:ID')
    .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
}

export type Value = string | number | null | boolean | Value[] | Map<Value, Value>

/** Reads replies; of a status and a bulk string the text, of an error `Error: text`. */
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
