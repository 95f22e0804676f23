import type { Client } from './client.ts'
import type { Entry } from './prepared-command.ts'

/** CLIENT PAUSE: requests wait until it is over. There is one only while clients are paused. */
export class ClientPause {
  /** Unix milliseconds. */
  readonly end: number
  readonly writesOnly: boolean
  readonly #waiting = new Set<() => void>()

  constructor(end: number, writesOnly: boolean) {
    this.end = end
    this.writesOnly = writesOnly
  }

  /** @returns whether the request has to wait; it is then served when the pause is over */
  delays(client: Client, entry: Entry, args: readonly string[]): boolean {
    if (this.writesOnly && !mayWrite(client, entry)) return false
    const resume = client.postpone(args, () => this.#waiting.delete(resume))
    this.#waiting.add(resume)
    return true
  }

  /** Lets all who wait go on. */
  finish(): void {
    for (const resume of this.#waiting) resume()
    this.#waiting.clear()
  }
}

/** To Redis a message is a write, too: replicas would be sent it. */
function mayWrite({ transaction }: Client, entry: Entry): boolean {
  if (entry.isExec) return transaction?.writes === true
  return entry.writes || entry.fullName === 'publish'
}
