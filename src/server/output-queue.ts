import { ValuePart } from '../resp/reply-parts.ts'
import type { ReplyPart } from '../resp/reply-writer.ts'

/** Short pieces are gathered in blocks of this length, because each object takes memory of its own. */
const BLOCK_BYTES = 16 * 1024
/** Places of parts that have been taken are given back when there are this many. */
const MAX_TAKEN_PLACES = 1024

/** The output of a client that the system has not taken yet, in order. */
export class OutputQueue {
  #parts: (ReplyPart | undefined)[] = []
  /** Position of the first part. */
  #first = 0
  /** How many bytes of the last part are used, while short pieces are added to it; 0 if none are. */
  #blockLength = 0
  #length = 0
  #referenced = 0

  get isEmpty(): boolean {
    return this.#first === this.#parts.length
  }

  /** How many bytes it holds; a source counts as its `length`. */
  get length(): number {
    return this.#length
  }

  /** How many bytes of memory it holds: its {@link length} without the values it refers to. */
  get ownLength(): number {
    return this.#length - this.#referenced
  }

  /** Adds a part at the end. @param part bytes that never change, if it is bytes */
  add(part: ReplyPart): void {
    if (Buffer.isBuffer(part) && part.length < BLOCK_BYTES) {
      this.addCopy(part)
      return
    }
    this.#closeBlock()
    this.#push(part)
  }

  /** Adds a copy of bytes at the end. */
  addCopy(bytes: Buffer): void {
    if (bytes.length >= BLOCK_BYTES) {
      this.add(Buffer.from(bytes))
      return
    }
    if (this.#blockLength + bytes.length > BLOCK_BYTES) this.#closeBlock()
    if (this.#blockLength === 0) this.#parts.push(Buffer.allocUnsafeSlow(BLOCK_BYTES))
    bytes.copy(this.#parts.at(-1) as Buffer, this.#blockLength)
    this.#blockLength += bytes.length
    this.#length += bytes.length
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
    this.#first = this.#blockLength = this.#length = this.#referenced = 0
  }

  #push(part: ReplyPart): void {
    this.#parts.push(part)
    this.#count(part, 1)
  }

  /** @param sign 1 for a part that is added, -1 for one that is taken */
  #count(part: ReplyPart, sign: 1 | -1): void {
    this.#length += sign * part.length
    if (part instanceof ValuePart) this.#referenced += sign * part.length
  }

  /** Cuts the block to the bytes that are used. */
  #closeBlock(): void {
    if (this.#blockLength === 0) return
    const last = this.#parts.length - 1
    this.#parts[last] = (this.#parts[last] as Buffer).subarray(0, this.#blockLength)
    this.#blockLength = 0
  }
}
