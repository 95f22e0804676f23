import type { Client } from '../request/client.ts'
import { bytesOfRequest } from '../request/transaction.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'

/** A blocked client with more buffered input is not read from until it goes on. */
export const MAX_BLOCKED_INPUT_BYTES = 1024 * 1024

/** Where the replies of a client go. */
type Replying = Pick<Client, 'reply' | 'replyMode'>

/** The request of a client that a gate has postponed, or that is put off. It counts as input that waits. */
export class PostponedRequest {
  #args: RequestArguments | undefined
  #onOver: (() => void) | undefined
  /** Memory that it takes, about; 0 without one. */
  bytes = 0

  /** @param onOver called when it has been served again, or dropped; also before, if its client has to read before it is served */
  put(args: RequestArguments, client: Replying, onOver?: () => void): void {
    this.#args = args
    this.#onOver = onOver
    this.bytes = bytesOfRequest(args)
    // CLIENT REPLY SKIP still applies to this request.
    if (client.reply.muted && client.replyMode === 'on') client.replyMode = 'skip'
  }

  /** Has it served, which may put it off again. */
  serve(client: Pick<Client, 'expiryWait'> & { onRequest(args: RequestArguments): void }): void {
    const args = this.#take()
    if (args === undefined) return
    const onOver = this.#onOver
    this.#onOver = undefined
    try {
      client.onRequest(args)
    } finally {
      onOver?.()
    }
    // The next request begins a wait of its own.
    if (this.#args === undefined) client.expiryWait = undefined
  }

  /** Its client has gone. */
  drop(): void {
    this.#take()
    const onOver = this.#onOver
    this.#onOver = undefined
    onOver?.()
  }

  /**
   * Its client has to read its replies before it is served, and may never do. When it is served, or dropped, that is told once more:
   * meanwhile it may have been given something else to go on with.
   */
  lapse(): void {
    this.#onOver?.()
  }

  /** @returns undefined if there is none */
  #take(): RequestArguments | undefined {
    const args = this.#args
    this.#args = undefined
    this.bytes = 0
    return args
  }
}
