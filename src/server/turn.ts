import type { ServerClock } from '../request/clock.ts'
import type { FrameDecoder } from '../resp/frame-decoder.ts'
import { RequestBatch } from '../resp/request-batch.ts'
import type { Store } from '../store/store.ts'

/** So many bytes are gathered: of what a batch touches, most is to stay in the cache. */
const ROOM = 16 * 1024
/** What is longer is served by itself, from where it lies. */
const LONGEST = 4096
/** So few bytes are copied one by one, which takes less time than a call. */
const FEW = 64

/** Whose requests they are. */
export interface Requester {
  /** Takes what has come, as `RequestReader.take`. */
  take(bytes: Buffer, start: number, end: number, batch: RequestBatch): void
  /** Serves what it has taken. */
  serveTaken(): void
}

/**
 * Gathers what the sockets bring in one turn of the event loop, and has it served all at once:
 * first all of it is decoded, then all its paths are looked up side by side, then one request after
 * the other is served. Between the system's reading and writing for each client the code and the
 * data of the next step would have left the processor's cache every time.
 */
export class Intake {
  readonly #store: Store
  readonly #clock: ServerClock
  readonly #decoder: FrameDecoder
  readonly #bytes = Buffer.allocUnsafeSlow(ROOM)
  #length = 0
  /** Who has sent what is there, and where that of each ends. */
  #senders: Requester[] = []
  #ends: number[] = []
  readonly #batch = new RequestBatch()
  readonly #onServed: () => void

  /**
   * @param decoder of all readers that are served by this one
   * @param onServed called when requests have been served
   */
  constructor(store: Store, clock: ServerClock, decoder: FrameDecoder, onServed: () => void) {
    this.#store = store
    this.#clock = clock
    this.#decoder = decoder
    this.#onServed = onServed
  }

  /**
   * Takes what a client has sent, to be served at the end of the event loop's turn, or before.
   *
   * @param bytes whose memory is the caller's again afterwards
   * @param length how many they are
   */
  add(sender: Requester, bytes: Buffer, length: number): void {
    if (this.#length + length > ROOM || length > LONGEST) this.serve()
    if (length > LONGEST) {
      this.#serveAll([sender], [length], bytes, length)
      return
    }
    const start = this.#length
    if (length > FEW) bytes.copy(this.#bytes, start, 0, length)
    else for (let i = 0; i < length; i++) this.#bytes[start + i] = bytes[i]
    this.#length += length
    this.#senders.push(sender)
    this.#ends.push(this.#length)
  }

  /** Serves what there is. */
  serve(): void {
    const length = this.#length
    if (length === 0) return
    const senders = this.#senders
    const ends = this.#ends
    this.#senders = []
    this.#ends = []
    this.#length = 0
    this.#serveAll(senders, ends, this.#bytes, length)
  }

  #serveAll(senders: Requester[], ends: number[], bytes: Buffer, length: number): void {
    const batch = this.#batch
    this.#decoder.refill(bytes, length)
    batch.clear(bytes)
    let start = 0
    for (let i = 0; i < senders.length; i++) {
      senders[i].take(bytes, start, ends[i], batch)
      start = ends[i]
    }
    this.#store.lookAhead(batch)
    this.#clock.begin()
    try {
      for (const sender of senders) sender.serveTaken()
    } finally {
      this.#clock.end()
      this.#onServed()
    }
  }
}
