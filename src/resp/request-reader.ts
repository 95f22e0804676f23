import { ChunkList } from './chunk-list.ts'
import { FrameDecoder } from './frame-decoder.ts'
import { parseFrames } from './frame-parser.ts'
import { FrameWalker } from './frame-walker.ts'
import { splitInlineRequest } from './inline-request.ts'
import type { RequestLimits } from './request-limits.ts'

/** The requests that come next, as far as their first arguments are concerned. */
export interface RequestBatch {
  /** How many there are. */
  readonly count: number
  /** The bytes that they have come as. */
  readonly bytes: Uint8Array
  /** The first argument after the command's name of each; empty where there is none. */
  readonly paths: readonly string[]
  /** Where in the bytes each of those begins and ends, in turn. */
  readonly bounds: Int32Array
}

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
/** Fewer requests are not told of as a batch, */
const LEAST_BATCH = 4
/** and of no more than so many. */
const MOST_BATCH = 512

/** The batch that is being told of, for all readers: it is made anew for each. */
const batch = {
  count: 0,
  bytes: Buffer.alloc(0) as Uint8Array,
  paths: new Array<string>(MOST_BATCH).fill(''),
  bounds: new Int32Array(2 * MOST_BATCH),
} satisfies RequestBatch

const NOTHING = Buffer.alloc(0)

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
  #chunk: Buffer = NOTHING
  /** What came while the chunk was at work: the reader is paused, or pushed to by its handler. */
  readonly #backlog = new ChunkList()
  /** How far the chunk has been walked. */
  #walked = 0

  /** Requests parsed and not all delivered, and where in the chunk each one ends. */
  #queue: string[][] = []
  #ends: number[] = []
  #next = 0
  #queuedUnauthenticated = false
  #batchLength = MAX_BATCH_LENGTH
  /** The protocol error that comes after the queue, if not empty. */
  #error = ''

  // Offsets in the connection's whole input; `bufferedBytes` is what lies between them.
  #received = 0
  #delivered = 0
  #chunkOffset = 0

  #paused = false
  #stopped = false
  #draining = false

  /** @param limits shared with other readers, and read at every use, so that they may change */
  constructor(handler: RequestHandler, limits: RequestLimits) {
    this.#handler = handler
    this.#limits = limits
    this.#walker = new FrameWalker(limits)
    this.#decoder = new FrameDecoder(limits)
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
    if (this.#stopped || chunk.length === 0) return
    this.#received += chunk.length
    if (this.#chunk.length > 0) this.#backlog.append(chunk)
    else this.#takeChunk(chunk)
    this.#drain()
    if (this.#chunk === chunk) this.#chunk = Buffer.from(chunk)
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
    this.#chunk = NOTHING
    this.#decoder.forget()
    this.#delivered = this.#received
  }

  #drain(): void {
    // A push or resume from within a delivery is seen to by the loop that delivers.
    if (this.#draining) return
    this.#draining = true
    try {
      while (!this.#paused && !this.#stopped) {
        if (this.unauthenticated && !this.#queuedUnauthenticated && this.#next > 0) this.#rewind()
        if (this.#next < this.#queue.length) {
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
    if (this.#stopped || this.bufferedBytes <= this.#limits.maxFrameLength) return
    this.destroy()
    this.#handler.onOverflow()
  }

  #deliverNext(): void {
    const index = this.#next++
    const args = this.#queue[index]
    // The queue must not keep alive what the handler lets go.
    this.#queue[index] = []
    this.#delivered = this.#chunkOffset + this.#ends[index]
    this.#handler.onRequest(args)
  }

  /** Walks and parses up to a batch of requests; false if there is no input to walk. */
  #fillQueue(): boolean {
    this.#dropQueue()
    if (this.#walked === this.#chunk.length) {
      const chunk = this.#backlog.shift()
      this.#takeChunk(chunk ?? NOTHING)
      if (chunk === undefined) return false
    }
    this.#queuedUnauthenticated = this.unauthenticated
    if (!this.unauthenticated && this.#walker.betweenRequests && this.#decode()) return true
    const chunk = this.#chunk
    const start = this.#walked
    let framesEnd = start
    let step = this.#walker.step(chunk, start, this.unauthenticated)
    // A frame begun in an earlier chunk goes alone, for it must be copied; so does every frame
    // before authentication.
    const single = this.unauthenticated || this.#tail.length > 0
    const batchLength = single ? 0 : this.#batchLength
    this.#batchLength = Math.min(2 * this.#batchLength, MAX_BATCH_LENGTH)
    while (step === 'frame') {
      framesEnd = this.#walker.position
      this.#ends.push(framesEnd)
      if (framesEnd - start >= batchLength) break
      step = this.#walker.step(chunk, framesEnd, this.unauthenticated)
    }
    if (framesEnd > start) this.#queue = parseFrames(this.#takeBytes(start, framesEnd))
    this.#walked = this.#walker.position
    if (step === 'inline') {
      this.#queueInline(framesEnd)
    } else if (step === 'empty') {
      this.#tail.clear()
      this.#skipToWalked()
    } else if (step === 'incomplete') {
      this.#tail.append(chunk.subarray(framesEnd))
    } else if (step === 'error') {
      this.#error = this.#walker.error
    }
    return true
  }

  /** Reads the frames of the ordinary kind at the front; false if there are none. */
  #decode(): boolean {
    const chunk = this.#chunk
    const start = this.#walked
    const stop = start + Math.min(chunk.length - start, this.#batchLength, DECODED_LENGTH)
    let at = start
    let count = 0
    while (at < stop) {
      const end = this.#decoder.decode(chunk, at)
      if (end === 0) break
      const { args, firstStart, firstEnd } = this.#decoder
      this.#queue.push(args)
      this.#ends.push(end)
      if (count < MOST_BATCH) {
        batch.paths[count] = args.length > 1 ? args[1] : ''
        batch.bounds[2 * count] = firstStart
        batch.bounds[2 * count++ + 1] = firstEnd
      }
      at = end
    }
    this.#walked = at
    this.#batchLength = Math.min(2 * this.#batchLength, MAX_BATCH_LENGTH)
    if (count >= LEAST_BATCH) {
      batch.count = count
      batch.bytes = chunk
      this.#handler.onBatch(batch)
    }
    return at > start
  }

  #queueInline(start: number): void {
    const args = splitInlineRequest(this.#takeBytes(start, this.#walked))
    if (args === undefined) {
      this.#error = 'Protocol error: unbalanced quotes in request'
    } else if (args.length === 0) {
      this.#skipToWalked()
    } else {
      this.#queue.push(args)
      this.#ends.push(this.#walked)
    }
  }

  /** Bytes that are no request go with the request before them. */
  #skipToWalked(): void {
    if (this.#ends.length > 0) this.#ends[this.#ends.length - 1] = this.#walked
    else this.#delivered = this.#chunkOffset + this.#walked
  }

  /** The chunk's bytes in this range, with the incomplete request's earlier bytes before them. */
  #takeBytes(start: number, end: number): Buffer {
    const bytes = this.#chunk.subarray(start, end)
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

  #takeChunk(chunk: Buffer): void {
    this.#chunkOffset += this.#chunk.length
    this.#chunk = chunk
    this.#walked = 0
    this.#decoder.forget()
  }

  #dropQueue(): void {
    this.#queue = []
    this.#ends = []
    this.#next = 0
    this.#error = ''
  }
}
