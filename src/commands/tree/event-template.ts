/*
 * Problem: replies with plain files differ only in keys, values and indexes, yet encoding one field
 * by field writes all names and lengths again.
 *
 * Trick: keep the last reply of each shape (action, protocol, lengths of the key and the values,
 * digits of the indexes), copy it whole, and overwrite only what may differ:
 *
 *     last reply   ... $3 key $4 /job $5 value $2 v1 $13 modifiedIndex :41 $12 createdIndex :41 $5 index :41
 *     next reply   ... $3 key $4 /run $5 value $2 v2 $13 modifiedIndex :42 $12 createdIndex :42 $5 index :42
 *     overwritten                ^^^^          ^^                       ^^                   ^^           ^^
 *
 * Price: 1 KiB for each template, and a second way to write a reply, which must give the same bytes as
 * the first one (test/commands/tree/event-reply.test.ts compares them).
 * Gain: without them KGET and KSET in pipelines of 16 take a fifth more processor time
 * (bench/HISTORY.md).
 * Can be deleted by writing every reply with `writeAny` (event-reply.ts).
 */

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

/** Longer replies are not remembered. */
const MAX_REPLY_BYTES = 1024
const CRLF_BYTES = 2
/** The digits of an index that is too large; {@link digitsWithBefore} keeps the number negative. */
const TOO_LARGE = -(2 ** 16)

/** Shapes remembered side by side, as a power of two. */
const TEMPLATE_BITS = 4
/** 2^32 divided by the golden ratio, which spreads numbers that lie close together (Knuth). */
const SPREAD = 0x9e3779b1

/** Templates for one kind of event, to be chosen from with {@link templateFor}. */
export function newTemplates(): readonly EventTemplate[] {
  return Array.from({ length: 2 ** TEMPLATE_BITS }, () => new EventTemplate())
}

/**
 * Which of the templates a reply uses. They are several because replies with short and with long
 * indexes alternate: one template would be learned anew each time.
 *
 * @param digits from {@link allDigits}
 */
export function templateFor(digits: number, valueLength: number): number {
  return Math.imul(digits + valueLength, SPREAD) >>> (32 - TEMPLATE_BITS)
}

/** The last reply of one shape, and where its key, values and indexes lie. */
export class EventTemplate {
  readonly #memory = Buffer.alloc(MAX_REPLY_BYTES)
  #bytes = this.#memory.subarray(0, 0)
  /** The reply's start, which stands for its action and protocol. */
  #head: Buffer | undefined
  #keyLength = 0
  #valueLength = 0
  /** The length of the previous node's value; -1 without a previous node. */
  #beforeLength = -1
  /** The digits of all indexes, from {@link allDigits}. */
  #digits = 0
  // Where in the bytes keys and values begin, and where indexes end.
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
   * The reply's length in bytes if it has the shape of the last one; otherwise 0.
   *
   * @param beforeLength the length of the previous node's value; -1 without a previous node
   * @param digits from {@link digitsIn} or {@link digitsWithBefore}
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
   * Puts a reply for which {@link lengthFor} is not 0, all but its previous node.
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

  /** Adds the previous node to a reply that {@link put} has put at `at`. */
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

  /** Remembers a reply, unless it is too long. @param bytes the whole reply */
  learn(
    bytes: Buffer,
    protocol: 2 | 3,
    head: Buffer,
    node: PlainFile,
    before: PlainFile | undefined,
    index: number,
  ): void {
    const digits = allDigits(node, before, index)
    if (bytes.length > MAX_REPLY_BYTES || digits < 0) return
    this.#head = head
    this.#keyLength = node.key.length
    this.#valueLength = node.value.length
    this.#beforeLength = before === undefined ? -1 : before.value.length
    this.#digits = digits
    this.#bytes = this.#memory.subarray(0, bytes.length)
    this.#bytes.set(bytes)
    const keyAt = 1 + digitsOf(node.key.length) + CRLF_BYTES
    this.#keyAt = head.length + FILE[protocol].length + keyAt
    this.#valueAt = valueAt(this.#keyAt, node)
    this.#modifiedEnd = modifiedEnd(this.#valueAt, node)
    this.#createdEnd = createdEnd(this.#modifiedEnd, node)
    let end = this.#createdEnd
    if (before !== undefined) {
      this.#keyBeforeAt = end + CRLF_BYTES + PREV_NODE.length + FILE[protocol].length + keyAt
      this.#valueBeforeAt = valueAt(this.#keyBeforeAt, before)
      this.#modifiedBeforeEnd = modifiedEnd(this.#valueBeforeAt, before)
      end = this.#createdBeforeEnd = createdEnd(this.#modifiedBeforeEnd, before)
    }
    this.#indexEnd = end + CRLF_BYTES + INDEX.length + digitsOf(index)
  }
}

/** {@link digitsIn} for a file alone, {@link digitsWithBefore} for a file with a previous node. */
export function allDigits(node: PlainFile, before: PlainFile | undefined, index: number): number {
  const digits = digitsIn(index, node.modifiedIndex, node.createdIndex)
  if (before === undefined) return digits
  return digitsWithBefore(digits, before.modifiedIndex, before.createdIndex)
}

/** How many digits each index has, packed into one number; negative if an index is too large. */
export function digitsIn(index: number, modifiedIndex: number, createdIndex: number): number {
  if (index >= MAX_SMALL || modifiedIndex >= MAX_SMALL || createdIndex >= MAX_SMALL)
    return TOO_LARGE
  return (digitsOf(index) * 16 + digitsOf(modifiedIndex)) * 16 + digitsOf(createdIndex)
}

/** Adds the indexes of the previous node to what {@link digitsIn} returns. */
export function digitsWithBefore(
  digits: number,
  modifiedIndex: number,
  createdIndex: number,
): number {
  if (modifiedIndex >= MAX_SMALL || createdIndex >= MAX_SMALL) return TOO_LARGE
  return digits * 256 + digitsOf(modifiedIndex) * 16 + digitsOf(createdIndex)
}

function valueAt(keyAt: number, { key, value }: PlainFile): number {
  return keyAt + key.length + CRLF_BYTES + VALUE.length + 1 + digitsOf(value.length) + CRLF_BYTES
}

function modifiedEnd(at: number, { value, modifiedIndex }: PlainFile): number {
  return at + value.length + CRLF_BYTES + MODIFIED_INDEX.length + digitsOf(modifiedIndex)
}

function createdEnd(at: number, { createdIndex }: PlainFile): number {
  return at + CRLF_BYTES + CREATED_INDEX.length + digitsOf(createdIndex)
}

/** Overwrites an index that has as many digits. @param end where its digits end */
function putIndex(buffer: Buffer, end: number, index: number): void {
  putDigits(buffer, end - digitsOf(index), end, index)
}

/** Like {@link putIndex}, but copies the digits of another index where both are equal, as most are. */
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
