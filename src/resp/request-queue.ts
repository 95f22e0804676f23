import type { RequestArguments } from './request-arguments.ts'
import { RequestBatch } from './request-batch.ts'

const NO_REQUESTS: RequestArguments[] = []
const NO_ENDS = new Int32Array(0)
const NO_ARGUMENTS: RequestArguments = ['']
/** What a decoded request takes of the heap, and for each byte that it was read from, about: arguments may be short. */
const REQUEST_BYTES = 80
const BYTES_PER_BYTE = 3

/** The batch that queues borrow, one at a time, to decode requests just before their delivery. */
const sharedBatch = new RequestBatch()
/** The queue whose requests are in {@link sharedBatch}. */
let borrower: RequestQueue | undefined

/**
 * The decoded requests of one connection, in order, and the protocol error that may end them.
 *
 * The requests lie in a batch as long as they are delivered in the same call. A queue that is not
 * empty when the call ends copies them, because the batch then serves the next connection.
 */
export class RequestQueue {
  /** Whether the requests were decoded under the limits for unauthenticated connections. */
  unauthenticated = false
  /** The protocol error that follows the last request; empty if there is none. */
  error = ''

  // The queue is a range of these arrays; `#next` lies in it.
  #requests: RequestArguments[] = NO_REQUESTS
  /** Where each request ends in the input window's bytes. */
  #ends: Int32Array = NO_ENDS
  #start = 0
  #next = 0
  #end = 0
  /** Whether the arrays belong to a batch. */
  #inBatch = false

  get isEmpty(): boolean {
    return this.#next === this.#end
  }

  /** What the requests take of V8's heap, in bytes, about. */
  get heapBytes(): number {
    const count = this.#end - this.#next
    if (count === 0) return 0
    const read = this.#ends[this.#end - 1] - this.#ends[Math.max(this.#start, this.#next - 1)]
    return count * REQUEST_BYTES + BYTES_PER_BYTE * read
  }

  /** Whether requests have been taken since the queue was last filled or copied. */
  get isBegun(): boolean {
    return this.#next > this.#start
  }

  /** The end, in the input window's bytes, of the request that {@link take} returned last. */
  get takenUpTo(): number {
    return this.#ends[this.#next - 1]
  }

  /** Takes the first request. The queue must not be empty. */
  take(): RequestArguments {
    const index = this.#next++
    const args = this.#requests[index]
    // The array must not keep arguments alive that the handler has let go.
    if (!this.#inBatch) this.#requests[index] = NO_ARGUMENTS
    return args
  }

  /** Fills the empty queue with requests of its own. */
  fill(requests: RequestArguments[], ends: readonly number[]): void {
    this.#requests = requests
    this.#ends = Int32Array.from(ends)
    this.#end = requests.length
  }

  /** Fills the empty queue with a batch's requests from `first` on. */
  fillFrom(batch: RequestBatch, first: number): void {
    this.#requests = batch.requests
    this.#ends = batch.ends
    this.#start = this.#next = first
    this.#end = batch.count
    this.#inBatch = true
  }

  /** Borrows the shared batch, empty, for requests in these bytes. */
  borrowBatch(bytes: Uint8Array): RequestBatch {
    if (borrower !== undefined && borrower !== this) borrower.#leaveBatch()
    borrower = this
    sharedBatch.clear(bytes)
    return sharedBatch
  }

  /** Ends the use of a batch: copies the requests that are left in it. */
  returnBatch(): void {
    if (this.#inBatch) this.#leaveBatch()
    if (borrower === this) borrower = undefined
  }

  /** Follows the input window: all positions in its bytes have become smaller by `count`. */
  moveBy(count: number): void {
    for (let i = 0; i < this.#end; i++) this.#ends[i] -= count
  }

  clear(): void {
    this.#requests = NO_REQUESTS
    this.#ends = NO_ENDS
    this.#start = this.#next = this.#end = 0
    this.#inBatch = false
    this.error = ''
  }

  #leaveBatch(): void {
    if (!this.#inBatch) return
    this.#requests = this.#requests.slice(this.#next, this.#end)
    this.#ends = this.#ends.slice(this.#next, this.#end)
    this.#end = this.#requests.length
    this.#start = this.#next = 0
    this.#inBatch = false
  }
}
