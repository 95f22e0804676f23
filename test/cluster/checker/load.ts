import { connect, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import type { ProcessNode } from './process-group.ts'

/** A client that sends requests in pipelines and only counts the replies, which are one line each. */
export class Loader {
  readonly #socket: Socket
  #owed = 0
  #wake = (): void => {}
  #failed: Error | undefined
  /** Error replies so far. */
  errors = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) this.#owed--
      if (chunk.includes('-')) this.errors += chunk.toString('latin1').split('-').length - 1
      if (this.#owed === 0) this.#wake()
    })
    socket.on('close', () => {
      this.#failed = new Error('the node has gone')
      this.#wake()
    })
    socket.on('error', () => {})
  }

  static to(port: number): Promise<Loader> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new Loader(socket)))
      socket.once('error', reject)
    })
  }

  /** Sends requests at once, and waits for their replies. */
  async send(requests: readonly string[]): Promise<void> {
    this.#owed = requests.length
    this.#socket.write(`${requests.join('\r\n')}\r\n`)
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    if (this.#failed !== undefined) throw this.#failed
  }

  close(): void {
    this.#socket.destroy()
  }
}

const KEYS = 50_000
const PIPELINE = 500

/** `count` SETs of 100 bytes, from a number on. */
function sets(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const n = from + i
    return `SET d${n % 100}/k${n % KEYS} ${String(n).padStart(100, 'x')}`
  })
}

/** Writes through all nodes at once. */
export async function fill(nodes: readonly ProcessNode[], count: number): Promise<void> {
  await Promise.all(
    nodes.map(async ({ port }, i) => {
      const loader = await Loader.to(port)
      const share = Math.ceil(count / nodes.length)
      for (let done = 0; done < share; done += PIPELINE) {
        await loader.send(sets(i * share + done, Math.min(PIPELINE, share - done)))
      }
      loader.close()
      if (loader.errors > 0) throw new Error(`${loader.errors} writes were refused`)
    }),
  )
}

/** Writes and reads that go on in the background. */
export class Background {
  written = 0
  /** The longest that a read has taken, in milliseconds. */
  longest = 0
  #isOver = false
  readonly #running: Promise<void>[]

  /** @param pipeline how many writes are on their way at each node */
  constructor(nodes: readonly ProcessNode[], pipeline: number) {
    this.#running = nodes.flatMap(({ port }) => [this.#write(port, pipeline), this.#read(port)])
  }

  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#running)
  }

  async #write(port: number, pipeline: number): Promise<void> {
    const loader = await Loader.to(port)
    while (!this.#isOver) {
      await loader.send(sets(this.written, pipeline))
      this.written += pipeline
    }
    loader.close()
    if (loader.errors > 0) throw new Error(`${loader.errors} writes were refused`)
  }

  async #read(port: number): Promise<void> {
    const redis = new Redis({ port, host: '127.0.0.1' })
    while (!this.#isOver) {
      const started = performance.now()
      await redis.get('d1/k1')
      this.longest = Math.max(this.longest, performance.now() - started)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    redis.disconnect()
  }
}
