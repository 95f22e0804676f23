import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { within } from '../children.ts'

/** Another client, on a thread of its own, that sends PING after PING. */
export class Heartbeat {
  readonly #worker = new Worker(new URL('./heartbeat-worker.js', import.meta.url))

  /** Resolves when it has connected. */
  async start(port: number): Promise<void> {
    this.#worker.postMessage(port)
    await within(5000, 'the connection of a second client', once(this.#worker, 'message'))
  }

  /** Forgets the waits before. */
  begin(): void {
    this.#worker.postMessage('begin')
  }

  /** @returns the longest wait in milliseconds; one that has not ended counts as far as it went */
  async stop(): Promise<number> {
    let longest: unknown
    this.#worker.postMessage('stop')
    // It may have connected anew meanwhile.
    do [longest] = await once(this.#worker, 'message')
    while (typeof longest !== 'number')
    return longest
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}
