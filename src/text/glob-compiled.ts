/*
 * Problem: a glob is matched by trying again from each position behind a star, which takes the product
 * of both lengths: `*aaaa...b` against `aaaa...`. A pattern and a text of 64 KB held up all clients for
 * half a minute.
 *
 * Trick: stars cut the pattern into segments, which are looked for one after the other, each as early
 * as possible. No segment is looked for twice, so that only the search for one has to be fast:
 *
 *     *  abab  *  ?b[c-e]  *        abab: Knuth, Morris and Pratt; each character is read once
 *                                   ?b[c-e]: a bit for each position that the segment may have reached,
 *                                   32 of them in one step (Shift-And)
 *
 * Price: 1 kB of masks for each 32 tokens of a long segment with `?` or a class, made when a search gets there.
 * Gain: time in proportion to both lengths together; with a long segment of the second kind the product
 * of both divided by 32.
 * Can be deleted by never compiling in `Glob`; then patterns have to be much shorter.
 */

const ANY = -1
/** Tokens from here down are classes: `FIRST_CLASS - token` is the index. */
const FIRST_CLASS = -2
/** Segments up to this length are compared at each position. */
const MAX_SHORT_TOKENS = 32
const CHARACTERS = 256
/** What a segment takes besides its tokens, in bytes, about. */
const SEGMENT_BYTES = 256
const DASH = 45
const BACKSLASH = 92
const CLOSE = 93

/** A pattern between two stars. Each token is the code of a character, ANY, or a class. */
interface Segment {
  readonly tokens: Int32Array
  readonly isLiteral: boolean
  /** Where the search goes on after a mismatch; made for a segment of literals when it is looked for. */
  fallback: Int32Array | undefined
  /** Which tokens take a character; made for other long segments when they are looked for. */
  masks: Masks | undefined
}

/** For each character, a bit for each token that takes it, in words of 32 bits. */
interface Masks {
  /** The words of character `c` begin at `c` times their number. */
  readonly words: Uint32Array
  /** Tokens that take all characters. */
  readonly any: Uint32Array
}

/** A glob, made to match texts in little time, whatever it is. */
export class CompiledGlob {
  /** How much memory it takes at most, in bytes, about. */
  readonly weight: number
  readonly #classes: Uint8Array[] = []
  readonly #segments: readonly Segment[]
  /** The length of the shortest text that matches. */
  readonly #shortest: number

  constructor(pattern: string) {
    const segments: number[][] = [[]]
    const known = new Map<string, number>()
    for (let at = 0; at < pattern.length; ) {
      if (pattern[at] === '*') {
        segments.push([])
        at++
        continue
      }
      const { token, end } = this.#read(pattern, at, known)
      segments[segments.length - 1].push(token)
      at = end
    }
    // Stars in a row, and the empty segments between them, are one star.
    const kept = segments.filter(
      ({ length }, i) => length > 0 || i === 0 || i === segments.length - 1,
    )
    this.#segments = kept.map((tokens) => ({
      tokens: Int32Array.from(tokens),
      isLiteral: tokens.every((token) => token >= 0),
      fallback: undefined,
      masks: undefined,
    }))
    this.#shortest = kept.reduce((sum, { length }) => sum + length, 0)
    this.weight = pattern.length + CHARACTERS * this.#classes.length
    for (const segment of this.#segments) this.weight += weightOf(segment)
  }

  matches(text: string): boolean {
    const segments = this.#segments
    const first = segments[0].tokens
    const last = segments[segments.length - 1].tokens
    // No star matches an empty text (Redis).
    if (text === '') return segments.length === 1 && first.length === 0
    if (segments.length === 1) return text.length === first.length && this.#takesAt(first, text, 0)
    if (text.length < this.#shortest) return false
    const end = text.length - last.length
    if (!this.#takesAt(first, text, 0) || !this.#takesAt(last, text, end)) return false
    let at = first.length
    for (let i = 1; i < segments.length - 1; i++) {
      const found = this.#find(segments[i], text, at, end)
      if (found < 0) return false
      at = found + segments[i].tokens.length
    }
    return true
  }

  /** @param known the tokens of classes that have come before */
  #read(pattern: string, at: number, known: Map<string, number>): { token: number; end: number } {
    if (pattern[at] === '?') return { token: ANY, end: at + 1 }
    if (pattern[at] === '[') {
      const end = classEnd(pattern, at)
      const text = pattern.slice(at, end)
      let token = known.get(text)
      if (token === undefined) {
        this.#classes.push(readClass(text))
        token = FIRST_CLASS - this.#classes.length + 1
        known.set(text, token)
      }
      return { token, end }
    }
    const literal = pattern[at] === '\\' && at + 1 < pattern.length ? at + 1 : at
    return { token: pattern.charCodeAt(literal), end: literal + 1 }
  }

  #masksOf(tokens: Int32Array): Masks {
    const count = Math.ceil(tokens.length / 32)
    const words = new Uint32Array(CHARACTERS * count)
    const any = new Uint32Array(count)
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]
      const word = i >> 5
      const bit = 1 << (i & 31)
      if (token >= 0) words[token * count + word] |= bit
      else if (token === ANY) any[word] |= bit
      else {
        const taken = this.#classes[FIRST_CLASS - token]
        for (let char = 0; char < CHARACTERS; char++) {
          if (taken[char] === 1) words[char * count + word] |= bit
        }
      }
    }
    return { words, any }
  }

  #takes(token: number, char: number): boolean {
    if (token >= 0) return token === char
    return token === ANY || this.#classes[FIRST_CLASS - token][char] === 1
  }

  #takesAt(tokens: Int32Array, text: string, start: number): boolean {
    for (let i = 0; i < tokens.length; i++) {
      if (!this.#takes(tokens[i], text.charCodeAt(start + i))) return false
    }
    return true
  }

  /** The first position from `start` on where a segment lies before `end`; -1 if there is none. */
  #find(segment: Segment, text: string, start: number, end: number): number {
    const { tokens } = segment
    if (segment.isLiteral) {
      segment.fallback ??= fallbackOf(tokens)
      return findLiterals(tokens, segment.fallback, text, start, end)
    }
    if (tokens.length > MAX_SHORT_TOKENS) {
      segment.masks ??= this.#masksOf(tokens)
      return findByMasks(tokens.length, segment.masks, text, start, end)
    }
    for (let at = start; at <= end - tokens.length; at++) {
      if (this.#takesAt(tokens, text, at)) return at
    }
    return -1
  }
}

/** How much memory a segment takes at most, in bytes, about. */
function weightOf({ tokens, isLiteral }: Segment): number {
  const { length } = tokens
  const masks = length > MAX_SHORT_TOKENS ? (4 * CHARACTERS * length) / 32 : 0
  return SEGMENT_BYTES + 4 * length + (isLiteral ? 4 * length : masks)
}

/** For each count of matched tokens, how many are still matched after a mismatch. */
function fallbackOf(tokens: Int32Array): Int32Array {
  const fallback = new Int32Array(tokens.length + 1)
  let matched = 0
  for (let i = 1; i < tokens.length; i++) {
    while (matched > 0 && tokens[i] !== tokens[matched]) matched = fallback[matched]
    if (tokens[i] === tokens[matched]) matched++
    fallback[i + 1] = matched
  }
  return fallback
}

function findLiterals(
  tokens: Int32Array,
  fallback: Int32Array,
  text: string,
  start: number,
  end: number,
): number {
  let matched = 0
  for (let at = start; at < end; at++) {
    const char = text.charCodeAt(at)
    while (matched > 0 && tokens[matched] !== char) matched = fallback[matched]
    if (tokens[matched] === char) matched++
    if (matched === tokens.length) return at + 1 - matched
  }
  return -1
}

function findByMasks(
  length: number,
  { words, any }: Masks,
  text: string,
  start: number,
  end: number,
): number {
  // Bit i says that the last characters match the segment up to its token i.
  const count = any.length
  const reached = new Uint32Array(count)
  const lastWord = (length - 1) >> 5
  const lastBit = 1 << ((length - 1) & 31)
  let top = 0
  for (let at = start; at < end; at++) {
    const first = text.charCodeAt(at) * count
    let carry = 1
    let highest = 0
    for (let word = 0; word <= top; word++) {
      const before = reached[word]
      const now = ((before << 1) | carry) & (words[first + word] | any[word])
      reached[word] = now
      carry = before >>> 31
      if (now !== 0) highest = word
    }
    // Words above the highest one that is not 0, and the next, are 0.
    top = Math.min(highest + 1, lastWord)
    if ((reached[lastWord] & lastBit) !== 0) return at + 1 - length
  }
  return -1
}

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

/** Which characters a class takes, from its `[` to its end: 1 at the code of each. */
function readClass(pattern: string): Uint8Array {
  const taken = new Uint8Array(CHARACTERS)
  let from = classStart(pattern, 0)
  const negated = from === 2
  for (; from < pattern.length && pattern[from] !== ']'; from++) {
    if (pattern[from] === '\\' && from + 1 < pattern.length) {
      taken[pattern.charCodeAt(++from)] = 1
    } else if (pattern[from + 1] === '-' && from + 2 < pattern.length) {
      const a = signed(pattern.charCodeAt(from))
      const b = signed(pattern.charCodeAt(from + 2))
      for (let c = Math.min(a, b); c <= Math.max(a, b); c++) taken[c & 255] = 1
      from += 2
    } else {
      taken[pattern.charCodeAt(from)] = 1
    }
  }
  return negated ? taken.map((bit) => 1 - bit) : taken
}
