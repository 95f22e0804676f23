import { splitInlineRequest } from '../text/split-words.ts'
import { ChunkList } from './chunk-list.ts'
import { FrameDecoder } from './frame-decoder.ts'
import { parseFrames } from './frame-parser.ts'
import { FrameWalker } from './frame-walker.ts'
import { RequestBatch } from './request-batch.ts'
import type { RequestLimits } from './request-limits.ts'

/** What a reader tells. All calls come from within `push` and `resume`. */
export interface RequestHandler {
  /** A request; at least one argument, each a binary string. */
  onRequest(args: string[]): void
  /** What comes next, unless the client is served no further; good until the call returns. */
  onBatch(batch: RequestBatch): void
  /** The input is broken, `message` says how (without `ERR `). The reader ignores what follows. */
  onProtocolError(message: string): void
  /** More than `maxFrameLength` bytes are held. The reader has dropped them and ignores the rest. */
  onOverflow(): void
}

/**
 * So many bytes of whole frames are parsed ahead of the requests' delivery, and not many more: at
 * first few, for RESET undoes the work, and a client may send RESET and AUTH in turn.
 */
const MIN_BATCH_LENGTH = 256
const MAX_BATCH_LENGTH = 65536

/** Of ordinary frames no more bytes than that: what a batch touches is to stay in the cache. */
const DECODED_LENGTH = 8192

/** What is decoded while it is delivered, of one reader after the other. */
const batchAtWork = new RequestBatch()
/** Whose requests those are. */
let atWork: RequestReader | undefined

const NOTHING = Buffer.alloc(0)
const NO_REQUESTS: string[][] = []
const NO_ENDS = new Int32Array(0)
const NO_ARGUMENTS: string[] = []

/**
 * Turns the bytes that one connection sends into requests, as Redis 7.0 does.
 *
 * Ordinary frames that lie in one chunk are decoded at once. For all others it is the guard before
 * redis-parser, which trusts its input: headers are walked and limits enforced first, and only
 * whole, valid frames are parsed. Requests, and the protocol error that may end them, are delivered
 * in the order of their bytes, whatever the chunks are.
 */
export class RequestReader {
  /**
   * While true, the limits for connections yet to authenticate hold, and requests are parsed one
   * at a time, since each may be the AUTH that lifts the limits for the next.
   */
  unauthenticated = false

  readonly #handler: RequestHandler
  readonly #limits: RequestLimits
  readonly #walker: FrameWalker
  readonly #decoder: FrameDecoder

  /** The incomplete request's bytes in chunks before this one. */
  readonly #tail = new ChunkList()
  /** What the present chunk is part of. */
  #bytes: Buffer = NOTHING
  #start = 0
  #end = 0
  /** How far the chunk has been walked. */
  #walked = 0
  /** Whether those bytes are somebody else's. */
  #borrowed = false
  /** What came while the chunk was at work: the reader is paused, or pushed to by its handler. */
  readonly #backlog = new ChunkList()

  // Requests parsed and not all delivered, and where in the bytes each one ends: a part of these arrays.
  #queue: string[][] = NO_REQUESTS
  #ends: Int32Array = NO_ENDS
  #queueStart = 0
  #next = 0
  #queueEnd = 0
  /** Whether those arrays are a batch's, which is somebody else's as soon as delivery ends. */
  #queueShared = false
  #queuedUnauthenticated = false
  #batchLength = MAX_BATCH_LENGTH
  /** The protocol error that comes after the queue, if not empty. */
  #error = ''

  // Offsets in the connection's whole input; `bufferedBytes` is what lies between them.
  #received = 0
  #delivered = 0
  /** Of where the bytes begin. */
  #offset = 0

  #paused = false
  #stopped = false
  #draining = false

  /**
   * @param limits shared with other readers, and read at every use, so that they may change
   * @param decoder with the same limits; shared with those readers whose chunks lie side by side
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
    return this.#received - this.#delivered
  }

  /**
   * Takes the next chunk, and delivers what it completes.
   *
   * @param chunk whose memory is the caller's again afterwards: what is not delivered by then has been
   * copied
   */
  push(chunk: Buffer): void {
    this.#decoder.refill(chunk, chunk.length)
    this.take(chunk, 0, chunk.length)
    this.deliver()
  }

  /**
   * Takes the next chunk, and delivers nothing before {@link deliver}, which is to follow while the
   * memory is still the chunk's.
   *
   * @param batch gets the requests that are sure to be delivered then, if there is nothing in their way
   */
  take(bytes: Buffer, start: number, end: number, batch?: RequestBatch): void {
    if (this.#stopped || start === end) return
    this.#received += end - start
    if (this.#bytes.length > 0) {
      this.#backlog.append(bytes.subarray(start, end))
      return
    }
    this.#takeChunk(bytes, start, end)
    this.#borrowed = true
    if (batch === undefined || this.#paused || this.#draining) return
    if (this.unauthenticated || !this.#walker.betweenRequests) return
    this.#dropQueue()
    this.#queuedUnauthenticated = false
    this.#decode(batch)
  }

  /** Delivers what has been taken, unless it is paused. */
  deliver(): void {
    // Whoever delivers already goes on with what has been taken.
    if (this.#draining) return
    this.#drain()
    if (this.#borrowed) this.#keep()
  }

  /** Stops delivery at once, also from within `onRequest`. Input is kept. */
  pause(): void {
    this.#paused = true
  }

  /** Delivers what has been kept, and goes on. */
  resume(): void {
    this.#paused = false
    this.#drain()
  }

  /** Drops everything and delivers nothing more, also from within `onRequest`. */
  destroy(): void {
    this.#stopped = true
    this.#dropQueue()
    this.#tail.clear()
    this.#backlog.clear()
    this.#bytes = NOTHING
    this.#start = this.#end = this.#walked = 0
    this.#borrowed = false
    this.#delivered = this.#received
  }

  #drain(): void {
    // A push or resume from within a delivery is seen to by the loop that delivers.
    if (this.#draining) return
    this.#draining = true
    try {
      while (!this.#paused && !this.#stopped) {
        if (this.unauthenticated && !this.#queuedUnauthenticated && this.#next > this.#queueStart) {
          this.#rewind()
        }
        if (this.#next < this.#queueEnd) {
          this.#deliverNext()
        } else if (this.#error !== '') {
          const message = this.#error
          this.destroy()
          this.#handler.onProtocolError(message)
        } else if (!this.#fillQueue()) {
          break
        }
      }
    } finally {
      this.#draining = false
    }
    if (this.#queueShared) this.#keepQueue()
    if (atWork === this) atWork = undefined
    if (this.#stopped || this.bufferedBytes <= this.#limits.maxFrameLength) return
    this.destroy()
    this.#handler.onOverflow()
  }

  #deliverNext(): void {
    const index = this.#next++
    const args = this.#queue[index]
    this.#delivered = this.#offset + this.#ends[index]
    // A queue of its own must not keep alive what the handler lets go.
    if (!this.#queueShared) this.#queue[index] = NO_ARGUMENTS
    this.#handler.onRequest(args)
  }

  /** Walks and parses up to a batch of requests; false if there is no input to walk. */
  #fillQueue(): boolean {
    this.#dropQueue()
    if (this.#walked === this.#end) {
      const chunk = this.#backlog.shift() ?? NOTHING
      this.#takeChunk(chunk, 0, chunk.length)
      if (chunk.length === 0) return false
    }
    this.#queuedUnauthenticated = this.unauthenticated
    if (this.unauthenticated || !this.#walker.betweenRequests || !this.#decodeAtWork()) this.#walk()
    return true
  }

  #decodeAtWork(): boolean {
    if (atWork !== undefined && atWork !== this) atWork.#keepQueue()
    atWork = this
    batchAtWork.clear(this.#bytes)
    const decoded = this.#decode(batchAtWork)
    if (decoded) this.#handler.onBatch(batchAtWork)
    return decoded
  }

  /** Walks and parses a batch of frames of any kind. */
  #walk(): void {
    this.#cutOff()
    const chunk = this.#bytes
    const start = this.#walked
    const ends: number[] = []
    let framesEnd = start
    let step = this.#walker.step(chunk, start, this.unauthenticated)
    // A frame begun in an earlier chunk goes alone, for it must be copied; so does every frame
    // before authentication.
    const single = this.unauthenticated || this.#tail.length > 0
    const batchLength = single ? 0 : this.#batchLength
    this.#batchLength = Math.min(2 * this.#batchLength, MAX_BATCH_LENGTH)
    while (step === 'frame') {
      framesEnd = this.#walker.position
      ends.push(framesEnd)
      if (framesEnd - start >= batchLength) break
      step = this.#walker.step(chunk, framesEnd, this.unauthenticated)
    }
    const requests = framesEnd > start ? parseFrames(this.#takeBytes(start, framesEnd)) : []
    this.#walked = this.#walker.position
    if (step === 'inline') {
      this.#addInline(framesEnd, requests, ends)
    } else if (step === 'empty') {
      this.#tail.clear()
      this.#skipToWalked(ends)
    } else if (step === 'incomplete') {
      this.#tail.append(chunk.subarray(framesEnd))
    } else if (step === 'error') {
      this.#error = this.#walker.error
    }
    this.#queue = requests
    this.#ends = Int32Array.from(ends)
    this.#queueEnd = requests.length
  }

  /** Reads the frames of the ordinary kind at the front; false if there are none. */
  #decode(batch: RequestBatch): boolean {
    const bytes = this.#bytes
    const end = this.#end
    const start = this.#walked
    const stop = start + Math.min(end - start, this.#batchLength, DECODED_LENGTH)
    const decoder = this.#decoder
    const first = batch.count
    let at = start
    while (at < stop && !batch.full) {
      const args = decoder.decode(bytes, at, end)
      if (args === undefined) break
      batch.add(args, at, decoder.end, decoder.firstStart, decoder.firstEnd)
      at = decoder.end
    }
    this.#walked = at
    this.#batchLength = Math.min(2 * this.#batchLength, MAX_BATCH_LENGTH)
    if (at === start) return false
    this.#queue = batch.requests
    this.#ends = batch.ends
    this.#queueStart = this.#next = first
    this.#queueEnd = batch.count
    this.#queueShared = true
    return true
  }

  #addInline(start: number, requests: string[][], ends: number[]): void {
    const args = splitInlineRequest(this.#takeBytes(start, this.#walked))
    if (args === undefined) {
      this.#error = 'Protocol error: unbalanced quotes in request'
    } else if (args.length === 0) {
      this.#skipToWalked(ends)
    } else {
      requests.push(args)
      ends.push(this.#walked)
    }
  }

  /** Bytes that are no request go with the request before them. */
  #skipToWalked(ends: number[]): void {
    if (ends.length > 0) ends[ends.length - 1] = this.#walked
    else this.#delivered = this.#offset + this.#walked
  }

  /** The bytes in this range, with the incomplete request's earlier bytes before them. */
  #takeBytes(start: number, end: number): Buffer {
    const bytes = this.#bytes.subarray(start, end)
    return this.#tail.length === 0 ? bytes : this.#tail.join(bytes)
  }

  /**
   * Authentication has been lost (RESET) with later requests already parsed under the limits it
   * gave: they are walked again.
   */
  #rewind(): void {
    this.#batchLength = MIN_BATCH_LENGTH
    this.#walked = this.#ends[this.#next - 1]
    this.#dropQueue()
    this.#tail.clear()
    this.#walker.reset()
  }

  #takeChunk(bytes: Buffer, start: number, end: number): void {
    this.#offset += this.#end - start
    this.#bytes = bytes
    this.#start = this.#walked = start
    this.#end = end
    this.#borrowed = false
  }

  /** Makes what is left of the chunk all that the bytes are. The queue has to be empty. */
  #cutOff(): void {
    if (this.#walked === 0 && this.#end === this.#bytes.length) return
    this.#bytes = this.#bytes.subarray(this.#walked, this.#end)
    this.#moveBy(this.#walked)
  }

  /** Copies the chunk: its memory is about to become somebody else's. */
  #keep(): void {
    this.#borrowed = false
    this.#bytes = Buffer.from(this.#bytes.subarray(this.#start, this.#end))
    this.#moveBy(this.#start)
  }

  /** All places in the bytes are so much smaller now. The queue is not a batch's. */
  #moveBy(count: number): void {
    this.#offset += count
    this.#walked -= count
    this.#end -= count
    this.#start = 0
    for (let i = 0; i < this.#queueEnd; i++) this.#ends[i] -= count
  }

  /** Copies what is left of the queue, if anything is: its arrays are about to become somebody else's. */
  #keepQueue(): void {
    if (!this.#queueShared) return
    this.#queue = this.#queue.slice(this.#next, this.#queueEnd)
    this.#ends = this.#ends.slice(this.#next, this.#queueEnd)
    this.#queueEnd = this.#queue.length
    this.#queueStart = this.#next = 0
    this.#queueShared = false
  }

  #dropQueue(): void {
    this.#queue = NO_REQUESTS
    this.#ends = NO_ENDS
    this.#queueStart = this.#next = this.#queueEnd = 0
    this.#queueShared = false
    this.#error = ''
  }
}
