import { jsonBytes, jsonLength } from '../text/json-bytes.ts'
import type { PiecePart } from './pieces.ts'
import { isTextValue } from './value.ts'

/** How many bytes are encoded at a time. JSON writes one byte as up to six, base64 three as four. */
const SLICE_BYTES = 48 * 1024
/** How many bytes of pieces that had to be made are kept for the next reader. */
const MAX_KEPT_BYTES = 1024 * 1024
/** The same while a value is shared: a client gets no longer messages, unless its output limit has been raised. */
const MAX_SHARED_BYTES = 32 * 1024 * 1024

const QUOTE = Buffer.from('"')

/** A large value as a JSON string: of its text or, if it is not UTF-8, of its base64. */
export class JsonValue implements PiecePart {
  /** Whether the value stands in the string as text. */
  readonly isText: boolean
  readonly #value: Buffer
  #length: number | undefined
  /** The pieces, kept only if they take little memory or are views of the value itself. */
  #kept: readonly Buffer[] | undefined
  #shared = false

  constructor(value: Buffer) {
    this.#value = value
    this.isText = isTextValue(value)
    if (!this.isText) this.#length = this.leastLength
  }

  get leastLength(): number {
    const { length } = this.#value
    return 2 + (this.isText ? length : Math.ceil(length / 3) * 4)
  }

  get length(): number {
    this.#length ??= 2 + jsonLength(this.#value)
    return this.#length
  }

  *[Symbol.iterator](): Iterator<Buffer> {
    yield QUOTE
    yield* this.#kept ?? (this.#shared ? this.#keptPieces() : this.#pieces())
    yield QUOTE
  }

  share(): void {
    this.#shared = true
  }

  forget(): void {
    this.#shared = false
    this.#kept = undefined
  }

  *#pieces(): Iterable<Buffer> {
    const { length } = this.#value
    for (let at = 0; at < length; at += SLICE_BYTES) yield this.#pieceAt(at)
  }

  #pieceAt(at: number): Buffer {
    const slice = this.#value.subarray(at, at + SLICE_BYTES)
    if (!this.isText) return Buffer.from(slice.toString('base64'), 'latin1')
    // Most text needs no escaping: its piece is the value's own bytes.
    if (this.#length === this.leastLength) return slice
    return jsonBytes(slice)
  }

  /** The pieces, which are kept at the end if they may be. */
  *#keptPieces(): Iterable<Buffer> {
    const most = this.#shared ? MAX_SHARED_BYTES : MAX_KEPT_BYTES
    let made = 0
    let kept: Buffer[] | undefined = []
    for (const piece of this.#pieces()) {
      if (piece.buffer !== this.#value.buffer) made += piece.length
      if (made > most) kept = undefined
      kept?.push(piece)
      yield piece
    }
    this.#kept = kept
  }
}
