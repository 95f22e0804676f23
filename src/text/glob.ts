import { classEnd, classTakes } from './glob-class.ts'
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

/** Steps that {@link matchSimply} may still take. */
let stepsLeft = 0

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
  let p = 0
  let t = 0
  // Where the match goes on after the last `*` if the rest does not match here.
  let starPattern = -1
  let starText = 0
  while (t < text.length) {
    const token = p < pattern.length ? pattern.charCodeAt(p) : END
    if (token === STAR) {
      starPattern = ++p
      starText = t
      continue
    }
    const char = text.charCodeAt(t)
    const next = step(pattern, p, token, char)
    if (token === OPEN) {
      stepsLeft -= (next >= 0 ? next : classEnd(pattern, p)) - p
      if (stepsLeft < 0) return undefined
    }
    if (next >= 0) {
      p = next
      t++
    } else if (starPattern >= 0) {
      stepsLeft -= 1 + p - starPattern
      if (stepsLeft < 0) return undefined
      p = starPattern
      t = ++starText
    } else {
      return false
    }
  }
  while (p < pattern.length && pattern.charCodeAt(p) === STAR) p++
  return p === pattern.length
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
