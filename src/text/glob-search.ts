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
 * A segment is read from the pattern when the search comes to it, no further than the text has room for it,
 * into arrays that all segments of all patterns share. Nothing of it is kept, because reading it takes no longer
 * than looking for it: a thousand patterns of thousands of stars cost no memory. Only a long class is kept, as
 * 256 bits, because it is more to read than the one character that it takes. What the two searches need is made
 * only for a segment that takes too many steps without.
 *
 * In a long text, literals of a segment are looked for with indexOf, which compares many characters at a time.
 *
 * Price: 1 kB of masks to clear for each 32 tokens of a long segment with `?` or a class.
 * Gain: time in proportion to the text and to as much of the pattern as has been found in it; with a long segment
 * of the second kind the product of both divided by 32. `*[b]12*` against 15,000 bytes took 90 us, and takes 1.
 * Can be deleted by never giving up in `Glob`; then patterns have to be much shorter.
 */

import { CLASS_WORDS, readClass } from './glob-class.ts'

const ANY = -1
/** Tokens from here down are classes: `FIRST_CLASS - token` is the index. */
const FIRST_CLASS = -2
/** Segments up to this length are compared at each position. */
const MAX_SHORT_TOKENS = 32
/** Before anything is made for a search, segments are compared at each position for so many steps, about. */
const FREE_STEPS_PER_TOKEN = 8
const FREE_STEPS_PER_CHARACTER = 2
/** In a rest of a text of at least this length, literals of a segment are looked for first, with `indexOf`. */
const MIN_ANCHORED = 128
/** So many of them at most, because V8 makes tables for longer ones. */
const MAX_ANCHOR = 6
/** To find them takes as many steps as this. */
const ANCHOR_STEPS = 8
/** Classes of more characters are kept for the next text, in some 300 bytes. */
const MAX_SHORT_CLASS = 512
const CHARACTERS = 256
const STAR = 42
const QUESTION = 63
const OPEN = 91
const BACKSLASH = 92

/** A class that is kept. */
interface LongClass {
  readonly end: number
  readonly words: Uint32Array
}

// The segment that is looked for. The arrays grow with the longest one that there has been.
/** Each token is the code of a character, ANY, or a class. */
let tokens = new Int32Array(64)
let count = 0
/** The characters that its classes take, CLASS_WORDS for each. */
let classes = new Uint32Array(16 * CLASS_WORDS)
let classCount = 0
/** Where the search for literals goes on after a mismatch. */
let fallback = new Int32Array(64)
/** For each character, a bit for each token that takes it; those of character `c` begin at `c` times their number. */
let masks = new Uint32Array(2 * CHARACTERS)
/** Literals of the segment, and where they begin in it. */
let anchor = ''
let anchorAt = 0
/** A bit for each token that takes all characters. */
let any = new Uint32Array(2)
/** Bit i says that the last characters match the segment up to its token i. */
let reached = new Uint32Array(2)

/** Matches texts in little time, whatever the glob is. */
export class GlobSearch {
  /** How many tokens of the pattern, and characters of classes, have been read, for all texts together. */
  read = 0
  readonly #pattern: string
  /** By their positions in the pattern. They take less memory than the pattern. */
  #longClasses: Map<number, LongClass> | undefined

  constructor(pattern: string) {
    this.#pattern = pattern
  }

  matches(text: string): boolean {
    const { length } = this.#pattern
    // No star matches an empty text (Redis).
    if (text === '') return length === 0
    let next = this.#read(0, text.length)
    if (next < 0 || !takesAt(text, 0)) return false
    let at = count
    if (next === length) return at === text.length
    for (;;) {
      next = this.#skipStars(next)
      if (next === length) return true
      next = this.#read(next, text.length - at)
      if (next < 0) return false
      if (next === length) return takesAt(text, text.length - count)
      const found = find(text, at)
      if (found < 0) return false
      at = found + count
    }
  }

  #skipStars(from: number): number {
    const pattern = this.#pattern
    let at = from
    while (at < pattern.length && pattern.charCodeAt(at) === STAR) at++
    return at
  }

  /**
   * Reads the segment from `from` on.
   *
   * @param most how many tokens the rest of the text has room for
   * @returns where the segment ends; -1 if it has more tokens
   */
  #read(from: number, most: number): number {
    const pattern = this.#pattern
    const { length } = pattern
    let at = from
    let read = 0
    classCount = 0
    while (at < length) {
      let code = pattern.charCodeAt(at)
      if (code === STAR) break
      if (read === most) {
        at = -1
        break
      }
      if (read === tokens.length) growTokens()
      if (code === OPEN) {
        tokens[read++] = FIRST_CLASS - classCount
        at = this.#readClass(at)
        continue
      }
      if (code === QUESTION) code = ANY
      else if (code === BACKSLASH && at + 1 < length) code = pattern.charCodeAt(++at)
      tokens[read++] = code
      at++
    }
    count = read
    this.read += read
    return at
  }

  /** @returns where the class ends */
  #readClass(at: number): number {
    const offset = CLASS_WORDS * classCount++
    if (offset === classes.length) growClasses()
    const known = this.#longClasses?.get(at)
    if (known !== undefined) {
      classes.set(known.words, offset)
      return known.end
    }
    const end = readClass(this.#pattern, at, classes, offset)
    this.read += end - at
    if (end - at > MAX_SHORT_CLASS) {
      this.#longClasses ??= new Map()
      this.#longClasses.set(at, { end, words: classes.slice(offset, offset + CLASS_WORDS) })
    }
    return end
  }
}

function growTokens(): void {
  const grown = new Int32Array(2 * tokens.length)
  grown.set(tokens)
  tokens = grown
}

function growClasses(): void {
  const grown = new Uint32Array(2 * classes.length)
  grown.set(classes)
  classes = grown
}

/** Whether the class that a token stands for takes a character. */
function classHas(token: number, char: number): boolean {
  return (classes[CLASS_WORDS * (FIRST_CLASS - token) + (char >> 5)] & (1 << (char & 31))) !== 0
}

/** Whether the segment lies at a position, which leaves enough room for it. */
function takesAt(text: string, start: number): boolean {
  return countTaken(text, start) === count
}

/** The first position from `start` on where the segment lies; -1 if there is none. */
function find(text: string, start: number): number {
  let steps = FREE_STEPS_PER_TOKEN * count
  if (text.length - start >= MIN_ANCHORED && readAnchor()) return findAnchored(text, start)
  for (let at = start; at <= text.length - count; at++) {
    const matched = countTaken(text, at)
    if (matched === count) return at
    steps += FREE_STEPS_PER_CHARACTER - matched
    if (steps < 0) return findHard(text, at + 1)
  }
  return -1
}

/** Like {@link find}, for a segment of which a text must have {@link anchor}. */
function findAnchored(text: string, start: number): number {
  let steps = FREE_STEPS_PER_TOKEN * count
  const last = text.length - count
  for (let at = start; at <= last; at++) {
    const found = text.indexOf(anchor, at + anchorAt) - anchorAt
    if (found < at || found > last) return -1
    steps += FREE_STEPS_PER_CHARACTER * (found - at)
    at = found
    const matched = countTaken(text, at)
    if (matched === count) return at
    steps += FREE_STEPS_PER_CHARACTER - ANCHOR_STEPS - matched
    if (steps < 0) return findHard(text, at + 1)
  }
  return -1
}

/** Reads the longest run of literals among the first tokens. @returns whether there is one */
function readAnchor(): boolean {
  const end = Math.min(count, MAX_SHORT_TOKENS)
  let longest = 0
  for (let from = 0, i = 0; i < end; i++) {
    if (tokens[i] < 0) from = i + 1
    else if (i + 1 - from > longest) {
      longest = i + 1 - from
      anchorAt = from
    }
  }
  const literals = tokens.subarray(anchorAt, anchorAt + Math.min(longest, MAX_ANCHOR))
  anchor = String.fromCharCode(...literals)
  return longest > 0
}

/** How many tokens take the characters from a position on. */
function countTaken(text: string, start: number): number {
  const length = count
  const segment = tokens
  let i = 0
  for (; i < length; i++) {
    const token = segment[i]
    const char = text.charCodeAt(start + i)
    if (token !== char && token !== ANY && (token >= 0 || !classHas(token, char))) break
  }
  return i
}

/** Like {@link find}, for a segment that is often found in part. */
function findHard(text: string, start: number): number {
  if (isLiteral()) return findLiterals(text, start)
  if (count > MAX_SHORT_TOKENS) return findByMasks(text, start)
  for (let at = start; at <= text.length - count; at++) if (takesAt(text, at)) return at
  return -1
}

function isLiteral(): boolean {
  for (let i = 0; i < count; i++) if (tokens[i] < 0) return false
  return true
}

function findLiterals(text: string, start: number): number {
  makeFallback()
  let matched = 0
  for (let at = start; at < text.length; at++) {
    const char = text.charCodeAt(at)
    while (matched > 0 && tokens[matched] !== char) matched = fallback[matched]
    if (tokens[matched] === char) matched++
    if (matched === count) return at + 1 - matched
  }
  return -1
}

/** For each count of matched tokens, how many are still matched after a mismatch. */
function makeFallback(): void {
  if (fallback.length <= count) fallback = new Int32Array(2 * tokens.length)
  fallback[1] = 0
  let matched = 0
  for (let i = 1; i < count; i++) {
    while (matched > 0 && tokens[i] !== tokens[matched]) matched = fallback[matched]
    if (tokens[i] === tokens[matched]) matched++
    fallback[i + 1] = matched
  }
}

function findByMasks(text: string, start: number): number {
  const words = Math.ceil(count / 32)
  makeMasks(words)
  reached.fill(0, 0, words)
  const lastWord = words - 1
  const lastBit = 1 << ((count - 1) & 31)
  let top = 0
  for (let at = start; at < text.length; at++) {
    const first = text.charCodeAt(at) * words
    // Bits that cannot reach the last one before the text ends are left as they are.
    const lowest = Math.max(at + count - text.length, 0) >> 5
    if (lowest > top) return -1
    let carry = lowest === 0 ? 1 : reached[lowest - 1] >>> 31
    let highest = lowest
    for (let word = lowest; word <= top; word++) {
      const before = reached[word]
      const now = ((before << 1) | carry) & (masks[first + word] | any[word])
      reached[word] = now
      carry = before >>> 31
      if (now !== 0) highest = word
    }
    // Words above the highest one that is not 0, and the next, are 0.
    top = Math.min(highest + 1, lastWord)
    if ((reached[lastWord] & lastBit) !== 0) return at + 1 - count
  }
  return -1
}

/** @param words how many hold a bit for each token */
function makeMasks(words: number): void {
  if (reached.length < words) {
    reached = new Uint32Array(2 * words)
    any = new Uint32Array(2 * words)
    masks = new Uint32Array(2 * words * CHARACTERS)
  }
  masks.fill(0, 0, words * CHARACTERS)
  any.fill(0, 0, words)
  for (let i = 0; i < count; i++) {
    const token = tokens[i]
    const bit = 1 << (i & 31)
    if (token >= 0) masks[token * words + (i >> 5)] |= bit
    else if (token === ANY) any[i >> 5] |= bit
    else addClass(CLASS_WORDS * (FIRST_CLASS - token), words, i >> 5, bit)
  }
}

/** Adds the bit of a token to the masks of all characters that its class takes. */
function addClass(first: number, words: number, mask: number, bit: number): void {
  for (let word = 0; word < CLASS_WORDS; word++) {
    for (let taken = classes[first + word]; taken !== 0; taken &= taken - 1) {
      const char = 32 * word + 31 - Math.clz32(taken & -taken)
      masks[char * words + mask] |= bit
    }
  }
}
