import { looseValues } from '../store/loose-values.ts'
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
import {
  cutParts,
  MIN_REFERENCED_BYTES,
  type Part,
  referredBytes,
  SourcePart,
  ValuePart,
  type Weighed,
} from './reply-parts.ts'
import { SharedMemory } from './shared-memory.ts'

/** A number that a reply can carry as an integer: a safe one, or any 64-bit one as a bigint. */
export type ReplyInteger = number | bigint

/**
 * Makes a reply, or the rest of one, while it is sent. It shows the state at the moment at which the
 * reply was asked for, so it keeps references to what it shows.
 */
export interface ReplySource extends Weighed {
  /**
   * Writes the next piece, of about `PIECE_BYTES`, within about a millisecond. It may write nothing,
   * if it has only prepared the next piece.
   *
   * @returns false after the last piece
   */
  next(reply: ReplyWriter): boolean
}

export type ReplyPart = Part<ReplySource>

/** Replies of this size are sent before the turn ends. A short one more fits into a Buffer of 256 KB, the longest in the pool. */
const EARLY_FLUSH_BYTES = 240 * 1024
/** The longest Buffer that is taken because the last turn needed as much, in bytes. */
const MAX_USUAL_BYTES = 64 * 1024
/** Bytes before a long value are copied if they are fewer, so that the Buffer can be used again. */
const MAX_COPIED_BYTES = 64 * 1024

const COLON = 58
const NOTHING = Buffer.alloc(0)
const OK = Buffer.from('+OK\r\n')
const NULL = { 2: Buffer.from('$-1\r\n'), 3: Buffer.from('_\r\n') }

/**
 * Writes replies in the protocol version that the connection has chosen.
 *
 * All replies of a turn go into one Buffer, which is then handed to the socket, because strings
 * would have to be joined here and encoded again by the socket. Long values are not copied, and long
 * replies are made as they are sent; each is a part of its own:
 *
 *     parts   bytes · long value · bytes · source     length: up to here
 *     buffer                                     bytes ▲      position: within the buffer
 */
export class ReplyWriter {
  /** The RESP version; HELLO changes it. */
  protocol: 2 | 3 = 2
  /** CLIENT REPLY OFF and SKIP: while true, nothing is appended. */
  muted = false
  /** The shortest length to which {@link rewind} has gone back since this was last set. */
  rewoundTo = Number.POSITIVE_INFINITY
  #buffer: Buffer = NOTHING
  /** Where in the buffer the next byte goes. */
  #length = 0
  /** The parts before the buffer; mostly absent, because the whole reply is in the buffer. */
  #parts: ReplyPart[] | undefined
  /** The length of the parts. */
  #partsLength = 0
  /** The length of the values among them, which are only referred to. */
  #referenced = 0
  /** Whether a source is among them. */
  #hasSource = false
  /** What the sources keep together; absent while there is none. */
  #shared: SharedMemory | undefined
  /** Its length when it was last emptied: the next turn is likely to need as much. */
  #usual = 0

  /** How many bytes it holds; a source counts as its {@link SourcePart.length}. */
  get length(): number {
    return this.#partsLength + this.#length
  }

  /** How many bytes of memory it holds: without the values it refers to, but with what sources share. */
  get ownLength(): number {
    return this.length - this.#referenced + this.sharedBytes
  }

  /** Memory that its sources keep together, in bytes, about. */
  get sharedBytes(): number {
    return this.#shared?.bytes ?? 0
  }

  /** Whether some of it is still to be made. */
  get hasSource(): boolean {
    return this.#hasSource
  }

  /** Whether it is to be sent before the turn ends: a reply that is made as it is sent, at once. */
  get isDue(): boolean {
    return this.#hasSource || this.length >= EARLY_FLUSH_BYTES
  }

  /** Where in {@link room} the next byte goes. */
  get position(): number {
    return this.#length
  }

  /** Whether all of it is in {@link bytes}. */
  get isPlain(): boolean {
    return this.#parts === undefined
  }

  /** What stands before {@link bytes}. */
  get parts(): readonly ReplyPart[] {
    return this.#parts ?? []
  }

  /** Its bytes after the last long value or source, valid until the next write. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** The Buffer that begins with {@link bytes}. */
  get memory(): Buffer {
    return this.#buffer
  }

  /** Goes back to an earlier length, and so undoes what was written since. */
  rewind(length: number): void {
    if (length < this.rewoundTo) this.rewoundTo = length
    if (length >= this.#partsLength) {
      this.#length = length - this.#partsLength
      return
    }
    const parts = cutParts(this.#parts ?? [], 0, length)
    this.#length = 0
    this.#dropParts()
    for (const part of parts) this.#addPart(part)
  }

  /** Empties the writer and reuses its memory: nobody may read its {@link bytes} any more. */
  clear(): void {
    this.#usual = Math.min(this.#length, MAX_USUAL_BYTES)
    this.#length = 0
    this.#dropParts()
    giveBuffer(this.#buffer)
    this.#buffer = NOTHING
  }

  /** Empties the writer and leaves its memory to the reader of its {@link bytes}. */
  handOver(): void {
    this.#usual = Math.min(this.#length, MAX_USUAL_BYTES)
    this.#length = 0
    this.#dropParts()
    this.#buffer = NOTHING
  }

  /** Empties the writer into parts, which nobody changes any more. */
  takeParts(): ReplyPart[] {
    this.#seal()
    const parts = this.#parts ?? []
    this.#dropParts()
    return parts
  }

  /** A reply, or the rest of one, that is made as it is sent. */
  produce(source: ReplySource): void {
    if (!this.muted) this.appendSource(source)
  }

  /** Like {@link produce}, for what is not a reply and so is never muted. */
  appendSource(source: ReplySource): void {
    this.#seal()
    this.#addPart(new SourcePart(source, this.protocol))
  }

  /**
   * Makes room for bytes. The caller puts them at {@link position}, and then calls {@link wrote}.
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

  /** A long value is not copied. */
  bulk(value: Value): void {
    if (this.muted) return
    if (typeof value !== 'string' || value.length >= MIN_REFERENCED_BYTES) {
      this.#long(value)
      return
    }
    const buffer = this.room(value.length + BULK_OVERHEAD)
    this.#length = putBulk(buffer, this.#length, value)
  }

  bulkOrNull(value: Value | null): void {
    if (value === null) this.null()
    else this.bulk(value)
  }

  /** Like {@link bulkOrNull}, for a value that the tree has no more, or never had. */
  looseBulkOrNull(value: Value | null): void {
    this.bulkOrNull(value)
    if (value !== null && !this.muted) noteLoose(value)
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
    if (!this.muted) this.#line('-', text.replace(/[\r\n]/g, ' '))
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
    this.verbatimHeader(format, s.length)
    this.raw(s)
    this.raw('\r\n')
  }

  /** What stands before a verbatim string of this length, which `\r\n` follows. */
  verbatimHeader(format: 'txt' | 'mkd', length: number): void {
    this.raw(this.protocol === 3 ? `=${length + 4}\r\n${format}:` : `$${length}\r\n`)
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

  /** Bytes that are not a reply and so are never muted, such as messages; they never change. */
  append(bytes: Uint8Array): void {
    if (bytes.length >= MIN_REFERENCED_BYTES && Buffer.isBuffer(bytes)) {
      this.#seal()
      this.#addPart(bytes)
      return
    }
    this.#length = putBytes(this.room(bytes.length), this.#length, bytes)
  }

  /** A bulk string in bytes, or a long one: referred to if it is long. */
  #long(value: Value): void {
    this.#header('$', value.length)
    if (value.length >= MIN_REFERENCED_BYTES) {
      this.#seal()
      this.#addPart(new ValuePart(value))
    } else {
      this.append(value as Buffer)
    }
    this.#length = putEnd(this.room(2), this.#length)
  }

  /** Turns the bytes in the buffer into a part. */
  #seal(): void {
    if (this.#length === 0) return
    const { bytes } = this
    this.#length = 0
    if (bytes.length <= MAX_COPIED_BYTES) {
      this.#addPart(Buffer.from(bytes))
      return
    }
    this.#addPart(bytes)
    this.#buffer = NOTHING
  }

  #addPart(part: ReplyPart): void {
    this.#parts ??= []
    this.#parts.push(part)
    this.#partsLength += part.length
    this.#referenced += referredBytes(part)
    if (part instanceof SourcePart) {
      this.#hasSource = true
      this.#shared ??= new SharedMemory()
      this.#shared.add(part.shared)
    }
  }

  #dropParts(): void {
    if (this.#parts === undefined) return
    this.#parts = undefined
    this.#partsLength = this.#referenced = 0
    this.#hasSource = false
    this.#shared = undefined
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

/** Counts a value that a reply refers to, and the tree does not have. */
export function noteLoose({ length }: Value): void {
  if (length >= MIN_REFERENCED_BYTES) looseValues.add(length)
}

/** Spells infinities and NaN as Redis does. */
function formatDouble(x: number): string {
  if (Number.isNaN(x)) return 'nan'
  if (x === Number.POSITIVE_INFINITY) return 'inf'
  if (x === Number.NEGATIVE_INFINITY) return '-inf'
  return Object.is(x, -0) ? '-0' : String(x)
}
