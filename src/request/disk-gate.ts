import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Gate, Waiter } from './gate.ts'

/** Holds writes back while the disk is too slow for the promise of `durability everysec`. */
export class DiskGate implements Gate {
  readonly #waiting = new Set<() => void>()
  #closed = false

  get closed(): boolean {
    return this.#closed
  }

  set closed(closed: boolean) {
    this.#closed = closed
    if (closed) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resume of waiting) resume()
  }

  holds(client: Waiter, args: RequestArguments, mayWrite: boolean): boolean {
    if (!mayWrite) return false
    const resume = client.postpone(args, () => this.#waiting.delete(resume))
    this.#waiting.add(resume)
    return true
  }
}
