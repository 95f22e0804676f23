import { ownCopy } from '../path.ts'
import { hashOf } from './name-hash.ts'

/** How many names are remembered; a power of two. */
const MAX_NAMES = 4096
/** Longer names are not remembered, because names that many nodes share are short. */
const MAX_NAME_LENGTH = 64

/** Names that have come more than once lately, each at a place that its hash chooses. */
const names: string[] = new Array(MAX_NAMES).fill('')
/** The hash of the last name of each place. */
const hashes = new Int32Array(MAX_NAMES)

/**
 * A name for a node to keep.
 *
 * Problem: many directories have the same names in them (`/users/123/email`), and each string takes
 * 24 bytes or more. A name cut from a path also keeps the whole path in memory.
 *
 * Trick: nodes of the same name share one string, if the name has been used lately. A name that comes for the first
 * time leaves only its hash: to keep it, and to compare it with the one before, takes longer than all else here.
 *
 * Price: a hash and a comparison for each new node.
 *
 * Gain: see bench/HISTORY.md.
 *
 * Can be deleted by calling `ownCopy` instead.
 *
 * @param name bytes, one a character; may be cut from a path
 */
export function keptName(name: string): string {
  if (name.length > MAX_NAME_LENGTH) return ownCopy(name)
  const hash = hashOf(name)
  const place = hash & (MAX_NAMES - 1)
  if (hashes[place] !== hash) {
    hashes[place] = hash
    return ownCopy(name)
  }
  const known = names[place]
  if (known === name) return known
  const own = ownCopy(name)
  names[place] = own
  return own
}
