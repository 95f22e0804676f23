import { CLASS_WORDS, classEnd, classTakes, readClass } from './glob-class.ts'
import { GlobSearch } from './glob-search.ts'

/** A pattern is searched for when it takes more steps than these, and so many for each character of a text. */
const FREE_STEPS = 512
const STEPS_PER_CHARACTER = 2
/** No more characters than these count, because a search passes over those of a long text faster. */
const MAX_COUNTED = 512

const STAR = 42
const QUESTION = 63
const OPEN = 91
const BACKSLASH = 92
/** Stands behind the last token. */
const END = -1

/** So much of a pattern, from its first star on, is read to find its last star. */
const MAX_READ_AHEAD = 64

// What a match keeps. There is one at a time.
/** Steps that it may still take. */
let stepsLeft = 0
/** Where the last star is; -1 if it has not been looked for. */
let lastStar = -1
/** Where in the text what stands behind the last star begins. */
let endAt = 0
/** The class that {@link classWords} has; -1 for none. */
let classAt = -1
const classWords = new Uint32Array(CLASS_WORDS)

/**
 * A glob as Redis matches it (KEYS, PSUBSCRIBE, CONFIG GET): `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, and `\`
 * before a literal. Make one for many texts, because a pattern that takes long is remembered as such.
 */
export class Glob {
  readonly #pattern: string
  /** Steps left before {@link #search} is made. */
  #steps = FREE_STEPS
  #search: GlobSearch | undefined

  constructor(pattern: string) {
    this.#pattern = pattern
  }

  /** Whether the whole text matches. */
  matches(text: string): boolean {
    if (this.#search === undefined) {
      stepsLeft = this.#steps + stepsFor(text)
      const matched = matchSimply(this.#pattern, text)
      this.#steps = stepsLeft
      if (matched !== undefined) return matched
      this.#search = new GlobSearch(this.#pattern)
    }
    return this.#search.matches(text)
  }
}

/** Whether a whole text matches a glob: see {@link Glob}. */
export function matchGlob(pattern: string, text: string): boolean {
  stepsLeft = FREE_STEPS + stepsFor(text)
  return matchSimply(pattern, text) ?? new GlobSearch(pattern).matches(text)
}

function stepsFor({ length }: string): number {
  return STEPS_PER_CHARACTER * Math.min(length, MAX_COUNTED)
}

/** Tries each position behind a star. @returns undefined if that takes too many steps */
function matchSimply(pattern: string, text: string): boolean | undefined {
  // No star matches an empty text (Redis).
  if (text === '') return pattern === ''
  classAt = -1
  let p = 0
  let t = 0
  // Where the match goes on after the last `*` if the rest does not match here.
  let starPattern = -1
  let starText = 0
  while (t < text.length) {
    const token = p < pattern.length ? pattern.charCodeAt(p) : END
    if (token === STAR) {
      if (p + 1 === pattern.length) return true
      if (starPattern < 0 && !endMatches(pattern, p, text, t)) return false
      if (p === lastStar) return t <= endAt
      starPattern = ++p
      starText = t = find(pattern, p, text, t)
    } else {
      const char = text.charCodeAt(t)
      const next = step(pattern, p, token, char)
      if (token === OPEN) stepsLeft -= (next >= 0 ? next : classEnd(pattern, p)) - p
      if (next >= 0) {
        p = next
        t++
      } else if (starPattern >= 0) {
        stepsLeft -= 1 + p - starPattern
        p = starPattern
        starText = t = find(pattern, p, text, starText + 1)
      } else if (stepsLeft >= 0) {
        return false
      }
    }
    if (stepsLeft < 0) return undefined
    if (t < 0) return false
  }
  while (p < pattern.length && pattern.charCodeAt(p) === STAR) p++
  return p === pattern.length
}

/**
 * Compares what stands behind the last star with the end of a text, because most patterns that end otherwise are done
 * with then. A long pattern is not read to its end for it, nor one that ends with a star.
 *
 * @param star where the first star is
 * @param from where the text goes on there
 */
function endMatches(pattern: string, star: number, text: string, from: number): boolean {
  const { length } = pattern
  lastStar = -1
  endAt = text.length
  if (length - star > MAX_READ_AHEAD || pattern.charCodeAt(length - 1) === STAR) return true
  lastStar = star
  for (let at = star + 1; at < length; ) {
    const token = pattern.charCodeAt(at)
    if (token === STAR) {
      lastStar = at++
      endAt = text.length
    } else {
      at = token === OPEN ? classEnd(pattern, at) : at + (token === BACKSLASH ? 2 : 1)
      endAt--
    }
  }
  if (endAt < from) return false
  let at = lastStar + 1
  for (let t = endAt; at < length && at > 0; t++) {
    at = step(pattern, at, pattern.charCodeAt(at), text.charCodeAt(t))
  }
  return at > 0
}

/**
 * Where a text has, from a position on, a character that the token behind a star takes.
 *
 * @returns -1 if nowhere
 */
function find(pattern: string, at: number, text: string, from: number): number {
  let token = at < pattern.length ? pattern.charCodeAt(at) : END
  if (token === STAR || token === QUESTION || token === END) return from
  const end = Math.min(text.length, from + MAX_COUNTED)
  let t = from
  if (token === OPEN) {
    if (classAt !== at) stepsLeft -= readClass(pattern, at, classWords, 0) - at
    classAt = at
    while (t < end && !classHas(text.charCodeAt(t))) t++
  } else {
    if (token === BACKSLASH && at + 1 < pattern.length) token = pattern.charCodeAt(at + 1)
    while (t < end && text.charCodeAt(t) !== token) t++
  }
  if (t < end) stepsLeft -= (t - from) >> 3
  else if (end < text.length) stepsLeft = -1
  else return -1
  return t
}

function classHas(char: number): boolean {
  return (classWords[char >> 5] & (1 << (char & 31))) !== 0
}

/** Matches one character. @returns the next position in the pattern; -1 if not */
function step(pattern: string, at: number, token: number, char: number): number {
  switch (token) {
    case QUESTION:
      return at + 1
    case OPEN:
      return classTakes(pattern, at, char) ? classEnd(pattern, at) : -1
    case BACKSLASH: {
      const literal = at + 1 < pattern.length ? at + 1 : at
      return pattern.charCodeAt(literal) === char ? literal + 1 : -1
    }
    default:
      return token === char ? at + 1 : -1
  }
}
