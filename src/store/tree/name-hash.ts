import { randomBytes } from '../../text/random-bytes.ts'

const SLASH = 47

/**
 * What the hashes of this process begin with and are multiplied by, the latter odd so that no bit
 * is lost: random, so that nobody can prepare names that all hash alike.
 */
const random = randomBytes(8)
const SEED = random.readInt32LE(0)
const FACTOR = random.readInt32LE(4) | 1

/** A component of a path, as {@link scanComponent} leaves it. */
export interface Component {
  /** Where in the path it ends: at a slash, or at the path's end. */
  end: number
  /** 32 bits, every one of which depends on the whole name. */
  hash: number
}

/** The one last scanned. There is but one, so that a walk down a path makes no objects. */
export const component: Component = { end: 0, hash: 0 }

/**
 * Finds the end and the hash of a component in one pass; the results are in {@link component}.
 *
 * Written for V8: a loop over `charCodeAt` of a flat string becomes a few machine instructions a
 * character, where `indexOf`, `slice` and a Map's hash of the slice are three calls.
 *
 * @param path bytes, one a character
 * @param start where the component begins
 */
export function scanComponent(path: string, start: number): void {
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
 * {@link scanComponent} of a path that is still among the bytes that have come: reading those is
 * several times as fast as reading a string that is cut from another one.
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

/** The hash of a whole name, as {@link scanComponent} finds it. */
export function hashOf(name: string): number {
  scanComponent(name, 0)
  return component.hash
}
