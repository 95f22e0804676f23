import { referredBytes, SourcePart } from '../resp/reply-parts.ts'
import type { ReplyPart, ReplySource } from '../resp/reply-writer.ts'
import { SharedMemory } from '../resp/shared-memory.ts'
import { NEVER, type References } from '../store/loose-values.ts'

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
  /** The block that short pieces go into. Several parts may be in one, if there are long ones in between. */
  #block: Buffer | undefined
  /** Which bytes of the block belong to the last part, if that is open. */
  #blockStart = 0
  #blockEnd = 0
  /** Whether the last part is bytes of the block that is not cut yet, so that more may follow. */
  #isOpen = false
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

  /** When the oldest part was made that refers to values, on the scale of `looseValues`. */
  get refersSince(): number {
    for (let i = this.#first; i < this.#parts.length; i++) {
      const part = this.#parts[i]
      if (part !== undefined && !Buffer.isBuffer(part)) return part.mark
    }
    return NEVER
  }

  /** How many bytes the parts have that are values. */
  get referencedLength(): number {
    return this.#referenced
  }

  /** Adds what its sources refer to. */
  addReferences(to: Set<References>): void {
    for (let i = this.#first; i < this.#parts.length; i++) {
      const part = this.#parts[i]
      if (part instanceof SourcePart) addReferences(to, part.source)
    }
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
    if (this.isEmpty) this.#block = undefined
    return part
  }

  clear(): void {
    this.#parts = []
    this.#block = undefined
    this.#isOpen = false
    this.#first = this.#length = this.#referenced = this.#sourced = 0
    this.shared.clear()
  }

  #addCopy(bytes: Buffer): void {
    let copied = 0
    while (copied < bytes.length) {
      const block = this.#isOpen ? (this.#block as Buffer) : this.#openBlock(bytes.length - copied)
      const count = bytes.copy(block, this.#blockEnd, copied)
      this.#blockEnd += count
      copied += count
      if (this.#blockEnd === block.length) this.#closeBlock()
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
    this.#referenced += sign * referredBytes(part)
    if (part instanceof SourcePart) {
      this.#sourced += sign * part.length
      if (sign > 0) this.shared.add(part.shared)
      else this.shared.remove(part.shared)
    }
  }

  /** Begins a part in what is left of the block, or in a new one. */
  #openBlock(needed: number): Buffer {
    if (this.#block === undefined || this.#blockEnd === this.#block.length) {
      const own = Math.min(this.ownLength, MAX_BLOCK_BYTES)
      this.#block = Buffer.allocUnsafeSlow(Math.max(needed, MIN_BLOCK_BYTES, own))
      this.#blockEnd = 0
    }
    this.#blockStart = this.#blockEnd
    this.#isOpen = true
    this.#parts.push(this.#block)
    return this.#block
  }

  /** Cuts the last part to the bytes that are used. */
  #closeBlock(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    const block = this.#block as Buffer
    this.#parts[this.#parts.length - 1] = block.subarray(this.#blockStart, this.#blockEnd)
  }
}

/** Adds what a source refers to. */
export function addReferences(to: Set<References>, { references }: ReplySource): void {
  if (references !== undefined) to.add(references)
}
