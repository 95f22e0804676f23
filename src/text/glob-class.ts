const DASH = 45
const BACKSLASH = 92
const CLOSE = 93

/** A class, read once, takes this many words of 32 bits: one bit for each character. */
export const CLASS_WORDS = 8

/** A byte as a signed C `char`, as Redis compares ranges on x86: bytes above 127 are negative. */
function signed(byte: number): number {
  return (byte << 24) >> 24
}

/**
 * What {@link readItem} has read: a range of signed characters, or one, and where the next item begins; or, if
 * there is none, where the class ends. One for all, because a match reads many.
 */
const item = { first: 0, last: 0, end: 0 }

/** Reads a character or a range of a class. @returns whether there was one */
function readItem(pattern: string, at: number): boolean {
  const { length } = pattern
  let code = at < length ? pattern.charCodeAt(at) : CLOSE
  if (code === CLOSE) {
    // An unclosed class ends with the pattern.
    item.end = Math.min(at + 1, length)
    return false
  }
  item.end = at + 1
  if (code !== BACKSLASH && at + 2 < length && pattern.charCodeAt(at + 1) === DASH) {
    const a = signed(code)
    const b = signed(pattern.charCodeAt(at + 2))
    item.first = Math.min(a, b)
    item.last = Math.max(a, b)
    item.end = at + 3
    return true
  }
  if (code === BACKSLASH && at + 1 < length) {
    code = pattern.charCodeAt(at + 1)
    item.end = at + 2
  }
  item.first = item.last = signed(code)
  return true
}

/** Where the class `[...]` that opens at `pattern[at]` ends; an unclosed one ends with the pattern. */
export function classEnd(pattern: string, at: number): number {
  for (let from = classStart(pattern, at); readItem(pattern, from); from = item.end);
  return item.end
}

function classStart(pattern: string, at: number): number {
  return pattern[at + 1] === '^' ? at + 2 : at + 1
}

/** Whether the class `[...]` that opens at `pattern[at]` takes a character. */
export function classTakes(pattern: string, at: number, char: number): boolean {
  const start = classStart(pattern, at)
  const negated = start === at + 2
  const wanted = signed(char)
  for (let from = start; readItem(pattern, from); from = item.end) {
    if (wanted >= item.first && wanted <= item.last) return !negated
  }
  return negated
}

/**
 * Reads the class `[...]` that opens at `pattern[at]` into words from `offset` on: a bit for each character
 * that it takes.
 *
 * @returns where it ends, as {@link classEnd}
 */
export function readClass(pattern: string, at: number, words: Uint32Array, offset: number): number {
  for (let i = 0; i < CLASS_WORDS; i++) words[offset + i] = 0
  const start = classStart(pattern, at)
  for (let from = start; readItem(pattern, from); from = item.end) {
    addSigned(words, offset, item.first, item.last)
  }
  const negated = start === at + 2
  if (negated) for (let i = 0; i < CLASS_WORDS; i++) words[offset + i] = ~words[offset + i]
  return item.end
}

/** Adds signed characters, which are at most two ranges of bytes. */
function addSigned(words: Uint32Array, offset: number, first: number, last: number): void {
  if (first < 0) addRange(words, offset, first + 256, Math.min(last, -1) + 256)
  if (last >= 0) addRange(words, offset, Math.max(first, 0), last)
}

function addRange(words: Uint32Array, offset: number, first: number, last: number): void {
  for (let word = first >> 5; word <= last >> 5; word++) {
    const from = Math.max(first - 32 * word, 0)
    const to = Math.min(last - 32 * word, 31)
    words[offset + word] |= (-1 << from) & (-1 >>> (31 - to))
  }
}
