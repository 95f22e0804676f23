import type { Accountable } from '../request/guard.ts'

/** A server that closes serves what it has received for this long, in milliseconds, about: all clients together. */
const MAX_REST_MS = 5000

/** A client that may have yielded. */
export interface RestingClient extends Accountable {
  /** Whether it has yielded its turn to the others. */
  readonly yielding: boolean
  /** Serves what has been received, until the slice is over. */
  serveSlice(): void
}

/**
 * Serves the requests that were received before their clients yielded, a slice of each client in turn. It ends whatever
 * they ask for, because nobody else is served meanwhile, and no signal is seen: a pipeline of 100 kB may take an hour.
 *
 * @returns how many clients have some left
 */
export function serveRest(clients: ReadonlyMap<unknown, RestingClient>): number {
  const end = performance.now() + MAX_REST_MS
  let waiting = [...clients.values()].filter((client) => client.yielding)
  while (waiting.length > 0) {
    for (const client of waiting) {
      if (performance.now() >= end) return waiting.filter((each) => each.yielding).length
      try {
        client.serveSlice()
      } catch (error) {
        client.fail(error)
      }
    }
    waiting = waiting.filter((client) => client.yielding)
  }
  return 0
}
