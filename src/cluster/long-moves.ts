import type { Client } from '../request/client.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'

/** A move that takes less than this, in milliseconds, does not wait. */
const MIN_MOVE_MS = 0.1
/** So many bytes of requests may bring a directory there whose move takes longer. */
const MIN_BRINGING_BYTES = 4096

/**
 * Moves of directories that are on their way to the log. A request of 30 bytes keeps all nodes busy for as long as the directory
 * is large, and a batch takes in all that a client has sent. So a client has one such move on its way at a time, and the
 * writes of others come in between.
 */
export class LongMoves {
  readonly #timeOf: (args: RequestArguments) => number | undefined
  readonly #onWay = new Set<Client>()

  /** @param timeOf see `movedTime` */
  constructor(timeOf: (args: RequestArguments) => number | undefined) {
    this.#timeOf = timeOf
  }

  /** Whether a request waits until all is replied to that its client is owed, which is something. */
  mustWait(client: Client, args: RequestArguments): boolean {
    const time = mayMove(args) ? this.#timeOf(args) : 0
    if (time !== undefined) return time >= MIN_MOVE_MS
    // The former move of the client, or of another one, may bring a large directory there, and so may long requests.
    return this.#onWay.size > 0 || client.owedBytes >= MIN_BRINGING_BYTES
  }

  /** A request is on its way. */
  begin(client: Client, args: RequestArguments): void {
    if (mayMove(args) && (this.#timeOf(args) ?? 0) >= MIN_MOVE_MS) this.#onWay.add(client)
  }

  /** All is replied to that a client was owed. */
  settle(client: Client): void {
    if (this.#onWay.size > 0) this.#onWay.delete(client)
  }
}

/** Whether it may be RENAME or RENAMENX, by the length of its name: to find the command takes longer. */
function mayMove([{ length }]: RequestArguments): boolean {
  return length === 6 || length === 8
}
