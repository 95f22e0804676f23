import type { Pieces } from '../store/pieces.ts'
import type { Value } from '../store/value.ts'
import { giveBuffer, takeBuffer } from './buffer-pool.ts'
import {
  BULK_OVERHEAD,
  INTEGER_LENGTH,
  putBulk,
  putBytes,
  putEnd,
  putNumber,
  putText,
} from './byte-encoding.ts'

/** A number that a reply can carry as an integer: a safe one, or any 64-bit one as a bigint. */
export type ReplyInteger = number | bigint

/** The longest Buffer that is taken because the last turn needed as much, in bytes. */
const MAX_USUAL_BYTES = 64 * 1024

const COLON = 58
const NOTHING = Buffer.alloc(0)
const OK = Buffer.from('+OK\r\n')
const NULL = { 2: Buffer.from('$-1\r\n'), 3: Buffer.from('_\r\n') }

/**
 * Writes replies in the protocol version that the connection has chosen.
 *
 * All replies of a turn go into one Buffer, which is then handed to the socket, because strings
 * would have to be joined here and encoded again by the socket.
 */
export class ReplyWriter {
  /** The RESP version; HELLO changes it. */
  protocol: 2 | 3 = 2
  /** CLIENT REPLY OFF and SKIP: while true, nothing is appended. */
  muted = false
  #buffer: Buffer = NOTHING
  #length = 0
  /** Its length when it was last emptied: the next turn is likely to need as much. */
  #usual = 0

  /** How many bytes it holds. */
  get length(): number {
    return this.#length
  }

  /** Its bytes, valid until the next write. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** The Buffer that begins with {@link bytes}. */
  get memory(): Buffer {
    return this.#buffer
  }

  /** Goes back to an earlier length, and so undoes what was written since. */
  rewind(length: number): void {
    this.#length = length
  }

  /** Empties the writer and reuses its memory: nobody may read its {@link bytes} any more. */
  clear(): void {
    this.#usual = Math.min(this.#length, MAX_USUAL_BYTES)
    this.#length = 0
    giveBuffer(this.#buffer)
    this.#buffer = NOTHING
  }

  /** Empties the writer and leaves its memory to the reader of its {@link bytes}. */
  handOver(): void {
    this.#usual = Math.min(this.#length, MAX_USUAL_BYTES)
    this.#length = 0
    this.#buffer = NOTHING
  }

  /**
   * Makes room for bytes. The caller puts them at {@link length}, and then calls {@link wrote}.
   *
   * @param count the most bytes that the caller puts
   */
  room(count: number): Buffer {
    const needed = this.#length + count
    return needed <= this.#buffer.length ? this.#buffer : this.#grow(needed)
  }

  /** @param end the position after the caller's bytes */
  wrote(end: number): void {
    this.#length = end
  }

  /** A status. @param text without CR and LF */
  simple(text: string): void {
    this.#line('+', text)
  }

  ok(): void {
    this.encoded(OK)
  }

  bulk(value: Value): void {
    if (this.muted) return
    const buffer = this.room(value.length + BULK_OVERHEAD)
    this.#length = putBulk(buffer, this.#length, value)
  }

  /** A bulk string in pieces. */
  bulkOf(pieces: Pieces): void {
    if (this.muted) return
    this.#header('$', pieces.length)
    for (const piece of pieces) this.append(piece)
    this.raw('\r\n')
  }

  bulkOrNull(value: Value | null): void {
    if (value === null) this.null()
    else this.bulk(value)
  }

  integer(n: ReplyInteger): void {
    if (this.muted) return
    if (typeof n === 'bigint' || n < 0 || !Number.isInteger(n)) {
      this.#line(':', String(n))
      return
    }
    const buffer = this.room(INTEGER_LENGTH)
    buffer[this.#length] = COLON
    this.#length = putNumber(buffer, this.#length + 1, n)
  }

  /**
   * An error, which may quote a client's text: CR and LF become spaces, as in Redis.
   *
   * @param text the code and the message, without the leading `-`
   */
  error(text: string): void {
    this.#line('-', text.replace(/[\r\n]/g, ' '))
  }

  null(): void {
    this.encoded(NULL[this.protocol])
  }

  /** The null of commands that otherwise reply with an array. */
  nullArray(): void {
    this.raw(this.protocol === 3 ? '_\r\n' : '*-1\r\n')
  }

  /** The header of an array. @param n its elements, which follow */
  array(n: number): void {
    this.#header('*', n)
  }

  /** The header of a map. @param n its pairs, which follow, name first */
  map(n: number): void {
    if (this.protocol === 3) this.#header('%', n)
    else this.#header('*', 2 * n)
  }

  /** The header of a set. @param n its elements, which follow */
  set(n: number): void {
    this.#header(this.protocol === 3 ? '~' : '*', n)
  }

  /** The header of a push; in RESP2, of an array. @param n its elements, which follow */
  push(n: number): void {
    this.#header(this.protocol === 3 ? '>' : '*', n)
  }

  boolean(b: boolean): void {
    if (this.protocol === 3) this.raw(b ? '#t\r\n' : '#f\r\n')
    else this.integer(b ? 1 : 0)
  }

  double(x: number): void {
    const text = formatDouble(x)
    if (this.protocol === 3) this.#line(',', text)
    else this.bulk(text)
  }

  /** Text for people; in RESP2, a bulk string. */
  verbatim(format: 'txt' | 'mkd', s: string): void {
    if (this.protocol === 3) this.raw(`=${s.length + 4}\r\n${format}:${s}\r\n`)
    else this.bulk(s)
  }

  /** An integer of any size; in RESP2, a bulk string. */
  bigNumber(n: bigint): void {
    if (this.protocol === 3) this.#line('(', n.toString())
    else this.bulk(n.toString())
  }

  /** An encoded reply or a part of one. @param s a binary string */
  raw(s: string): void {
    if (this.muted) return
    this.#length = putText(this.room(s.length), this.#length, s)
  }

  /** An encoded reply or a part of one, in bytes. */
  encoded(bytes: Uint8Array): void {
    if (!this.muted) this.append(bytes)
  }

  /** Bytes that are not a reply and so are never muted, such as messages. */
  append(bytes: Uint8Array): void {
    this.#length = putBytes(this.room(bytes.length), this.#length, bytes)
  }

  #header(type: string, n: number): void {
    if (this.muted) return
    const buffer = this.room(INTEGER_LENGTH)
    buffer[this.#length] = type.charCodeAt(0)
    this.#length = putNumber(buffer, this.#length + 1, n)
  }

  #line(type: string, text: string): void {
    if (this.muted) return
    const buffer = this.room(text.length + 3)
    buffer[this.#length] = type.charCodeAt(0)
    this.#length = putEnd(buffer, putText(buffer, this.#length + 1, text))
  }

  #grow(needed: number): Buffer {
    const grown = takeBuffer(this.#length === 0 ? Math.max(needed, this.#usual) : needed)
    this.#buffer.copy(grown, 0, 0, this.#length)
    giveBuffer(this.#buffer)
    this.#buffer = grown
    return grown
  }
}

/** Spells infinities and NaN as Redis does. */
function formatDouble(x: number): string {
  if (Number.isNaN(x)) return 'nan'
  if (x === Number.POSITIVE_INFINITY) return 'inf'
  if (x === Number.NEGATIVE_INFINITY) return '-inf'
  return Object.is(x, -0) ? '-0' : String(x)
}
