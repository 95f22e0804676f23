import { ownCopy } from '../path.ts'
import { hashOf } from './name-hash.ts'

/** So many names are remembered, a power of two, */
const REMEMBERED = 4096
/** none longer than this, in bytes: those that many nodes have are short. */
const LONGEST = 64

/** Each at a place that its hash tells. */
const remembered: string[] = new Array(REMEMBERED).fill('')

/**
 * A name for a node to keep: one string for all nodes of that name, where it has been met lately. In
 * a tree many directories have the same names in them (`/users/123/email`); a string takes 24 bytes
 * at the least.
 *
 * @param name bytes, one a character; may be cut from a path
 */
export function keptName(name: string): string {
  if (name.length > LONGEST) return ownCopy(name)
  const place = hashOf(name) & (REMEMBERED - 1)
  const known = remembered[place]
  if (known === name) return known
  const own = ownCopy(name)
  remembered[place] = own
  return own
}
