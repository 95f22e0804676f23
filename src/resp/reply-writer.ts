import {
  encodeArrayHeader,
  encodeBulk,
  encodeHeader,
  encodeInteger,
  encodePushHeader,
} from './reply-encoding.ts'

/** A number a reply can carry as an integer: a safe integer, or any 64-bit one as a bigint. */
export type ReplyInteger = number | bigint

/**
 * Writes replies in the protocol version that the connection has chosen.
 *
 * Everything is appended to one binary string, which the server takes and writes once a burst:
 * gluing strings costs less than copying each reply into a Buffer.
 */
export class ReplyWriter {
  /** The RESP version; HELLO changes it. */
  protocol: 2 | 3 = 2
  /** CLIENT REPLY OFF and SKIP: while true, nothing is appended. */
  muted = false
  /** The bytes not yet taken, as a binary string. */
  out = ''

  /** Takes the bytes written since the last time. */
  take(): string {
    const out = this.out
    this.out = ''
    return out
  }

  /** A status. @param text without CR and LF */
  simple(text: string): void {
    this.raw(`+${text}\r\n`)
  }

  ok(): void {
    this.raw('+OK\r\n')
  }

  /** @param s a binary string */
  bulk(s: string): void {
    if (!this.muted) this.out += encodeBulk(s)
  }

  bulkOrNull(s: string | null): void {
    if (s === null) this.null()
    else this.bulk(s)
  }

  integer(n: ReplyInteger): void {
    if (!this.muted) this.out += encodeInteger(n)
  }

  /**
   * An error. CR and LF become spaces, as in Redis, so that what a client sent may be part of it.
   *
   * @param text the code and the message, without the leading `-`
   */
  error(text: string): void {
    this.raw(`-${text.replace(/[\r\n]/g, ' ')}\r\n`)
  }

  null(): void {
    this.raw(this.protocol === 3 ? '_\r\n' : '$-1\r\n')
  }

  /** The null of commands that otherwise reply with an array. */
  nullArray(): void {
    this.raw(this.protocol === 3 ? '_\r\n' : '*-1\r\n')
  }

  /** The header of an array. @param n its elements, which follow */
  array(n: number): void {
    if (!this.muted) this.out += encodeArrayHeader(n)
  }

  /** The header of a map. @param n its pairs, which follow, name first */
  map(n: number): void {
    this.raw(this.protocol === 3 ? encodeHeader('%', n) : encodeArrayHeader(2 * n))
  }

  /** The header of a set. @param n its elements, which follow */
  set(n: number): void {
    this.raw(this.protocol === 3 ? encodeHeader('~', n) : encodeArrayHeader(n))
  }

  /** The header of a push, in RESP2 of an array. @param n its elements, which follow */
  push(n: number): void {
    this.raw(this.protocol === 3 ? encodePushHeader(n) : encodeArrayHeader(n))
  }

  boolean(b: boolean): void {
    if (this.protocol === 3) this.raw(b ? '#t\r\n' : '#f\r\n')
    else this.integer(b ? 1 : 0)
  }

  double(x: number): void {
    const text = formatDouble(x)
    if (this.protocol === 3) this.raw(`,${text}\r\n`)
    else this.bulk(text)
  }

  /** Text for people, in RESP2 a bulk string. */
  verbatim(format: 'txt' | 'mkd', s: string): void {
    if (this.protocol === 3) this.raw(`${encodeHeader('=', s.length + 4)}${format}:${s}\r\n`)
    else this.bulk(s)
  }

  /** An integer of any size, in RESP2 a bulk string. */
  bigNumber(n: bigint): void {
    if (this.protocol === 3) this.raw(`(${n}\r\n`)
    else this.bulk(n.toString())
  }

  /** A reply that is encoded already. */
  raw(s: string): void {
    if (!this.muted) this.out += s
  }
}

/** Redis's words for the numbers that have no digits. */
function formatDouble(x: number): string {
  if (Number.isNaN(x)) return 'nan'
  if (x === Number.POSITIVE_INFINITY) return 'inf'
  if (x === Number.NEGATIVE_INFINITY) return '-inf'
  return Object.is(x, -0) ? '-0' : String(x)
}
