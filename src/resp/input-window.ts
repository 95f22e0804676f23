import { ChunkList } from './chunk-list.ts'

const NOTHING = Buffer.alloc(0)

/**
 * The bytes that one connection has sent and that are not decoded yet.
 *
 *     delivered │ head │ chunk                  │ backlog
 *                         position ▲        end ▲
 *
 * The head is a copy: the beginning of an incomplete request, from earlier chunks. The chunk is
 * read in place, in memory that the caller may overwrite after the call. The backlog is a copy of
 * the bytes that arrived while the chunk was still being decoded.
 */
export class InputWindow {
  /** The memory that holds the chunk. */
  bytes: Buffer = NOTHING
  /** Where in `bytes` decoding goes on. */
  position = 0
  /** Where in `bytes` the chunk ends. */
  end = 0
  /** Whether the caller may overwrite `bytes` after the call. */
  borrowed = false

  /** Where in `bytes` the chunk begins. */
  #start = 0
  readonly #head = new ChunkList()
  readonly #backlog = new ChunkList()

  // Offsets in the connection's whole input.
  #received = 0
  #delivered = 0
  /** Where `bytes` begins. */
  #offset = 0

  /** Bytes received and not yet delivered as requests. */
  get undelivered(): number {
    return this.#received - this.#delivered
  }

  /** Whether the chunk continues a request that began in an earlier chunk. */
  get hasHead(): boolean {
    return this.#head.length > 0
  }

  /** How many bytes the head has. */
  get headLength(): number {
    return this.#head.length
  }

  /**
   * Receives bytes: borrows them as the chunk or, while there is a chunk, copies them to the
   * backlog.
   *
   * @returns whether they are the chunk
   */
  receive(bytes: Buffer, start: number, end: number): boolean {
    this.#received += end - start
    if (this.bytes.length > 0) {
      this.#backlog.append(bytes.subarray(start, end))
      return false
    }
    this.#show(bytes, start, end)
    this.borrowed = true
    return true
  }

  /** Turns to the backlog if the chunk is used up; false if there is nothing left to decode. */
  advance(): boolean {
    if (this.position < this.end) return true
    const chunk = this.#backlog.shift() ?? NOTHING
    this.#show(chunk, 0, chunk.length)
    return chunk.length > 0
  }

  /** Notes that the requests before this position have been delivered. */
  deliverUpTo(position: number): void {
    this.#delivered = this.#offset + position
  }

  /** The head and the bytes from `start` to `end`. The head is empty afterwards. */
  joinHead(start: number, end: number): Buffer {
    const bytes = this.bytes.subarray(start, end)
    return this.#head.length === 0 ? bytes : this.#head.join(bytes)
  }

  /** Copies the chunk's bytes from `start` to `end` to the head. */
  keepAsHead(start: number, end: number): void {
    this.appendToHead(this.bytes.subarray(start, end))
  }

  /** Copies these bytes to the head. */
  appendToHead(bytes: Buffer): void {
    this.#head.append(bytes)
  }

  dropHead(): void {
    this.#head.clear()
  }

  /** Cuts `bytes` down to what is left to decode, which then begins at 0. */
  trim(): void {
    if (this.position === 0 && this.end === this.bytes.length) return
    this.bytes = this.bytes.subarray(this.position, this.end)
    this.#moveBy(this.position)
  }

  /**
   * Copies the borrowed chunk.
   *
   * @returns by how much all positions in `bytes` have become smaller
   */
  copyChunk(): number {
    const start = this.#start
    this.borrowed = false
    this.bytes = Buffer.from(this.bytes.subarray(start, this.end))
    this.#moveBy(start)
    return start
  }

  /** Drops all bytes; they count as delivered. */
  clear(): void {
    this.#head.clear()
    this.#backlog.clear()
    this.bytes = NOTHING
    this.#start = this.position = this.end = 0
    this.borrowed = false
    this.#delivered = this.#received
  }

  #show(bytes: Buffer, start: number, end: number): void {
    this.#offset += this.end - start
    this.bytes = bytes
    this.#start = this.position = start
    this.end = end
    this.borrowed = false
  }

  #moveBy(count: number): void {
    this.#offset += count
    this.position -= count
    this.end -= count
    this.#start = 0
  }
}
