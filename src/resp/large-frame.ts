import { allocateLarge } from '../store/large-allocation.ts'
import { LARGE_VALUE_BYTES, textIn, type Value } from '../store/value.ts'
import type { RequestArguments } from './request-arguments.ts'

const CARRIAGE_RETURN = 13
/** Memory of this size is taken when an argument has been announced. */
const MIN_CAPACITY = 1024 * 1024
/** Memory grows to this multiple of what has arrived: a header alone must not take 512 MB. */
const GROWTH = 16

/**
 * The large arguments of one frame that has not arrived whole. Each goes from the chunks into memory
 * of its own, which is made once for up to 1 MB.
 *
 *     *3 $3 SET $5 key:1 $100000 ┊ 100000 bytes ┊ \r\n
 *     └─ the input window's head ─┘  a Buffer      └─ head, chunk
 */
export class LargeFrame {
  #arguments: Buffer[] = []
  /** The argument that is arriving, and how many of its bytes have arrived. */
  #memory: Buffer | undefined
  #length = 0
  #arrived = 0

  /** Whether the next bytes belong to a large argument. */
  get isFilling(): boolean {
    return this.#memory !== undefined
  }

  /** Whether the frame has no large argument so far. */
  get isEmpty(): boolean {
    return this.#arguments.length === 0
  }

  /** Begins an argument. @throws RangeError if there is no memory for it */
  begin(length: number): void {
    this.#length = length
    this.#arrived = 0
    this.#memory = allocateLarge(Math.min(length, MIN_CAPACITY))
  }

  /**
   * Takes the bytes that belong to the argument.
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
      this.#arguments.push(memory)
      this.#memory = undefined
    }
    return start + count
  }

  /**
   * The arguments of the whole frame. Forgets it.
   *
   * @param frame the bytes of a valid frame, without those of large arguments
   */
  parse(frame: Buffer): RequestArguments {
    let end = frame.indexOf(CARRIAGE_RETURN)
    const args = new Array<Value>(Number(textIn(frame, 1, end)))
    let large = 0
    let at = end + 2
    for (let i = 0; i < args.length; i++) {
      end = frame.indexOf(CARRIAGE_RETURN, at)
      const length = Number(textIn(frame, at + 1, end))
      at = end + 2
      if (i > 0 && length >= LARGE_VALUE_BYTES) {
        args[i] = this.#arguments[large++]
      } else {
        args[i] = textIn(frame, at, at + length)
        at += length
      }
      at += 2
    }
    this.clear()
    return args as unknown as RequestArguments
  }

  clear(): void {
    this.#arguments = []
    this.#memory = undefined
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
