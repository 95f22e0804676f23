import type { RequestLimits } from '../resp/request-limits.ts'
import type { ClientMemory } from './client-memory.ts'
import type { Output } from './output.ts'

/**
 * A client whose requests wait is read from at full speed up to this much buffered input, and up to
 * half of `client-query-buffer-limit`.
 */
const MAX_WAITING_INPUT_BYTES = 64 * 1024 * 1024

/**
 * Decides whether a client has to read its replies before more of its requests are served, and how
 * much it may send meanwhile. A client may write all its requests before it reads the first reply, so
 * its input goes on to be read, up to `client-query-buffer-limit`. But a client that does read is
 * slowed down instead.
 */
export class UnreadReplies {
  readonly #output: Output
  readonly #memory: ClientMemory
  readonly #limits: RequestLimits
  #waits = false
  /** How much input may be buffered while requests wait. */
  #maxInput = 0
  /** How much output had been sent at the last survey. */
  #sentBefore = 0

  constructor(output: Output, memory: ClientMemory, limits: RequestLimits) {
    this.#output = output
    this.#memory = memory
    this.#limits = limits
  }

  /** Whether requests wait. */
  get waits(): boolean {
    return this.#waits
  }

  /**
   * Has requests wait while too many replies are unread, because they would pile up without bound, or
   * while a reply is made as it is sent, because the next one comes after it.
   *
   * @param unread bytes of unread replies
   * @returns whether requests wait from now on
   */
  begin(unread: number): boolean {
    if (this.#waits) return false
    if (!this.#output.hasSource && this.#memory.admits(unread)) return false
    this.#waits = true
    this.#maxInput = this.#step
    return true
  }

  /** Has requests go on, because replies have been read. @returns whether they waited */
  end(): boolean {
    const waited = this.#waits
    this.#waits = false
    return waited
  }

  /** Whether more input may be read while requests wait. @param input bytes that are buffered */
  admits(input: number): boolean {
    return input <= this.#maxInput
  }

  /** Called every second. @returns whether the client has read replies since the last call */
  survey(): boolean {
    const { sentBytes } = this.#output
    const reads = sentBytes !== this.#sentBefore
    this.#sentBefore = sentBytes
    // It may be writing its whole pipeline first.
    if (this.#waits && !reads) this.#maxInput += this.#step
    return reads
  }

  get #step(): number {
    return Math.min(MAX_WAITING_INPUT_BYTES, this.#limits.maxFrameLength / 2)
  }
}
