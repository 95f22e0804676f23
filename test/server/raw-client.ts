import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { type RunningServer, type StartOptions, startServer } from '../../src/server/start.ts'
import { type Reply, ReplyReader } from './reply-reader.ts'

export { ErrorReply, Push, type Reply } from './reply-reader.ts'

/** A request as clients send it. */
export function frame(...args: (string | number)[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${String(arg).length}\r\n${arg}\r\n`).join('')}`
}

/** `bytesUntil` waits for no longer end, in bytes. */
const MAX_END = 64

/** A client that sends only the bytes that a test gives it. */
export class RawClient {
  readonly socket: Socket
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>
  ended = false
  readonly #input = new ReplyReader()
  /** The last bytes received, because looking into the input copies all of it. */
  #tail = ''
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1')
      this.#input.add(text)
      this.#tail = (this.#tail + text).slice(-MAX_END)
      this.#wake?.()
    })
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.ended = true
        resolve()
        this.#wake?.()
      })
    })
  }

  /** Everything received and not yet read. */
  get unread(): string {
    return this.#input.unread
  }

  write(bytes: string): void {
    this.socket.write(bytes, 'latin1')
  }

  send(...args: (string | number)[]): void {
    this.write(frame(...args))
  }

  /** The next reply or message. */
  async next(): Promise<Reply> {
    for (;;) {
      const reply = this.#input.next()
      if (reply !== undefined) return reply
      if (this.ended) throw new Error('the connection has ended')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** All bytes up to and including a short `end`, which come last, as they were received. */
  async bytesUntil(end: string): Promise<string> {
    while (!this.#tail.endsWith(end)) {
      if (this.ended) throw new Error('the connection has ended')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const bytes = this.unread
    this.#input.clear()
    this.#tail = ''
    return bytes
  }

  async take(count: number): Promise<Reply[]> {
    const replies: Reply[] = []
    while (replies.length < count) replies.push(await this.next())
    return replies
  }

  /** Sends a request and returns the next reply or message. */
  async call(...args: (string | number)[]): Promise<Reply> {
    this.send(...args)
    return await this.next()
  }

  /** All replies and messages that come before the reply to a PING. */
  async untilPong(): Promise<Reply[]> {
    this.send('PING', 'mark')
    const replies: Reply[] = []
    for (;;) {
      const reply = await this.next()
      if (reply === 'mark' || (Array.isArray(reply) && reply[0] === 'pong')) return replies
      replies.push(reply)
    }
  }

  /** Resets the connection, without a proper end. */
  vanish(): Promise<void> {
    this.socket.resetAndDestroy()
    return this.closed
  }
}

/** The directives of a test, whose outcome must not depend on how long requests take. */
function untimed({ config, directives }: StartOptions): Record<string, string | readonly string[]> {
  return config === undefined ? { 'exec-read-time-limit': '0', ...directives } : { ...directives }
}

/** Starts a server that closes with the test. */
export async function start(options: StartOptions = {}): Promise<RunningServer> {
  const server = await startServer({ port: 0, ...options, directives: untimed(options) })
  onTestFinished(() => server.close())
  return server
}

/** Connects a client that the test itself has to end, so that nothing else refers to it. */
export async function visit(server: Pick<RunningServer, 'port'>): Promise<RawClient> {
  const socket = connect(server.port as number, '127.0.0.1')
  const client = new RawClient(socket)
  await once(socket, 'connect')
  return client
}

/** Connects a client that is disconnected with the test. */
export async function join(
  server: Pick<RunningServer, 'port'>,
  protocol: 2 | 3 = 2,
): Promise<RawClient> {
  const client = await visit(server)
  onTestFinished(() => void client.socket.destroy())
  if (protocol === 3) await client.call('HELLO', '3')
  return client
}

/** A condition that is not met for so long, in milliseconds, will not be: less than the time that a test has. */
const PATIENCE_MS = 100_000

/** Resolves when a condition holds that the server fulfils some time after a reply. @throws if it never does */
export async function eventually(holds: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!holds()) {
    // Otherwise it would go on, beside the next tests, after its own has been given up.
    if (performance.now() > end) throw new Error(`never came true: ${holds}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Resolves when a channel has a subscriber. @param observer the client that asks */
export async function subscribed(observer: RawClient, channel: string): Promise<void> {
  for (;;) {
    const reply = (await observer.call('PUBSUB', 'NUMSUB', channel)) as Reply[]
    if (reply[1] !== 0) return
  }
}

/** A log that tests can read. */
export class LogLines {
  readonly lines: string[] = []

  write(line: string): void {
    this.lines.push(line)
  }

  holds(text: string): boolean {
    return this.lines.some((line) => line.includes(text))
  }
}
