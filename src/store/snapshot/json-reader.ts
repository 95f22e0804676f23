/*
 * Problem: JSON.parse makes an object of each node of a saved state, and keeps all of them until it ends: several
 * times the memory that the tree itself takes, so that a node of a group could not start with what it had saved.
 *
 * Trick: the document is gone through as bytes. Only what has no objects within, such as a file, is given to
 * JSON.parse, which checks it, and its object is gone when the next one is read.
 *
 * Price: each byte is looked at by JavaScript, which takes a fifth more time.
 * Gain: to read a state of a million short keys, 142 MB, a heap of 150 MB suffices, where one of 400 MB did not.
 * Can be deleted by JSON.parse of the whole document.
 */

import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
} from './json-bytes.ts'

/** This many bytes of a string are searched one by one. */
const NEAR_BYTES = 64

/** Where something stands: its first byte, and the one after its last. */
export type Span = readonly [start: number, end: number]

/** Reads a JSON document in UTF-8 from a position on, bit by bit. Methods throw SyntaxError where it is none. */
export class JsonReader {
  readonly #bytes: Buffer
  #at: number
  /** Whether the next field is the first of its object. */
  #isFirst = false

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  /** Where it is: at the next value, or before it. */
  get position(): number {
    return this.#at
  }

  /** Whether the next value is an object. */
  get isObject(): boolean {
    return this.#next() === OPEN_OBJECT
  }

  /** Begins to read the fields of an object. */
  enter(): void {
    this.#take(OPEN_OBJECT)
    this.#isFirst = true
  }

  /** The name of the next field, whose value has to be read then; undefined after the last one. */
  field(): string | undefined {
    const isFirst = this.#isFirst
    this.#isFirst = false
    if (this.#next() === CLOSE_OBJECT) {
      this.#at++
      return undefined
    }
    if (!isFirst) this.#take(COMMA)
    if (this.#next() !== QUOTE) throw this.#unexpected()
    const name = this.#plainString() ?? (this.value() as string)
    this.#take(COLON)
    return name
  }

  /** The string here, if each of its bytes stands for itself: most names are read so, without JSON.parse. */
  #plainString(): string | undefined {
    const bytes = this.#bytes
    const start = this.#at + 1
    let at = start
    while (isPlain(bytes[at])) at++
    if (bytes[at] !== QUOTE) return undefined
    this.#at = at + 1
    return bytes.toString('latin1', start, at)
  }

  /** The next value. */
  value(): unknown {
    return this.valueAt(this.skip())
  }

  valueAt([start, end]: Span): unknown {
    return JSON.parse(this.#bytes.toString('utf8', start, end))
  }

  /** The next value, if it is an object with nothing but strings, numbers and the like. */
  flatObject(): Record<string, unknown> | undefined {
    const bytes = this.#bytes
    if (this.#next() !== OPEN_OBJECT) return undefined
    const start = this.#at
    for (let at = start + 1; at < bytes.length; at++) {
      const byte = bytes[at]
      if (byte === QUOTE) at = stringEnd(bytes, at)
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) return undefined
      else if (byte === CLOSE_OBJECT) {
        this.#at = at + 1
        return this.valueAt([start, at + 1]) as Record<string, unknown>
      }
    }
    return undefined
  }

  /** Goes over the next value, without a check of what is in it. */
  skip(): Span {
    const bytes = this.#bytes
    const first = this.#next()
    const start = this.#at
    if (first === QUOTE) this.#at = stringEnd(bytes, start) + 1
    else if (first === OPEN_OBJECT || first === OPEN_ARRAY) this.#at = containerEnd(bytes, start)
    else while (this.#at < bytes.length && !isEnd(bytes[this.#at])) this.#at++
    if (this.#at === start || this.#at > bytes.length) throw this.#unexpected()
    return [start, this.#at]
  }

  /** To be called after the last value. */
  end(): void {
    if (this.#next() !== undefined) throw this.#unexpected()
  }

  /** The next byte that is no white space; undefined at the end. */
  #next(): number | undefined {
    while (isSpace(this.#bytes[this.#at])) this.#at++
    return this.#bytes[this.#at]
  }

  #take(byte: number): void {
    if (this.#next() !== byte) throw this.#unexpected()
    this.#at++
  }

  #unexpected(): SyntaxError {
    const isOver = this.#at >= this.#bytes.length
    return new SyntaxError(`Unexpected ${isOver ? 'end' : 'byte'} at position ${this.#at}`)
  }
}

/** Where the string that begins at a quote ends: at its last quote, or with the document. */
export function stringEnd(json: Uint8Array, start: number): number {
  let at = start + 1
  // Most strings are short, and for those this loop takes less time than a call of V8's own search.
  for (const near = Math.min(json.length, at + NEAR_BYTES); at < near; at++) {
    if (json[at] === QUOTE) return at
    if (json[at] === BACKSLASH) at++
  }
  for (;;) {
    const end = json.indexOf(QUOTE, at)
    if (end === -1) return json.length
    let backslashes = 0
    while (end - backslashes > at && json[end - 1 - backslashes] === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return end
    at = end + 1
  }
}

/** Where the object or array that begins at a bracket has ended; beyond the document if it does not. */
function containerEnd(json: Uint8Array, start: number): number {
  let depth = 0
  for (let at = start; at < json.length; at++) {
    const byte = json[at]
    if (byte === QUOTE) at = stringEnd(json, at)
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++
    else if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && --depth === 0) return at + 1
  }
  return json.length + 1
}

/** Whether a byte is a character of ASCII that needs no escape. */
function isPlain(byte: number): boolean {
  return byte >= 32 && byte < 127 && byte !== QUOTE && byte !== BACKSLASH
}

function isSpace(byte: number): boolean {
  return byte === 32 || byte === 10 || byte === 13 || byte === 9
}

function isEnd(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY || isSpace(byte)
}
