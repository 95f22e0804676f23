import { PathError } from './errors.ts'
import { LongDirectory, MIN_LONG_DIRECTORY_BYTES } from './long-directory.ts'
import { isText } from './text.ts'

/** The longest path, in bytes: somewhat less than {@link MAX_HASHED_LENGTH}. */
export const MAX_PATH_LENGTH = 15 * 1024
/**
 * The longest component that is no UTF-8, in bytes. A saved state has it in base64, as the name of a field, which must
 * not be longer than a path.
 */
export const MAX_ODD_NAME_LENGTH = Math.floor((MAX_PATH_LENGTH - 'base64/'.length) / 4) * 3
/**
 * The longest string that V8 hashes by its characters. A longer one it hashes by its length, so that a Map of
 * many becomes a list. No Map may have longer keys that clients have sent.
 */
export const MAX_HASHED_LENGTH = 16_383
/** The most components of a path. Limits how much one write can create, and how deep listings nest. */
export const MAX_PATH_DEPTH = 1024

/** Longer paths are long ones: see {@link longBytes}. */
const LONG_PATH_BYTES = 512

/** In longer paths V8's own search is faster than a loop, although calling it takes some time. */
const MAX_LOOPED_BYTES = 256

const SLASH = 47
const DOT = 46
const UNDERSCORE = 95

/**
 * Makes a path absolute and clean: `foo//bar/./../baz/` is `/foo/baz` (Go's `path.Clean`).
 *
 * @param path any bytes, one a character
 * @throws PathError if it is longer than {@link MAX_PATH_LENGTH}
 */
export function cleanPath(path: string): string {
  return absolute(tidyPath(path))
}

/**
 * Makes a path clean. Adds no slash in front, because walks down the tree do not need it, and adding
 * it would copy the path.
 *
 * @param path any bytes, one a character
 * @throws PathError if it is longer than {@link MAX_PATH_LENGTH}
 */
export function tidyPath(path: string): string {
  checkLength(path)
  if (path.length > MIN_LONG_DIRECTORY_BYTES) return tidyLongPath(path)
  return isProper(path, firstComponent(path)) ? path : tidied(path)
}

/** A long directory whose names are proper. */
const properDirectory = new LongDirectory()
/** The last long path that was not clean, and what it became. */
let unclean = ''
let cleaned = ''

function tidyLongPath(path: string): string {
  const first = firstComponent(path)
  const known = properDirectory.endIn(path, first)
  if (isProper(path, known === 0 ? first : known)) {
    const end = path.lastIndexOf('/')
    if (known === 0 && end - first >= MIN_LONG_DIRECTORY_BYTES) {
      properDirectory.remember(ownCopy(path.slice(first, end)))
    }
    return path
  }
  if (path !== unclean) {
    cleaned = tidied(path)
    unclean = ownCopy(path)
  }
  return cleaned
}

/** Where a path is made clean, in place: slices of thousands of short components took four times as long. */
const scratch = Buffer.alloc(MAX_PATH_LENGTH + 1)

function tidied(path: string): string {
  const length = scratch.write(path, 'latin1')
  scratch[length] = SLASH
  // What is clean already stands in front, with slashes between its components.
  let clean = 0
  for (let start = 0, at = 0; at <= length; at++) {
    if (scratch[at] !== SLASH) continue
    if (!isImproper(path, start, at)) {
      if (clean > 0) scratch[clean++] = SLASH
      if (clean !== start) scratch.copyWithin(clean, start, at)
      clean += at - start
    } else if (at - start === 2) {
      while (clean > 0 && scratch[--clean] !== SLASH);
    }
    start = at + 1
  }
  return `/${scratch.toString('latin1', 0, clean)}`
}

/** A tidy path with the slash in front. V8 copies the path only when its characters are read. */
export function absolute(tidy: string): string {
  return tidy.charCodeAt(0) === SLASH ? tidy : `/${tidy}`
}

/** Whether a tidy path is the root's. */
export function isRoot(tidy: string): boolean {
  return tidy.length === 1 && tidy === '/'
}

/** Where the first component begins; the slash in front may be left out. */
export function firstComponent(path: string): 0 | 1 {
  return path.charCodeAt(0) === SLASH ? 1 : 0
}

/**
 * Whether a path is clean from a component on: it has a component there, and none is empty, `.` or
 * `..`. A loop over the characters takes a fifth of the time of a regular expression.
 *
 * @param start where the first component begins
 */
export function isProper(path: string, start: number): boolean {
  let from = start
  for (let at = start; at < path.length; at++) {
    if (path.charCodeAt(at) !== SLASH) {
      if (at - from < MAX_LOOPED_BYTES) continue
      at = path.indexOf('/', at)
      if (at === -1) break
    }
    if (isImproper(path, from, at)) return false
    from = at + 1
  }
  return !isImproper(path, from, path.length)
}

/** Whether a component is empty, `.` or `..`. */
export function isImproper(path: string, start: number, end: number): boolean {
  const length = end - start
  if (length > 2) return false
  if (length === 2 && path.charCodeAt(start + 1) !== DOT) return false
  return length === 0 || path.charCodeAt(start) === DOT
}

/** @throws PathError if it is longer than {@link MAX_PATH_LENGTH} */
export function checkLength(path: string): void {
  if (path.length > MAX_PATH_LENGTH) throw tooLong(path.length)
}

/** The refusal of a path of so many bytes. */
export function tooLong(length: number): PathError {
  return new PathError(`path is too long (${length} bytes, the limit is ${MAX_PATH_LENGTH})`)
}

/**
 * What a path counts where one request makes the paths of many nodes: its bytes, if it is long. A directory
 * with a long path makes all paths below it long, however short the requests were that made them.
 */
export function longBytes(length: number): number {
  return length > LONG_PATH_BYTES ? length : 0
}

/** The path of a child. */
export function joinPath(parent: string, name: string): string {
  return parent === '/' ? `/${name}` : `${parent}/${name}`
}

/** Whether a component is hidden: left out of listings, and not seen by watchers above it. */
export function isHiddenName(name: string): boolean {
  return name.charCodeAt(0) === UNDERSCORE
}

/** V8 copies slices up to this length. A longer slice keeps the string that it is cut from. */
const MAX_COPIED_SLICE = 12

/**
 * A name, cut from a path, that is about to be kept: copied if it would keep the path in memory.
 *
 * @param name bytes, one a character
 */
export function ownCopy(name: string): string {
  return name.length <= MAX_COPIED_SLICE ? name : Buffer.from(name, 'latin1').toString('latin1')
}

/** Whether `path` lies below the directory `above`; both clean. */
export function isBelow(path: string, above: string): boolean {
  if (above === '/') return path !== '/'
  return (
    path.length > above.length && path.charCodeAt(above.length) === SLASH && path.startsWith(above)
  )
}

/** Where the last hidden component of an absolute path begins; 0 if none is hidden. */
export function lastHidden(path: string): number {
  if (path.length > MAX_LOOPED_BYTES) return path.lastIndexOf('/_') + 1
  for (let at = path.length - 1; at > 0; at--) {
    if (path.charCodeAt(at) === UNDERSCORE && path.charCodeAt(at - 1) === SLASH) return at
  }
  return 0
}

/** Whether a component of `path` below `above` is hidden; `path` lies below `above`. */
export function isHiddenBelow(path: string, above: string): boolean {
  return path.includes('/_', above === '/' ? 0 : above.length)
}

/**
 * Refuses a path with more components than a tree may have levels, or with one that a saved state could not have.
 *
 * @throws PathError
 */
export function checkDepth(path: string): void {
  // Each level takes two bytes or more, so most paths are too short to be too deep.
  if (path.length <= 2 * MAX_PATH_DEPTH) return
  if (path.length > MAX_ODD_NAME_LENGTH) checkNames(path)
  const depth = depthOf(path)
  if (depth > MAX_PATH_DEPTH) throw tooDeep(depth)
}

/** @throws PathError if a component is longer than {@link MAX_ODD_NAME_LENGTH}, and no UTF-8 */
function checkNames(path: string): void {
  let end = 0
  for (let start = 0; start < path.length; start = end + 1) {
    end = path.indexOf('/', start)
    if (end === -1) end = path.length
    const length = end - start
    if (length <= MAX_ODD_NAME_LENGTH || isText(path.slice(start, end))) continue
    throw new PathError(
      `a name that is not UTF-8 is too long (${length} bytes, the limit is ${MAX_ODD_NAME_LENGTH})`,
    )
  }
}

/** How many components an absolute path has. */
export function depthOf(path: string): number {
  let depth = 0
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) depth++
  return depth
}

/** The refusal of a path of so many components. */
export function tooDeep(depth: number): PathError {
  return new PathError(`path is too deep (${depth} levels, the limit is ${MAX_PATH_DEPTH})`)
}
