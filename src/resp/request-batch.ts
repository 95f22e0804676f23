/** A batch has no more requests. */
const MOST = 512
/** One of more bytes is not kept until others take its place. */
const KEPT_LENGTH = 16 * 1024

/**
 * Requests that have been decoded and are served next, as they have come side by side. Used again and
 * again: old arrays into which something new is put give the collector work, so that there is but one.
 */
export class RequestBatch {
  /** How many there are. */
  count = 0
  /** The bytes that they have come as. */
  bytes: Uint8Array = new Uint8Array(0)
  /** The arguments of each. */
  readonly requests: string[][] = new Array<string[]>(MOST).fill([])
  /** Where in the bytes the first argument after the command's name begins and ends, in turn. */
  readonly bounds = new Int32Array(2 * MOST)
  /** Where in the bytes each request ends. */
  readonly ends = new Int32Array(MOST)

  get full(): boolean {
    return this.count === MOST
  }

  /** How many bytes its requests are. */
  #length = 0

  /** Begins anew. @param bytes of the requests that are going to be added */
  clear(bytes: Uint8Array): void {
    if (this.#length > KEPT_LENGTH) this.requests.fill([])
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
  add(args: string[], start: number, end: number, firstStart: number, firstEnd: number): void {
    const { count } = this
    this.#length += end - start
    this.requests[count] = args
    this.ends[count] = end
    this.bounds[2 * count] = firstStart
    this.bounds[2 * count + 1] = firstEnd
    this.count = count + 1
  }
}
