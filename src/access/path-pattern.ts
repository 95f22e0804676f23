import { Glob } from '../text/glob.ts'
import { classEnd } from '../text/glob-class.ts'

/**
 * A pattern of keys, which are paths. It is made absolute and clean as a path is, so that `app/*`,
 * `/app/*` and `app/x/../*` are one pattern, and then matched as a glob against clean paths.
 */
export class PathPattern {
  /** The pattern, absolute and clean. */
  readonly text: string
  /** The path that it matches, without the slash in front; absent if it holds a wildcard. */
  readonly #exact: string | undefined
  readonly #glob: Glob
  /** What the paths that it matches begin with, without the slash, if only `*` follows. */
  readonly #prefix: string | undefined
  /** Up to its first wildcard, with the slash. */
  readonly #start: string
  /** The first byte of the paths that it matches, without the slash; -1 if it may be any. */
  readonly first: number

  /** @param pattern as a rule of a user has it, one byte a character */
  constructor(pattern: string) {
    this.text = cleanPattern(pattern)
    this.#glob = new Glob(this.text)
    const { start, end } = readStart(this.text)
    this.#start = start
    const exact = end === this.text.length
    const prefix = !exact && hasOnlyStars(this.text, end)
    this.#exact = exact ? start.slice(1) : undefined
    this.#prefix = prefix ? start.slice(1) : undefined
    this.first = this.#start.length > 1 ? this.#start.charCodeAt(1) : -1
  }

  /**
   * Whether the pattern matches a path.
   *
   * @param path clean; the slash in front may be left out
   * @param start where the first component begins: 1 if there is a slash in front, 0 if not
   */
  matches(path: string, start: 0 | 1): boolean {
    if (this.#prefix !== undefined) return path.startsWith(this.#prefix, start)
    if (this.#exact !== undefined) {
      return path.length - start === this.#exact.length && path.endsWith(this.#exact)
    }
    return this.#glob.matches(start === 1 ? path : `/${path}`)
  }

  /** Whether the pattern matches whatever is, or could be, below a clean, absolute path. */
  coversBelow(path: string): boolean {
    const start = this.#start
    if (this.#prefix === undefined) return false
    if (path.length >= start.length) return path.startsWith(start)
    // The slash that follows the path is not joined to it, because that would copy the path for each pattern.
    return start.length === path.length + 1 && start.endsWith('/') && start.startsWith(path)
  }

  /** Whether the pattern matches whatever a tree pattern of PSUBSCRIBE can match. */
  coversPattern(pattern: string): boolean {
    const { start, end } = startOf(pattern)
    if (end === pattern.length) return this.matches(start, 1)
    return this.#prefix !== undefined && start.startsWith(this.#start)
  }
}

interface GlobStart {
  /** What all texts that it matches begin with: its bytes up to the first wildcard or class. */
  readonly start: string
  /** Where the first wildcard or class is; the length of the glob if it has neither. */
  readonly end: number
}

/** The last result of {@link startOf}: many rules are asked about one pattern after the other. */
let lastStart: ({ pattern: string } & GlobStart) | undefined

function startOf(pattern: string): GlobStart {
  if (lastStart?.pattern === pattern) return lastStart
  lastStart = { pattern, ...readStart(pattern) }
  return lastStart
}

function readStart(pattern: string): GlobStart {
  let start = ''
  let from = 0
  let at = 0
  for (; at < pattern.length && !'[*?'.includes(pattern[at]); at++) {
    if (!escapes(pattern, at)) continue
    start += pattern.slice(from, at)
    from = ++at
  }
  return { start: start + pattern.slice(from, at), end: at }
}

function hasOnlyStars(pattern: string, from: number): boolean {
  for (let at = from; at < pattern.length; at++) if (pattern[at] !== '*') return false
  return true
}

/** Whether a backslash at a position makes a literal of the next byte; the last byte is one itself. */
function escapes(pattern: string, at: number): boolean {
  return pattern[at] === '\\' && at + 1 < pattern.length
}

/** Like cleanPath, of a glob: a slash within a class separates no components. */
function cleanPattern(pattern: string): string {
  const kept: string[] = []
  for (let from = 0; from <= pattern.length; ) {
    const { end, next, dots } = readComponent(pattern, from)
    if (dots === 2) kept.pop()
    else if (dots === undefined) kept.push(pattern.slice(from, end))
    from = next
  }
  return `/${kept.join('/')}`
}

interface Component {
  readonly end: number
  /** Behind the slash, which may be escaped. */
  readonly next: number
  /** 0 for an empty component, 1 for `.`, 2 for `..`, absent for any other. */
  readonly dots: number | undefined
}

function readComponent(pattern: string, from: number): Component {
  let at = from
  let dots: number | undefined = 0
  while (at < pattern.length) {
    const literal = escapes(pattern, at) ? at + 1 : at
    if (pattern[literal] === '/') return { end: at, next: literal + 1, dots }
    if (pattern[literal] !== '.' || dots === 2) dots = undefined
    else if (dots !== undefined) dots++
    at = pattern[at] === '[' ? classEnd(pattern, at) : literal + 1
  }
  return { end: at, next: at + 1, dots }
}
