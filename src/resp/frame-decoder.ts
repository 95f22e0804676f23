import type { RequestLimits } from './request-limits.ts'

const CARRIAGE_RETURN = 13
const DOLLAR = 36
const STAR = 42
const ZERO = 48

/** A frame with more arguments is not ordinary. */
const MAX_ARGUMENTS = 99
/** No longer is a header's number, in digits: what it says is then below any chunk's length. */
const MAX_DIGITS = 7
/** So many bytes are turned into text at a time, to cut arguments from. */
const WINDOW = 4096
/** V8 copies a slice up to this length; a longer one keeps the text that it is cut from. */
const SHORT_SLICE = 12

/** Where the arguments of the frame at hand begin and end, in turn; for all decoders. */
const bounds = new Int32Array(2 * MAX_ARGUMENTS)

/** What Buffer has and its types lack: `toString('latin1')` without the look-up of the encoding. */
interface Latin1Source {
  latin1Slice(start: number, end: number): string
}

/**
 * Reads frames of the ordinary kind, which is nearly every one: all of it is there, it is no
 * larger than allowed, and its headers are written as all clients write them. Anything else is left
 * to the frame walker and redis-parser, which take two looks at each byte and three times as long.
 *
 * Cutting a string from a string costs a sixth of making one from a Buffer. So a stretch of the
 * chunk becomes text first. Whoever keeps a slice of more than {@link SHORT_SLICE} characters keeps
 * that text, so that only the first argument, a key which is looked up and forgotten, is a slice.
 */
export class FrameDecoder {
  /** Where in the bytes the frame last read ends. */
  end = 0
  // Where in the bytes its first argument after the command's name begins and ends.
  firstStart = 0
  firstEnd = 0
  readonly #limits: RequestLimits
  /** Which part of what Buffer the text is. */
  #textBytes: Buffer | undefined
  #text = ''
  #textStart = 0
  #textEnd = 0
  #refilled: Buffer | undefined
  #refilledLength = 0

  /** @param limits read at every frame */
  constructor(limits: RequestLimits) {
    this.#limits = limits
  }

  /**
   * Has to be called when other bytes have come into a Buffer.
   *
   * @param length how many: from the Buffer's beginning to the end of the last chunk in it
   */
  refill(bytes: Buffer, length: number): void {
    this.#refilled = bytes
    this.#refilledLength = length
    this.#textEnd = 0
  }

  /**
   * Reads one frame.
   *
   * @param bytes those of the chunk and of others that lie beside it
   * @param from where the frame begins
   * @param length where the chunk ends
   * @returns its arguments as binary strings; undefined if it is not an ordinary one
   */
  decode(bytes: Buffer, from: number, length: number): string[] | undefined {
    // Room for the least of frames, so that no header is read beyond the end.
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
        if (++at === length || at - first > MAX_DIGITS) return undefined
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
    // Of a frame with one argument, what an earlier one has left there.
    this.firstStart = bounds[2]
    this.firstEnd = bounds[3]
    return this.#cut(bytes, count, from)
  }

  #cut(bytes: Buffer, count: number, from: number): string[] {
    const args = new Array<string>(count)
    for (let i = 0; i < count; i++) {
      const start = bounds[2 * i]
      const end = bounds[2 * i + 1]
      args[i] =
        i < 2 || end - start <= SHORT_SLICE
          ? this.#slice(bytes, start, end, from)
          : (bytes as unknown as Latin1Source).latin1Slice(start, end)
    }
    return args
  }

  /** @param from where the frame begins: the text is to hold the next ones, too */
  #slice(bytes: Buffer, start: number, end: number, from: number): string {
    if (bytes === this.#textBytes && start >= this.#textStart && end <= this.#textEnd) {
      return this.#text.slice(start - this.#textStart, end - this.#textStart)
    }
    const source = bytes as unknown as Latin1Source
    if (end - from > WINDOW) return source.latin1Slice(start, end)
    const length = bytes === this.#refilled ? this.#refilledLength : bytes.length
    this.#textBytes = bytes
    this.#textStart = from
    this.#textEnd = Math.min(from + WINDOW, length)
    this.#text = source.latin1Slice(from, this.#textEnd)
    return this.#text.slice(start - from, end - from)
  }
}
