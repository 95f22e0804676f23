import { toValue } from '../store/value.ts'
import { splitInlineRequest } from '../text/split-words.ts'
import { ArrivingFrame } from './arriving-frame.ts'
import { FrameDecoder } from './frame-decoder.ts'
import { parseFrames } from './frame-parser.ts'
import { FrameWalker } from './frame-walker.ts'
import { InputWindow } from './input-window.ts'
import type { RequestArguments } from './request-arguments.ts'
import type { RequestBatch } from './request-batch.ts'
import type { RequestLimits } from './request-limits.ts'
import { RequestQueue } from './request-queue.ts'

/** What a reader reports. All calls come from within `push`, `deliver` and `resume`. */
export interface RequestHandler {
  /** A request. */
  onRequest(args: RequestArguments): void
  /** The requests that come next, unless the reader stops; valid until the call returns. */
  onBatch(batch: RequestBatch): void
  /** The input is broken; `message` says how (without `ERR `). The reader ignores the rest. */
  onProtocolError(message: string): void
  /**
   * More than `maxFrameLength` bytes are held. The reader has dropped them and ignores the rest.
   */
  onOverflow(): void
}

/**
 * How many bytes are parsed ahead of delivery. After a RESET the number starts low and doubles with
 * each batch, because a RESET undoes the work, and a client may send RESET and AUTH in turn.
 */
const MIN_BATCH_BYTES = 256
const MAX_BATCH_BYTES = 64 * 1024

/**
 * Ordinary frames are decoded in smaller batches, so that a batch stays in the processor's cache.
 */
const MAX_DECODED_BYTES = 8 * 1024

/** A frame that has not arrived whole is parsed as far as it has, from this many bytes on. */
const MIN_PARSED_BYTES = 32 * 1024

/**
 * Turns the bytes that one connection sends into requests, as Redis 7.0 does.
 *
 * Ordinary frames that lie in one chunk are decoded directly. All other input passes the frame
 * walker before it reaches redis-parser, which trusts its input: the walker reads the headers and
 * enforces the limits, so that only whole, valid frames are parsed. Requests, and the protocol
 * error that may end them, are delivered in the order of their bytes, wherever chunks are cut.
 */
export class RequestReader {
  /**
   * While true, the limits for unauthenticated connections hold, and requests are parsed one at a
   * time, because each may be the AUTH that lifts the limits for the next.
   */
  unauthenticated = false

  readonly #handler: RequestHandler
  readonly #limits: RequestLimits
  readonly #walker: FrameWalker
  readonly #decoder: FrameDecoder
  readonly #window = new InputWindow()
  readonly #arriving = new ArrivingFrame()
  readonly #queue = new RequestQueue()
  #batchBytes = MAX_BATCH_BYTES

  #paused = false
  #stopped = false
  #delivering = false

  /**
   * @param limits shared with other readers, and read at every use, so that they may change
   * @param decoder has the same limits; readers whose chunks lie in one Buffer share it
   */
  constructor(
    handler: RequestHandler,
    limits: RequestLimits,
    decoder: FrameDecoder = new FrameDecoder(limits),
  ) {
    this.#handler = handler
    this.#limits = limits
    this.#walker = new FrameWalker(limits)
    this.#decoder = decoder
  }

  /** Bytes held: an incomplete request and all requests not yet delivered. */
  get bufferedBytes(): number {
    return this.#window.undelivered + this.#arriving.extraBytes
  }

  /** What of that has been decoded, and lies in V8's heap, about: requests, and the arguments that an incomplete one has so far. */
  get heapBytes(): number {
    return this.#arriving.heapBytes + this.#queue.heapBytes
  }

  /**
   * Takes the next chunk, and delivers the requests that it completes.
   *
   * @param chunk may be overwritten afterwards: the reader copies bytes that it still needs
   */
  push(chunk: Buffer): void {
    this.#decoder.refill(chunk, chunk.length)
    this.take(chunk, 0, chunk.length)
    this.deliver()
  }

  /**
   * Takes the next chunk without delivering anything. {@link deliver} must follow before the memory
   * is overwritten.
   *
   * @param batch gets the requests that the next {@link deliver} is sure to begin with
   */
  take(bytes: Buffer, start: number, end: number, batch?: RequestBatch): void {
    if (this.#stopped || start === end) return
    const isChunk = this.#window.receive(bytes, start, end)
    if (!isChunk || batch === undefined || this.#paused || this.#delivering) return
    if (this.unauthenticated || !this.#walker.betweenRequests) return
    this.#queue.clear()
    this.#queue.unauthenticated = false
    this.#decode(batch)
  }

  /** Delivers what has been taken, unless the reader is paused. */
  deliver(): void {
    // A call from within a delivery: the outer loop delivers what has been taken.
    if (this.#delivering) return
    this.#deliverAll()
    if (this.#window.borrowed) this.#queue.moveBy(this.#window.copyChunk())
  }

  /** Stops delivery at once, also from within `onRequest`. Input is kept. */
  pause(): void {
    this.#paused = true
  }

  /** Delivers what has been kept, and goes on. */
  resume(): void {
    this.#paused = false
    this.#deliverAll()
  }

  /** Drops everything and delivers nothing more, also from within `onRequest`. */
  destroy(): void {
    this.#stopped = true
    this.#queue.clear()
    this.#window.clear()
    this.#arriving.clear()
  }

  #deliverAll(): void {
    // A call from within a delivery: the outer loop goes on.
    if (this.#delivering) return
    this.#delivering = true
    const queue = this.#queue
    const window = this.#window
    try {
      while (!this.#paused && !this.#stopped) {
        if (this.unauthenticated && !queue.unauthenticated && queue.isBegun) this.#rewind()
        if (!queue.isEmpty) {
          const args = queue.take()
          window.deliverUpTo(queue.takenUpTo)
          this.#handler.onRequest(args)
        } else if (queue.error !== '') {
          const message = queue.error
          this.destroy()
          this.#handler.onProtocolError(message)
        } else if (!this.#fillQueue()) {
          break
        }
      }
    } finally {
      this.#delivering = false
    }
    queue.returnBatch()
    if (this.#stopped || window.undelivered <= this.#limits.maxFrameLength) return
    this.destroy()
    this.#handler.onOverflow()
  }

  /** Decodes up to a batch of requests; false if there is no input to decode. */
  #fillQueue(): boolean {
    this.#queue.clear()
    if (!this.#window.advance()) return false
    this.#queue.unauthenticated = this.unauthenticated
    if (this.unauthenticated || !this.#walker.betweenRequests || !this.#decodeNext()) this.#walk()
    return true
  }

  #decodeNext(): boolean {
    const batch = this.#queue.borrowBatch(this.#window.bytes)
    const decoded = this.#decode(batch)
    if (decoded) this.#handler.onBatch(batch)
    return decoded
  }

  /** Decodes the ordinary frames at the front of the chunk; false if there are none. */
  #decode(batch: RequestBatch): boolean {
    const window = this.#window
    const { bytes, end, position: start } = window
    const stop = start + Math.min(end - start, this.#batchBytes, MAX_DECODED_BYTES)
    const decoder = this.#decoder
    const first = batch.count
    let at = start
    while (at < stop && !batch.full) {
      const args = decoder.decode(bytes, at, end)
      if (args === undefined) break
      batch.add(args, at, decoder.end, decoder.firstStart, decoder.firstEnd)
      at = decoder.end
    }
    window.position = at
    this.#growBatch()
    if (at === start) return false
    this.#queue.fillFrom(batch, first)
    return true
  }

  /** Walks and parses a batch of requests of any kind. */
  #walk(): void {
    const window = this.#window
    window.trim()
    try {
      this.#walkFrom(this.#arriving.isFilling ? this.#fillLarge() : window.position)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#queue.error = 'Protocol error: there is no memory for a bulk of this length'
    }
  }

  /** Takes the chunk's bytes that belong to a large argument. @returns where they end */
  #fillLarge(): number {
    const window = this.#window
    window.position = this.#arriving.fill(window.bytes, window.position)
    return window.position
  }

  #walkFrom(start: number): void {
    if (this.#arriving.isFilling) return
    const window = this.#window
    const chunk = window.bytes
    const ends: number[] = []
    let framesEnd = start
    let step = this.#walker.step(chunk, start, this.unauthenticated)
    // A frame that began in an earlier chunk is parsed alone, because it is copied; so is every
    // frame before authentication.
    const continues = window.hasHead || !this.#arriving.isEmpty
    const batchBytes = this.unauthenticated || continues ? 0 : this.#batchBytes
    this.#growBatch()
    while (step === 'frame') {
      framesEnd = this.#walker.position
      ends.push(framesEnd)
      if (framesEnd - start >= batchBytes) break
      step = this.#walker.step(chunk, framesEnd, this.unauthenticated)
    }
    const requests = framesEnd > start ? this.#parse(window.joinHead(start, framesEnd)) : []
    window.position = this.#walker.position
    if (step === 'inline') {
      this.#addInline(framesEnd, requests, ends)
    } else if (step === 'empty') {
      window.dropHead()
      this.#skipToPosition(ends)
    } else if (step === 'incomplete') {
      this.#keepArriving(framesEnd)
    } else if (step === 'large') {
      this.#keepArriving(framesEnd)
      this.#arriving.begin(this.#walker.largeLength)
    } else if (step === 'error') {
      this.#queue.error = this.#walker.error
    }
    this.#queue.fill(requests, ends)
  }

  /** Keeps the chunk's part of a frame that is not whole, and parses what is whole of a long one. */
  #keepArriving(start: number): void {
    const window = this.#window
    const end = window.position
    const needed = Math.max(MIN_PARSED_BYTES, this.#arriving.needed)
    if (!this.#walker.inArguments || window.headLength + end - start < needed) {
      window.keepAsHead(start, end)
      return
    }
    const part = window.joinHead(start, end)
    window.appendToHead(part.subarray(this.#arriving.parse(part)))
  }

  /** @param frames one frame, if it did not arrive whole */
  #parse(frames: Buffer): RequestArguments[] {
    return this.#arriving.isEmpty ? parseFrames(frames) : [this.#arriving.finish(frames)]
  }

  #addInline(start: number, requests: RequestArguments[], ends: number[]): void {
    const { position } = this.#window
    const args = splitInlineRequest(this.#window.joinHead(start, position))
    if (args === undefined) {
      this.#queue.error = 'Protocol error: unbalanced quotes in request'
    } else if (args.length === 0) {
      this.#skipToPosition(ends)
    } else {
      const [name, ...rest] = args
      requests.push([name, ...rest.map(toValue)])
      ends.push(position)
    }
  }

  /** Skips an empty request: its bytes count as part of the request before it. */
  #skipToPosition(ends: number[]): void {
    const { position } = this.#window
    if (ends.length > 0) ends[ends.length - 1] = position
    else this.#window.deliverUpTo(position)
  }

  /**
   * Goes back to the end of the last delivered request: a RESET has ended authentication, and the
   * requests after it were parsed under the higher limits.
   */
  #rewind(): void {
    this.#batchBytes = MIN_BATCH_BYTES
    this.#window.position = this.#queue.takenUpTo
    this.#window.dropHead()
    this.#arriving.clear()
    this.#queue.clear()
    this.#walker.reset()
  }

  #growBatch(): void {
    this.#batchBytes = Math.min(2 * this.#batchBytes, MAX_BATCH_BYTES)
  }
}
