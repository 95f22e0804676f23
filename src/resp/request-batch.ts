/**
 * The problem: requests that are looked up one by one wait for each path's cache misses in turn.
 *
 * The trick: the requests of one turn are decoded side by side into flat arrays first.
 * `Store.lookAhead` walks all their paths together, which overlaps their cache misses. Then each
 * request is served.
 *
 *     bytes   *2 $3 GET $2 k1  *3 $3 SET $2 k2 $1 x  ...
 *     bounds               └┘               └┘   the first argument after the name
 *     ends                   ▲                     ▲        where each request ends
 *
 * All connections share these arrays. Arrays for each connection would give the garbage collector
 * work, because it scans each old array into which a new object has been stored.
 *
 * The price: the arguments of the last batch stay in memory, up to 16 KB of requests. Those of a
 * larger batch are dropped when the next one begins.
 *
 * Gain: up to a tenth of a request's processor time, and what looking ahead gains, which needs it
 * (bench/HISTORY.md). To delete it: deliver each request once decoded, and remove
 * `Store.lookAhead` and `onBatch`.
 *
 * @module
 */
import type { RequestArguments } from './request-arguments.ts'

/** How many requests a batch holds at most. */
const MAX_REQUESTS = 512
/**
 * If a batch has more bytes than this, its arguments are dropped at the next batch.
 */
const MAX_KEPT_BYTES = 16 * 1024

const NO_ARGUMENTS: RequestArguments = ['']

/** Decoded requests that are served next, in the order of their bytes. */
export class RequestBatch {
  /** How many requests there are. */
  count = 0
  /** The bytes that they were decoded from. */
  bytes: Uint8Array = new Uint8Array(0)
  /** The arguments of each. */
  readonly requests: RequestArguments[] = new Array(MAX_REQUESTS).fill(NO_ARGUMENTS)
  /** Where in the bytes each request's first argument after the command's name begins and ends. */
  readonly bounds = new Int32Array(2 * MAX_REQUESTS)
  /** Where in the bytes each request ends. */
  readonly ends = new Int32Array(MAX_REQUESTS)

  get full(): boolean {
    return this.count === MAX_REQUESTS
  }

  /** How many bytes its requests have. */
  #length = 0

  /** Empties the batch. @param bytes that the next requests are decoded from */
  clear(bytes: Uint8Array): void {
    if (this.#length > MAX_KEPT_BYTES) this.requests.fill(NO_ARGUMENTS)
    this.#length = 0
    this.count = 0
    this.bytes = bytes
  }

  /**
   * Adds a request. The batch must not be full.
   *
   * @param start where in the bytes it begins
   * @param firstStart where the first argument after the command's name begins
   */
  add(
    args: RequestArguments,
    start: number,
    end: number,
    firstStart: number,
    firstEnd: number,
  ): void {
    const { count } = this
    this.#length += end - start
    this.requests[count] = args
    this.ends[count] = end
    this.bounds[2 * count] = firstStart
    this.bounds[2 * count + 1] = firstEnd
    this.count = count + 1
  }
}
