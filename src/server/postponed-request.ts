import { bytesOfRequest } from '../request/transaction.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'

/** A blocked client with more buffered input is not read from until it goes on. */
export const MAX_BLOCKED_INPUT_BYTES = 1024 * 1024

/** The request of a client that a gate has postponed. It counts as input that waits. */
export class PostponedRequest {
  #args: RequestArguments | undefined
  /** Memory that it takes, about; 0 without one. */
  bytes = 0

  put(args: RequestArguments): void {
    this.#args = args
    this.bytes = bytesOfRequest(args)
  }

  /** Takes it away. @returns undefined if there is none */
  take(): RequestArguments | undefined {
    const args = this.#args
    this.#args = undefined
    this.bytes = 0
    return args
  }
}
