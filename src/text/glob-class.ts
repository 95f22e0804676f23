const DASH = 45
const BACKSLASH = 92
const CLOSE = 93

/** A class, read once, takes this many words of 32 bits: one bit for each character. */
export const CLASS_WORDS = 8

/** A byte as a signed C `char`, as Redis compares ranges on x86: bytes above 127 are negative. */
function signed(byte: number): number {
  return (byte << 24) >> 24
}

/** Where the class `[...]` that opens at `pattern[at]` ends; an unclosed one ends with the pattern. */
export function classEnd(pattern: string, at: number): number {
  let end = classStart(pattern, at)
  for (; end < pattern.length; end++) {
    const code = pattern.charCodeAt(end)
    if (code === CLOSE) break
    if (code === BACKSLASH && end + 1 < pattern.length) end++
    else if (end + 2 < pattern.length && pattern.charCodeAt(end + 1) === DASH) end += 2
  }
  return Math.min(end + 1, pattern.length)
}

function classStart(pattern: string, at: number): number {
  return pattern[at + 1] === '^' ? at + 2 : at + 1
}

/** Whether the class `[...]` that opens at `pattern[at]` takes a character. */
export function classTakes(pattern: string, at: number, char: number): boolean {
  const { length } = pattern
  let from = classStart(pattern, at)
  const negated = from === at + 2
  for (; from < length; from++) {
    const code = pattern.charCodeAt(from)
    if (code === CLOSE) break
    if (code === BACKSLASH && from + 1 < length) {
      from++
      if (pattern.charCodeAt(from) === char) return !negated
    } else if (from + 2 < length && pattern.charCodeAt(from + 1) === DASH) {
      const a = signed(code)
      const b = signed(pattern.charCodeAt(from + 2))
      const c = signed(char)
      if (c >= Math.min(a, b) && c <= Math.max(a, b)) return !negated
      from += 2
    } else if (code === char) {
      return !negated
    }
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
  const { length } = pattern
  for (let i = 0; i < CLASS_WORDS; i++) words[offset + i] = 0
  let from = classStart(pattern, at)
  const negated = from === at + 2
  for (; from < length; from++) {
    const code = pattern.charCodeAt(from)
    if (code === CLOSE) break
    if (code === BACKSLASH && from + 1 < length) {
      from++
      addRange(words, offset, pattern.charCodeAt(from), pattern.charCodeAt(from))
    } else if (from + 2 < length && pattern.charCodeAt(from + 1) === DASH) {
      const a = signed(code)
      const b = signed(pattern.charCodeAt(from + 2))
      addSigned(words, offset, Math.min(a, b), Math.max(a, b))
      from += 2
    } else {
      addRange(words, offset, code, code)
    }
  }
  if (negated) for (let i = 0; i < CLASS_WORDS; i++) words[offset + i] = ~words[offset + i]
  return Math.min(from + 1, length)
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
