/**
 * The problem: the frame walker and redis-parser accept any input, but look at each byte twice, and
 * make every argument from the Buffer.
 *
 * The trick: nearly every frame is an ordinary one. It lies whole in the chunk, keeps within the
 * limits, and has its headers written as all clients write them. Such a frame is checked and
 * decoded in one pass. Its strings are cut from a longer string, because cutting a string from a
 * string costs a sixth of making one from a Buffer:
 *
 *     bytes  *3 $3 SET $5 key:1 $5 value *2 $3 GET $5 key:2 ...
 *     text   └──────── one string of up to 4 KB ──────────────┘
 *     args         slice  slice    a string of its own, if it is long
 *
 * The price: a slice of more than 12 characters keeps the whole text alive. So long arguments are
 * slices only if they are likely to be dropped soon: the command's name and the first argument, a
 * key, which is looked up and forgotten.
 *
 * Gain: an ordinary frame takes a third of the time. Can be deleted by letting `RequestReader` walk
 * every frame.
 *
 * @module
 */
import { copyBytes, LARGE_VALUE_BYTES, type Value } from '../store/value.ts'
import type { RequestArguments } from './request-arguments.ts'
import type { RequestLimits } from './request-limits.ts'
import { type Latin1Source, MAX_COPIED_SLICE, TEXT_BYTES } from './text-cutter.ts'

const CARRIAGE_RETURN = 13
const DOLLAR = 36
const STAR = 42
const ZERO = 48

/** A frame with more arguments is not ordinary. */
const MAX_ARGUMENTS = 99
/** An ordinary header's number has no more digits, so its sum with an offset is always exact. */
const MAX_LENGTH_DIGITS = 7
/** Of a longer frame only the name and the key become text, because the text would be mostly its value. */
const MAX_SHARING_BYTES = 512

/** Where each argument of the current frame begins and ends, in turn. All decoders share it. */
const bounds = new Int32Array(2 * MAX_ARGUMENTS)

/** Decodes ordinary frames; all others are left to the frame walker and redis-parser. */
export class FrameDecoder {
  /** Where in the bytes the last decoded frame ends. */
  end = 0
  // Where in the bytes that frame's first argument after the command's name begins and ends.
  firstStart = 0
  firstEnd = 0
  readonly #limits: RequestLimits
  // The text, and which part of which Buffer it is.
  #textBytes: Buffer | undefined
  #text = ''
  #textStart = 0
  #textEnd = 0
  /** The Buffer that {@link refill} was last called with. */
  #refilled: Buffer | undefined
  #refilledLength = 0

  /** @param limits read at every frame */
  constructor(limits: RequestLimits) {
    this.#limits = limits
  }

  /**
   * Must be called when a Buffer's bytes have changed.
   *
   * @param length where in the Buffer the last chunk ends
   */
  refill(bytes: Buffer, length: number): void {
    this.#refilled = bytes
    this.#refilledLength = length
    this.#textEnd = 0
  }

  /**
   * Decodes one frame.
   *
   * @param bytes the memory that holds the chunk, among other bytes
   * @param from where the frame begins
   * @param length where the chunk ends
   * @returns its arguments; undefined if it is not an ordinary frame
   */
  decode(bytes: Buffer, from: number, length: number): RequestArguments | undefined {
    // The shortest header has four bytes, so that none is read beyond the end.
    if (length - from < 4 || bytes[from] !== STAR) return undefined
    let at = from + 2
    let count = bytes[from + 1] - ZERO
    if (count < 1 || count > 9) return undefined
    if (bytes[at] !== CARRIAGE_RETURN) {
      const digit = bytes[at++] - ZERO
      if (digit < 0 || digit > 9 || bytes[at] !== CARRIAGE_RETURN) return undefined
      count = count * 10 + digit
    }
    at += 2
    const { maxArguments, maxBulkLength } = this.#limits
    if (count > maxArguments) return undefined
    for (let i = 0; i < 2 * count; i += 2) {
      if (length - at < 4 || bytes[at] !== DOLLAR) return undefined
      const first = ++at
      let size = 0
      let digit = bytes[at] - ZERO
      while (digit >= 0 && digit <= 9) {
        size = size * 10 + digit
        if (++at === length || at - first > MAX_LENGTH_DIGITS) return undefined
        digit = bytes[at] - ZERO
      }
      const plain = at > first && (bytes[first] !== ZERO || at === first + 1)
      if (!plain || bytes[at] !== CARRIAGE_RETURN) return undefined
      if (size > maxBulkLength) return undefined
      at += 2
      bounds[i] = at
      at += size
      bounds[i + 1] = at
      at += 2
      if (at > length) return undefined
    }
    this.end = at
    // For a frame with one argument, these are left over from an earlier frame, and are not used.
    this.firstStart = bounds[2]
    this.firstEnd = bounds[3]
    return this.#cut(bytes, count, from)
  }

  #cut(bytes: Buffer, count: number, from: number): RequestArguments {
    const args = new Array<Value>(count)
    for (let i = 0; i < count; i++) {
      const start = bounds[2 * i]
      const end = bounds[2 * i + 1]
      if (end - start >= LARGE_VALUE_BYTES && i > 0) {
        args[i] = copyBytes(bytes, start, end)
        continue
      }
      args[i] =
        i < 2 || end - start <= MAX_COPIED_SLICE
          ? this.#slice(bytes, start, end, from)
          : (bytes as unknown as Latin1Source).latin1Slice(start, end)
    }
    return args as unknown as RequestArguments
  }

  /** @param from where the frame begins: new text begins there, to serve the next frames too */
  #slice(bytes: Buffer, start: number, end: number, from: number): string {
    if (bytes === this.#textBytes && start >= this.#textStart && end <= this.#textEnd) {
      return this.#text.slice(start - this.#textStart, end - this.#textStart)
    }
    const source = bytes as unknown as Latin1Source
    if (end - from > TEXT_BYTES) return source.latin1Slice(start, end)
    const length = bytes === this.#refilled ? this.#refilledLength : bytes.length
    this.#textBytes = bytes
    this.#textStart = from
    const isLong = this.end - from > MAX_SHARING_BYTES
    const useful = isLong ? Math.min(Math.max(end, this.firstEnd), this.end) : length
    this.#textEnd = Math.min(from + TEXT_BYTES, useful)
    this.#text = source.latin1Slice(from, this.#textEnd)
    return this.#text.slice(start - from, end - from)
  }
}
