import { digitsOf, MAX_SMALL, putCopy, putDigits, putText } from '../../resp/byte-encoding.ts'
import {
  CREATED_INDEX,
  FILE,
  INDEX,
  MODIFIED_INDEX,
  type PlainFile,
  PREV_NODE,
  VALUE,
} from './event-fields.ts'

/** A longer reply is not remembered, in bytes. */
const LONGEST = 1024
/** The length of the end of a line, in bytes. */
const LINE_END = 2
/** For indexes with more digits than are remembered. Negative also times 256, with some added. */
const TOO_MANY = -(2 ** 16)

/** So many shapes of replies are remembered side by side: 2 to the power of this. */
const TEMPLATE_BITS = 4
/** 2^32 divided by the golden ratio: spreads numbers that lie close together (Knuth). */
const SPREAD = 0x9e3779b1

export function newTemplates(): readonly EventTemplate[] {
  return Array.from({ length: 2 ** TEMPLATE_BITS }, () => new EventTemplate())
}

/** Which of them a reply has: old and new indexes differ in their digits, and come in turn. */
export function templateFor(digits: number, valueLength: number): number {
  return Math.imul(digits + valueLength, SPREAD) >>> (32 - TEMPLATE_BITS)
}

/**
 * The last reply of a shape to an event about a plain file. The next one differs in nothing but its key,
 * its values and its indexes, and these are as long as the last time: then copying the whole
 * and putting those in their places takes half the time of putting it together.
 */
export class EventTemplate {
  readonly #memory = Buffer.alloc(LONGEST)
  #bytes = this.#memory.subarray(0, 0)
  /** What the reply begins with: it tells action and protocol. */
  #head: Buffer | undefined
  #keyLength = 0
  #valueLength = 0
  /** -1 without a previous node. */
  #beforeLength = -1
  /** How many digits the indexes have. */
  #digits = 0
  // Where in the bytes what differs begins; of indexes, where they end.
  #keyAt = 0
  #valueAt = 0
  #modifiedEnd = 0
  #createdEnd = 0
  #keyBeforeAt = 0
  #valueBeforeAt = 0
  #modifiedBeforeEnd = 0
  #createdBeforeEnd = 0
  #indexEnd = 0

  /**
   * How long the reply is, if it has the shape of the last one; otherwise 0.
   *
   * @param beforeLength of the value before, -1 without one
   * @param digits what {@link digitsIn} tells of all its indexes
   */
  lengthFor(
    head: Buffer,
    keyLength: number,
    valueLength: number,
    beforeLength: number,
    digits: number,
  ): number {
    const fits =
      head === this.#head &&
      keyLength === this.#keyLength &&
      valueLength === this.#valueLength &&
      beforeLength === this.#beforeLength &&
      digits === this.#digits
    return fits ? this.#bytes.length : 0
  }

  /**
   * Puts a reply without a node before, for which {@link lengthFor} has found the length.
   *
   * @returns where it ends
   */
  put(
    buffer: Buffer,
    at: number,
    key: string,
    value: string,
    modifiedIndex: number,
    createdIndex: number,
    index: number,
  ): number {
    buffer.set(this.#bytes, at)
    putText(buffer, at + this.#keyAt, key)
    putText(buffer, at + this.#valueAt, value)
    const modifiedEnd = at + this.#modifiedEnd
    putIndex(buffer, modifiedEnd, modifiedIndex)
    putIndexLike(buffer, at + this.#createdEnd, createdIndex, modifiedEnd, modifiedIndex)
    putIndexLike(buffer, at + this.#indexEnd, index, modifiedEnd, modifiedIndex)
    return at + this.#bytes.length
  }

  /** Puts what tells of the node before into a reply that {@link put} has put. */
  putBefore(
    buffer: Buffer,
    at: number,
    value: string,
    modifiedIndex: number,
    createdIndex: number,
  ): void {
    const keyAt = at + this.#keyAt
    putCopy(buffer, at + this.#keyBeforeAt, keyAt, keyAt + this.#keyLength)
    putText(buffer, at + this.#valueBeforeAt, value)
    const modifiedEnd = at + this.#modifiedBeforeEnd
    putIndex(buffer, modifiedEnd, modifiedIndex)
    putIndexLike(buffer, at + this.#createdBeforeEnd, createdIndex, modifiedEnd, modifiedIndex)
  }

  /** Remembers a reply. @param bytes all of it */
  learn(
    bytes: Buffer,
    protocol: 2 | 3,
    head: Buffer,
    node: PlainFile,
    before: PlainFile | undefined,
    index: number,
  ): void {
    const digits = allDigits(node, before, index)
    if (bytes.length > LONGEST || digits < 0) return
    this.#head = head
    this.#keyLength = node.key.length
    this.#valueLength = node.value.length
    this.#beforeLength = before === undefined ? -1 : before.value.length
    this.#digits = digits
    this.#bytes = this.#memory.subarray(0, bytes.length)
    this.#bytes.set(bytes)
    const keyAt = 1 + digitsOf(node.key.length) + LINE_END
    this.#keyAt = head.length + FILE[protocol].length + keyAt
    this.#valueAt = valueAt(this.#keyAt, node)
    this.#modifiedEnd = modifiedEnd(this.#valueAt, node)
    this.#createdEnd = createdEnd(this.#modifiedEnd, node)
    let end = this.#createdEnd
    if (before !== undefined) {
      this.#keyBeforeAt = end + LINE_END + PREV_NODE.length + FILE[protocol].length + keyAt
      this.#valueBeforeAt = valueAt(this.#keyBeforeAt, before)
      this.#modifiedBeforeEnd = modifiedEnd(this.#valueBeforeAt, before)
      end = this.#createdBeforeEnd = createdEnd(this.#modifiedBeforeEnd, before)
    }
    this.#indexEnd = end + LINE_END + INDEX.length + digitsOf(index)
  }
}

/** {@link digitsIn} and, with a node before, {@link digitsWithBefore}. */
export function allDigits(node: PlainFile, before: PlainFile | undefined, index: number): number {
  const digits = digitsIn(index, node.modifiedIndex, node.createdIndex)
  if (before === undefined) return digits
  return digitsWithBefore(digits, before.modifiedIndex, before.createdIndex)
}

/** How many digits each index has, in one number; negative if one is too large for it. */
export function digitsIn(index: number, modifiedIndex: number, createdIndex: number): number {
  if (index >= MAX_SMALL || modifiedIndex >= MAX_SMALL || createdIndex >= MAX_SMALL) return TOO_MANY
  return (digitsOf(index) * 16 + digitsOf(modifiedIndex)) * 16 + digitsOf(createdIndex)
}

/** The same with those of a node before. @param digits of the others */
export function digitsWithBefore(
  digits: number,
  modifiedIndex: number,
  createdIndex: number,
): number {
  if (modifiedIndex >= MAX_SMALL || createdIndex >= MAX_SMALL) return TOO_MANY
  return digits * 256 + digitsOf(modifiedIndex) * 16 + digitsOf(createdIndex)
}

function valueAt(keyAt: number, { key, value }: PlainFile): number {
  return keyAt + key.length + LINE_END + VALUE.length + 1 + digitsOf(value.length) + LINE_END
}

function modifiedEnd(at: number, { value, modifiedIndex }: PlainFile): number {
  return at + value.length + LINE_END + MODIFIED_INDEX.length + digitsOf(modifiedIndex)
}

function createdEnd(at: number, { createdIndex }: PlainFile): number {
  return at + LINE_END + CREATED_INDEX.length + digitsOf(createdIndex)
}

/** In the place of one that has as many digits. */
function putIndex(buffer: Buffer, end: number, index: number): void {
  putDigits(buffer, end - digitsOf(index), end, index)
}

/** {@link putIndex} where another one is there already: mostly it is the same, and copied. */
function putIndexLike(
  buffer: Buffer,
  end: number,
  index: number,
  otherEnd: number,
  other: number,
): void {
  if (index !== other) {
    putIndex(buffer, end, index)
    return
  }
  const length = digitsOf(index)
  putCopy(buffer, end - length, otherEnd - length, otherEnd)
}
