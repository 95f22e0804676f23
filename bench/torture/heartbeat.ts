import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { within } from '../children.ts'

/** How long a PING waited at most, in milliseconds. */
export interface Waits {
  readonly wait: number
  /** What the server worked meanwhile at most: on a busy machine the server waits, too. */
  readonly held: number
}

/** Another client, on a thread of its own, that sends PING after PING. */
export class Heartbeat {
  readonly #worker = new Worker(new URL('./heartbeat-worker.js', import.meta.url))

  /** Resolves when it has connected. */
  async start(port: number, pid: number): Promise<void> {
    this.#worker.postMessage({ port, pid })
    await within(5000, 'the connection of a second client', once(this.#worker, 'message'))
  }

  /** Forgets the waits before. */
  begin(): void {
    this.#worker.postMessage('begin')
  }

  /** @returns the longest waits; one that has not ended counts as far as it went */
  async stop(): Promise<Waits> {
    let waits: Waits | 'connected'
    this.#worker.postMessage('stop')
    // It may have connected anew meanwhile.
    do [waits] = (await once(this.#worker, 'message')) as [Waits | 'connected']
    while (waits === 'connected')
    return waits
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}
