import { Glob } from '../text/glob.ts'
import { classEnd } from '../text/glob-class.ts'

/** A piece of a glob: a byte that stands for itself, or anything else. */
interface Token {
  readonly text: string
  /** Absent for a wildcard or a class. */
  readonly literal: string | undefined
}

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
    const tokens = cleanTokens(pattern)
    this.text = tokens.map(({ text }) => text).join('')
    this.#glob = new Glob(this.text)
    const wildcard = tokens.findIndex(({ literal }) => literal === undefined)
    const literals = wildcard < 0 ? tokens : tokens.slice(0, wildcard)
    this.#start = literals.map(({ literal }) => literal).join('')
    const rest = wildcard < 0 ? [] : tokens.slice(wildcard)
    const exact = rest.length === 0
    const prefix = !exact && rest.every(({ text }) => text === '*')
    this.#exact = exact ? this.#start.slice(1) : undefined
    this.#prefix = prefix ? this.#start.slice(1) : undefined
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
    return this.#prefix !== undefined && (path === '/' ? path : `${path}/`).startsWith(this.#start)
  }

  /** Whether the pattern matches whatever a tree pattern of PSUBSCRIBE can match. */
  coversPattern(pattern: string): boolean {
    const { start, isWhole } = startOf(pattern)
    if (isWhole) return this.matches(start, 1)
    return this.#prefix !== undefined && start.startsWith(this.#start)
  }
}

interface GlobStart {
  /** What all texts that it matches begin with: its bytes up to the first wildcard or class. */
  readonly start: string
  /** Whether it has neither. */
  readonly isWhole: boolean
}

/** The last result of {@link startOf}: many rules are asked about one pattern after the other. */
let lastStart: ({ pattern: string } & GlobStart) | undefined

function startOf(pattern: string): GlobStart {
  if (lastStart?.pattern === pattern) return lastStart
  let start = ''
  let from = 0
  let at = 0
  for (; at < pattern.length && !'[*?'.includes(pattern[at]); at++) {
    if (pattern[at] !== '\\' || at + 1 === pattern.length) continue
    start += pattern.slice(from, at)
    from = ++at
  }
  lastStart = { pattern, start: start + pattern.slice(from, at), isWhole: at === pattern.length }
  return lastStart
}

/** The pieces of a glob, each as matchGlob reads it. */
function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < pattern.length; ) {
    const char = pattern[at]
    const escapes = char === '\\' && at + 1 < pattern.length
    const end = char === '[' ? classEnd(pattern, at) : at + (escapes ? 2 : 1)
    const isLiteral = char !== '[' && char !== '*' && char !== '?'
    tokens.push({
      text: pattern.slice(at, end),
      literal: isLiteral ? pattern[end - 1] : undefined,
    })
    at = end
  }
  return tokens
}

/** Like cleanPath, of a glob: a slash within a class separates no components. */
function cleanTokens(pattern: string): Token[] {
  const components: Token[][] = [[]]
  for (const token of tokensOf(pattern)) {
    if (token.literal === '/') components.push([])
    else components[components.length - 1].push(token)
  }
  const kept: Token[][] = []
  for (const component of components) {
    const name = component.map(({ literal }) => literal ?? '*').join('')
    const literal = component.every((token) => token.literal !== undefined)
    if (literal && name === '..') kept.pop()
    else if (!literal || (name !== '' && name !== '.')) kept.push(component)
  }
  const slash: Token = { text: '/', literal: '/' }
  return kept.length === 0 ? [slash] : kept.flatMap((component) => [slash, ...component])
}
