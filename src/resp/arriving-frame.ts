import { allocateLarge } from '../store/large-allocation.ts'
import { LARGE_VALUE_BYTES, type Value } from '../store/value.ts'
import type { RequestArguments } from './request-arguments.ts'
import { type Latin1Source, TextCutter } from './text-cutter.ts'

const CARRIAGE_RETURN = 13
const ZERO = 48
/** Memory of this size is taken when an argument has been announced. */
const MIN_CAPACITY = 1024 * 1024
/** Memory grows to this multiple of what has arrived: a header alone must not take 512 MB. */
const GROWTH = 16
/** What a short argument takes beside its bytes on the wire: its place in an array, a string's header. */
const ARGUMENT_BYTES = 24

/**
 * A frame that does not arrive whole. Its arguments are parsed as they arrive, so that a frame of a
 * million arguments does not stop other clients when its last byte comes. Each large argument goes
 * from the chunks into memory of its own, which is made once for up to 1 MB.
 *
 *     *3 $3 SET $5 key:1 $100000 ┊ 100000 bytes ┊ \r\n
 *     └─ the input window's head ─┘  a Buffer      └─ head, chunk
 *     └ parsed ────────┘
 */
export class ArrivingFrame {
  /** The arguments that have been parsed. */
  #arguments: Value[] = []
  /** The bytes of those that are strings. */
  #textBytes = 0
  /** The large arguments that have arrived, but whose headers have not been parsed. */
  #large: Buffer[] = []
  /** The large argument that is arriving, and how many of its bytes have arrived. */
  #memory: Buffer | undefined
  #length = 0
  #arrived = 0
  /** So many bytes have to come before the next argument is whole. */
  #needed = 0
  readonly #text = new TextCutter()

  /** With fewer bytes {@link parse} would do nothing. */
  get needed(): number {
    return this.#needed
  }

  /** Whether the next bytes belong to a large argument. */
  get isFilling(): boolean {
    return this.#memory !== undefined
  }

  /** Whether the whole frame is still in the input window. */
  get isEmpty(): boolean {
    return this.#arguments.length === 0 && this.#large.length === 0
  }

  /** How many bytes the parsed arguments take in V8's heap, about. */
  get heapBytes(): number {
    return this.#textBytes + this.extraBytes
  }

  /** How many bytes its arguments take beyond those that they had on the wire. */
  get extraBytes(): number {
    return ARGUMENT_BYTES * this.#arguments.length
  }

  /** Begins a large argument. @throws RangeError if there is no memory for it */
  begin(length: number): void {
    this.#length = length
    this.#arrived = 0
    this.#memory = allocateLarge(Math.min(length, MIN_CAPACITY))
  }

  /**
   * Takes the bytes that belong to the large argument.
   *
   * @returns where they end in the chunk
   * @throws RangeError if there is no memory for them
   */
  fill(chunk: Buffer, start: number): number {
    const count = Math.min(chunk.length - start, this.#length - this.#arrived)
    const memory = this.#room(this.#arrived + count)
    memory.set(chunk.subarray(start, start + count), this.#arrived)
    this.#arrived += count
    if (this.#arrived === this.#length) {
      this.#large.push(memory)
      this.#memory = undefined
    }
    return start + count
  }

  /**
   * Parses the arguments that are whole.
   *
   * @param bytes a part of a valid frame that begins the frame, or where the last call ended;
   *   without the bytes of large arguments
   * @returns where the last whole argument ends; 0 as long as no argument is whole
   */
  parse(bytes: Buffer): number {
    const parsed = this.#parse(bytes)
    // The frame's header alone stays, because it belongs to the first argument.
    return this.isEmpty ? 0 : parsed
  }

  #parse(bytes: Buffer): number {
    const args = this.#arguments
    const text = this.#text
    const source = bytes as unknown as Latin1Source
    text.clear()
    this.#needed = 0
    let parsed = 0
    // The frame's header, which says how many arguments there are.
    if (args.length === 0) {
      parsed = lineEnd(bytes, 0)
      if (parsed === 0) return 0
    }
    for (;;) {
      const start = lineEnd(bytes, parsed)
      if (start === 0) return parsed
      const length = lengthAt(bytes, parsed + 1)
      const isLarge = length >= LARGE_VALUE_BYTES && args.length > 0
      const end = isLarge ? start : start + length
      if (end + 2 > bytes.length) {
        this.#needed = end + 2 - (args.length === 0 ? 0 : parsed)
        return parsed
      }
      if (isLarge) args.push(this.#large.shift() as Buffer)
      else {
        args.push(text.cut(source, start, end))
        this.#textBytes += length
      }
      parsed = end + 2
    }
  }

  /** The arguments of the whole frame. Forgets it. @param rest what {@link parse} has not had */
  finish(rest: Buffer): RequestArguments {
    this.parse(rest)
    const args = this.#arguments
    this.clear()
    return args as unknown as RequestArguments
  }

  clear(): void {
    this.#arguments = []
    this.#textBytes = 0
    this.#large = []
    this.#memory = undefined
    this.#needed = 0
    this.#text.clear()
  }

  #room(needed: number): Buffer {
    const memory = this.#memory as Buffer
    if (needed <= memory.length) return memory
    const grown = allocateLarge(Math.min(this.#length, GROWTH * needed))
    grown.set(memory.subarray(0, this.#arrived))
    this.#memory = grown
    return grown
  }
}

/** Where the header line at `start` ends, behind its two last bytes; 0 if it is not whole. */
function lineEnd(bytes: Buffer, start: number): number {
  let at = start
  while (at < bytes.length && bytes[at] !== CARRIAGE_RETURN) at++
  return at + 2 <= bytes.length ? at + 2 : 0
}

/** The number at `start`, which a carriage return ends. */
function lengthAt(bytes: Buffer, start: number): number {
  let number = 0
  for (let at = start; bytes[at] !== CARRIAGE_RETURN; at++) number = 10 * number + bytes[at] - ZERO
  return number
}
