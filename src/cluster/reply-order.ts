import type { Client } from '../request/client.ts'
import type { WaitingClient } from './waiting.ts'

/**
 * The order in which clients are owed replies. The log runs the requests of a client in their order, but a request that has
 * waited too long may be refused while one before it is still on its way, or has landed and has yet to be run: its reply
 * would be taken for that of the other.
 */
export class ReplyOrder {
  readonly #owed = new Map<Client, Set<WaitingClient>>()
  /** What gives those that come too early their reply. */
  readonly #early = new Map<WaitingClient, () => void>()

  add(waiting: WaitingClient): void {
    const owed = this.#owed.get(waiting.client)
    if (owed === undefined) this.#owed.set(waiting.client, new Set([waiting]))
    else owed.add(waiting)
  }

  /** The client has got the reply. */
  remove(waiting: WaitingClient): void {
    const owed = this.#owed.get(waiting.client)
    owed?.delete(waiting)
    if (owed?.size === 0) this.#owed.delete(waiting.client)
  }

  /**
   * Has a client get a reply that no longer depends on anything: now, or after those before it.
   *
   * @param reply calls {@link remove}
   */
  reply(waiting: WaitingClient, reply: () => void): void {
    this.#early.set(waiting, reply)
    this.catchUp(waiting.client)
  }

  /** Has a client get the replies that have waited for the last one. */
  catchUp(client: Client): void {
    while (this.#early.size > 0) {
      const next = this.#owed.get(client)?.values().next().value
      const reply = next && this.#early.get(next)
      if (next === undefined || reply === undefined) return
      this.#early.delete(next)
      reply()
    }
  }
}
