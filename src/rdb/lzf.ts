/** The format's longest run of literals, farthest offset and longest repetition. */
const MAX_LITERALS = 32
const MAX_OFFSET = 8192
const MAX_REPEAT = 264
/** How many bytes of a repetition are compared before the limit is checked, as in liblzf. */
const UNCHECKED_BYTES = 16

const SLOTS = 2 ** 16
/** Where three bytes with each hash were last seen. All calls share this array: it is large. */
const seen = new Int32Array(SLOTS)

/** The hash of the three bytes at a position, as in liblzf's VERY_FAST mode with 16 bits. */
function slotOf(input: Buffer, at: number): number {
  const three = (input[at] << 16) | (input[at + 1] << 8) | input[at + 2]
  return ((three >>> 8) - three * 5) & (SLOTS - 1)
}

/** The compressed bytes: runs of literals, each after its length, and repetitions. */
class Output {
  readonly #bytes: Buffer
  /** Where the length of the current run of literals is written. */
  #run = 0
  #end = 1

  /** @param limit the most bytes that the output may take */
  constructor(limit: number) {
    // Two bytes more, because a run may begin at the limit.
    this.#bytes = Buffer.allocUnsafe(limit + 2)
  }

  /** How many bytes it has, including the length of the current run. */
  get end(): number {
    return this.#end
  }

  get hasLiterals(): boolean {
    return this.#end > this.#run + 1
  }

  literal(byte: number): void {
    this.#bytes[this.#end++] = byte
    if (this.#end - this.#run > MAX_LITERALS) this.#endRun()
  }

  /**
   * @param offset how far back the bytes are, minus one
   * @param length the number of bytes, minus two
   */
  repeat(offset: number, length: number): void {
    const bytes = this.#bytes
    let at = this.#closeRun()
    bytes[at++] = (offset >> 8) + (Math.min(length, 7) << 5)
    if (length >= 7) bytes[at++] = length - 7
    bytes[at++] = offset & 0xff
    this.#run = at
    this.#end = at + 1
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#closeRun())
  }

  #endRun(): void {
    this.#run = this.#closeRun()
    this.#end = this.#run + 1
  }

  /** @returns where the output goes on; a run without literals takes no byte */
  #closeRun(): number {
    if (!this.hasLiterals) return this.#run
    this.#bytes[this.#run] = this.#end - this.#run - 2
    return this.#end
  }
}

/**
 * Compresses bytes in the LZF format, with the same repetitions as Redis's liblzf.
 *
 * @param limit the most bytes that the result may take
 * @returns undefined if the result takes more
 */
export function compress(input: Buffer, limit: number): Buffer | undefined {
  const { length } = input
  if (length === 0 || limit <= 0) return undefined
  seen.fill(0)
  const output = new Output(limit)
  let at = 0
  while (at < length - 2) {
    const slot = slotOf(input, at)
    const from = seen[slot]
    seen[slot] = at
    const offset = at - from - 1
    if (offset >= MAX_OFFSET || from === 0 || !startsAlike(input, from, at)) {
      if (output.end >= limit) return undefined
      output.literal(input[at++])
      continue
    }
    if (output.end - (output.hasLiterals ? 0 : 1) + 4 >= limit) return undefined
    const repeated = repeatedAt(input, from, at)
    output.repeat(offset, repeated - 2)
    at += repeated
    if (at >= length - 2) break
    // Of a repetition's positions, only the last two are remembered.
    for (const passed of [at - 2, at - 1]) seen[slotOf(input, passed)] = passed
  }
  if (output.end + 3 > limit) return undefined
  while (at < length) output.literal(input[at++])
  return output.finish()
}

function startsAlike(input: Buffer, from: number, at: number): boolean {
  return (
    input[from] === input[at] &&
    input[from + 1] === input[at + 1] &&
    input[from + 2] === input[at + 2]
  )
}

/** How many bytes are equal at two positions, up to the longest repetition. */
function repeatedAt(input: Buffer, from: number, at: number): number {
  const limit = Math.min(input.length - at - 2, MAX_REPEAT)
  let length = 2
  if (limit > UNCHECKED_BYTES) {
    for (let i = 0; i < UNCHECKED_BYTES; i++) {
      length++
      if (input[from + length] !== input[at + length]) return length
    }
  }
  do length++
  while (length < limit && input[from + length] === input[at + length])
  return length
}

/**
 * Reverses {@link compress}.
 *
 * @param length the number of uncompressed bytes
 * @returns undefined if the input is damaged, or does not give `length` bytes
 */
export function decompress(input: Buffer, length: number): Buffer | undefined {
  const output = Buffer.allocUnsafe(length)
  let from = 0
  let at = 0
  while (from < input.length) {
    const control = input[from++]
    if (control < MAX_LITERALS) {
      const end = from + control + 1
      if (end > input.length || at + control + 1 > length) return undefined
      input.copy(output, at, from, end)
      at += control + 1
      from = end
      continue
    }
    let repeated = control >> 5
    if (repeated === 7) repeated += input[from++]
    let back = at - ((control & 0x1f) << 8) - input[from++] - 1
    repeated += 2
    // Beyond the end of the input, bytes are undefined and `back` and `repeated` become NaN.
    if (!(back >= 0) || !(at + repeated <= length)) return undefined
    for (; repeated > 0; repeated--) output[at++] = output[back++]
  }
  return at === length ? output : undefined
}
