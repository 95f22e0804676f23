import { randomBytes } from '../../text/random-bytes.ts'

const SLASH = 47

/** Hashes are random in each process, so that nobody can prepare names that all hash alike. */
const random = randomBytes(8)
/** Every hash begins with it. */
const SEED = random.readInt32LE(0)
/** Every step multiplies by it; odd, so that no bit is lost. */
const FACTOR = random.readInt32LE(4) | 1

/** The hash of a longer component is kept: V8 compares two texts of that length in a tenth of the time. */
const MIN_KEPT_BYTES = 256

/** A component of a path, as {@link scanComponent} leaves it. */
export interface Component {
  /** Its end in the path: a slash, or the path's end. */
  end: number
  /** 32 bits, every one of which depends on the whole name. */
  hash: number
}

/** The component scanned last. There is only one, so that a walk down a path makes no objects. */
export const component: Component = { end: 0, hash: 0 }

/**
 * Finds the end and the hash of a component in one pass, and leaves them in {@link component}.
 *
 * V8 compiles this loop to a few machine instructions a character. `indexOf`, `slice` and the hash
 * that a Map computes would be three calls.
 *
 * @param path bytes, one a character
 * @param start where the component begins
 */
export function scanComponent(path: string, start: number): void {
  if (path.length > MIN_KEPT_BYTES) scanLong(path, start)
  else scan(path, start)
}

/** The path with a long component that was scanned last: each write looks for its path several times. */
let longPath = ''
let longStart = 0
let longEnd = 0
let longHash = 0

function scanLong(path: string, start: number): void {
  if (start === longStart && path === longPath) {
    component.end = longEnd
    component.hash = longHash
    return
  }
  scan(path, start)
  const { end, hash } = component
  if (end - start <= MIN_KEPT_BYTES) return
  longPath = path
  longStart = start
  longEnd = end
  longHash = hash
}

function scan(path: string, start: number): void {
  let hash = SEED
  let end = start
  for (; end < path.length; end++) {
    const byte = path.charCodeAt(end)
    if (byte === SLASH) break
    hash = Math.imul(hash ^ byte, FACTOR)
    hash ^= hash >>> 15
  }
  component.end = end
  component.hash = hash
}

/**
 * Like {@link scanComponent}, but reads the path from the received bytes: several times as fast as
 * reading a string that is cut from another one.
 *
 * @param end where the path ends, exclusive
 */
export function scanBytes(bytes: Uint8Array, start: number, end: number): void {
  let hash = SEED
  let at = start
  for (; at < end; at++) {
    const byte = bytes[at]
    if (byte === SLASH) break
    hash = Math.imul(hash ^ byte, FACTOR)
    hash ^= hash >>> 15
  }
  component.end = at
  component.hash = hash
}

/** The hash of a whole name; the same as {@link scanComponent} finds. */
export function hashOf(name: string): number {
  scanComponent(name, 0)
  return component.hash
}
