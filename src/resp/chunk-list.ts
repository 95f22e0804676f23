/** The shortest and the longest block into which short chunks are gathered, in bytes. */
const MIN_BLOCK_LENGTH = 64
const MAX_BLOCK_LENGTH = 16384

/**
 * Chunks of bytes that cannot be decoded yet.
 *
 * It takes about as much memory as the bytes held: a client that sends one byte a packet does not
 * cost a Buffer object per byte, and the last few bytes of a 64 KB chunk do not keep that chunk
 * alive. Every byte is copied at most once in `append`, and once in `join`.
 */
export class ChunkList {
  /** Bytes held. */
  length = 0

  #blocks: Buffer[] = []
  /** Bytes free at the end of the last block. */
  #room = 0

  /** Adds a copy of a chunk at the end. */
  append(chunk: Buffer): void {
    this.length += chunk.length
    let copied = 0
    while (copied < chunk.length) {
      if (this.#room === 0) this.#openBlock(chunk.length - copied)
      const block = this.#blocks[this.#blocks.length - 1]!
      const count = chunk.copy(block, block.length - this.#room, copied)
      this.#room -= count
      copied += count
    }
  }

  /** Takes the first block; undefined if no bytes are held. */
  shift(): Buffer | undefined {
    if (this.#blocks.length === 1) this.#closeLastBlock()
    const block = this.#blocks.shift()
    if (block !== undefined) this.length -= block.length
    return block
  }

  /** Takes all bytes, followed by `last`, as one Buffer. */
  join(last: Buffer): Buffer {
    this.#closeLastBlock()
    const whole = Buffer.concat([...this.#blocks, last], this.length + last.length)
    this.clear()
    return whole
  }

  /** Drops all bytes. */
  clear(): void {
    this.length = 0
    this.#blocks = []
    this.#room = 0
  }

  /**
   * A new block is about as long as the bytes already held, so half a header costs no large block.
   */
  #openBlock(needed: number): void {
    const doubled = Math.min(Math.max(this.length, MIN_BLOCK_LENGTH), MAX_BLOCK_LENGTH)
    const block = Buffer.allocUnsafeSlow(Math.max(needed, doubled))
    this.#blocks.push(block)
    this.#room = block.length
  }

  #closeLastBlock(): void {
    if (this.#room === 0) return
    const block = this.#blocks.pop()!
    this.#blocks.push(block.subarray(0, block.length - this.#room))
    this.#room = 0
  }
}
