/** The format's longest run of literals, farthest offset and longest repetition. */
const MAX_LITERALS = 32
const MAX_OFFSET = 8192
const MAX_REPEAT = 264
/** How many bytes of a repetition are compared before the limit is checked, as in liblzf. */
const UNCHECKED_BYTES = 16

const SLOTS = 2 ** 16
/**
 * Where three bytes with each hash were last seen, counted from {@link base}. All calls share this array; they do
 * not empty it, because that takes longer than to compress a short value.
 */
const seen = new Int32Array(SLOTS)
/** What earlier calls have seen is below. */
let base = 0
const MAX_BASE = 2 ** 31 - 1

/**
 * Compresses bytes in the LZF format, with the same repetitions as Redis's liblzf: runs of literals, each
 * after its length, and repetitions.
 *
 * One loop without calls for each byte, because a value of 60 MB keeps all clients waiting.
 *
 * @param limit the most bytes that the result may take
 * @returns undefined if the result takes more
 */
export function compress(input: Buffer, limit: number): Buffer | undefined {
  const { length } = input
  if (length === 0 || limit <= 0) return undefined
  const words = new DataView(input.buffer, input.byteOffset, length)
  if (base + length > MAX_BASE) {
    seen.fill(0)
    base = 0
  }
  const start = base
  base += length
  // Two bytes more, because a run may begin at the limit.
  const output = Buffer.allocUnsafe(limit + 2)
  /** Where the length of the current run of literals is written. */
  let run = 0
  let end = 1
  let at = 0
  const last = length - 2
  while (at < last) {
    const first = input[at]
    const second = input[at + 1]
    const third = input[at + 2]
    const slot = slotOf(first, second, third)
    const from = seen[slot] - start
    seen[slot] = start + at
    const offset = at - from - 1
    if (
      offset >= MAX_OFFSET ||
      from <= 0 ||
      input[from] !== first ||
      input[from + 1] !== second ||
      input[from + 2] !== third
    ) {
      if (end >= limit) return undefined
      output[end++] = first
      at++
      if (end - run > MAX_LITERALS) {
        output[run] = end - run - 2
        run = end++
      }
      continue
    }
    // A run without literals takes no byte.
    if (end === run + 1) end = run
    else output[run] = end - run - 2
    if (end + 4 >= limit) return undefined
    const repeated = repeatedAt(input, words, from, at)
    const rest = repeated - 2
    output[end++] = (offset >> 8) + (Math.min(rest, 7) << 5)
    if (rest >= 7) output[end++] = rest - 7
    output[end++] = offset & 0xff
    run = end++
    at += repeated
    if (at >= last) break
    // Of a repetition's positions, only the last two are remembered.
    for (let passed = at - 2; passed < at; passed++) {
      seen[slotOf(input[passed], input[passed + 1], input[passed + 2])] = start + passed
    }
  }
  if (end + 3 > limit) return undefined
  for (; at < length; at++) {
    output[end++] = input[at]
    if (end - run > MAX_LITERALS) {
      output[run] = end - run - 2
      run = end++
    }
  }
  if (end === run + 1) return output.subarray(0, run)
  output[run] = end - run - 2
  return output.subarray(0, end)
}

/** The hash of three bytes, as in liblzf's VERY_FAST mode with 16 bits. */
function slotOf(first: number, second: number, third: number): number {
  const three = (first << 16) | (second << 8) | third
  return ((three >>> 8) - three * 5) & (SLOTS - 1)
}

/**
 * How many bytes are equal at two positions, up to the longest repetition.
 *
 * @param words the same bytes: four are compared at a time, as long as they are equal
 */
function repeatedAt(input: Buffer, words: DataView, from: number, at: number): number {
  const limit = Math.min(input.length - at - 2, MAX_REPEAT)
  let length = 2
  if (limit > UNCHECKED_BYTES) {
    for (let i = 0; i < UNCHECKED_BYTES; i++) {
      length++
      if (input[from + length] !== input[at + length]) return length
    }
  }
  while (
    length + 4 < limit &&
    words.getInt32(from + length + 1, true) === words.getInt32(at + length + 1, true)
  ) {
    length += 4
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
