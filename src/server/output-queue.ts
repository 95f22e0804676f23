import { SourcePart, ValuePart } from '../resp/reply-parts.ts'
import type { ReplyPart } from '../resp/reply-writer.ts'
import { SharedMemory } from '../resp/shared-memory.ts'

/**
 * Short pieces are gathered in blocks, because each object takes memory of its own. A block is about as
 * long as the queue, so that a few bytes do not cost a large block.
 */
const MIN_BLOCK_BYTES = 512
const MAX_BLOCK_BYTES = 16 * 1024
/** Places of parts that have been taken are given back when there are this many. */
const MAX_TAKEN_PLACES = 1024

/** The output of a client that the system has not taken yet, in order. */
export class OutputQueue {
  #parts: (ReplyPart | undefined)[] = []
  /** Position of the first part. */
  #first = 0
  /** How many bytes at the end of the last part are free for short pieces. */
  #blockRoom = 0
  #length = 0
  #referenced = 0
  #sourced = 0
  /** What the sources keep together. */
  readonly shared = new SharedMemory()

  get isEmpty(): boolean {
    return this.#first === this.#parts.length
  }

  /** How many bytes it holds; a source counts as its `length`. */
  get length(): number {
    return this.#length
  }

  /** How many bytes of memory it holds: its {@link length} without the values it refers to, and without what
   * sources share. */
  get ownLength(): number {
    return this.#length - this.#referenced
  }

  /** What the sources take, without what they keep together. */
  get sourceLength(): number {
    return this.#sourced
  }

  /** Adds a part at the end. @param part bytes that never change, if it is bytes */
  add(part: ReplyPart): void {
    if (Buffer.isBuffer(part) && part.length < MAX_BLOCK_BYTES) {
      this.#addCopy(part)
      return
    }
    this.#closeBlock()
    this.#push(part)
  }

  /** Takes the first part. The queue must not be empty. */
  shift(): ReplyPart {
    if (this.#first === this.#parts.length - 1) this.#closeBlock()
    const part = this.#parts[this.#first] as ReplyPart
    this.#parts[this.#first++] = undefined
    if (this.#first >= MAX_TAKEN_PLACES && 2 * this.#first > this.#parts.length) {
      this.#parts = this.#parts.slice(this.#first)
      this.#first = 0
    }
    this.#count(part, -1)
    return part
  }

  clear(): void {
    this.#parts = []
    this.#first = this.#blockRoom = this.#length = this.#referenced = this.#sourced = 0
    this.shared.clear()
  }

  #addCopy(bytes: Buffer): void {
    let copied = 0
    while (copied < bytes.length) {
      if (this.#blockRoom === 0) this.#openBlock(bytes.length - copied)
      const block = this.#parts[this.#parts.length - 1] as Buffer
      const count = bytes.copy(block, block.length - this.#blockRoom, copied)
      this.#blockRoom -= count
      copied += count
    }
    this.#length += bytes.length
  }

  #push(part: ReplyPart): void {
    this.#parts.push(part)
    this.#count(part, 1)
  }

  /** @param sign 1 for a part that is added, -1 for one that is taken */
  #count(part: ReplyPart, sign: 1 | -1): void {
    this.#length += sign * part.length
    if (part instanceof ValuePart) this.#referenced += sign * part.length
    else if (part instanceof SourcePart) {
      this.#sourced += sign * part.length
      if (sign > 0) this.shared.add(part.shared)
      else this.shared.remove(part.shared)
    }
  }

  #openBlock(needed: number): void {
    const length = Math.max(needed, MIN_BLOCK_BYTES, Math.min(this.ownLength, MAX_BLOCK_BYTES))
    this.#parts.push(Buffer.allocUnsafeSlow(length))
    this.#blockRoom = length
  }

  /** Cuts the block to the bytes that are used. */
  #closeBlock(): void {
    if (this.#blockRoom === 0) return
    const last = this.#parts.length - 1
    const block = this.#parts[last] as Buffer
    this.#parts[last] = block.subarray(0, block.length - this.#blockRoom)
    this.#blockRoom = 0
  }
}
