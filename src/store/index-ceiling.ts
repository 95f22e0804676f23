import { IndexError } from './errors.ts'

/**
 * From this index on, writes are refused, and expiries make no events: half of what a number counts
 * exactly. A million writes a second take 142 years to reach it.
 */
export const INDEX_CEILING = 2 ** 52

/**
 * The highest index that a saved state may have: a write just below the ceiling may go above it,
 * because one that moves a directory, or meets expired nodes, raises the index by one for each node.
 */
export const MAX_SAVED_INDEX = INDEX_CEILING + 2 ** 40

/** A higher counter of a saved state is lowered to this, so that counting goes on exactly. */
export const MAX_SAVED_COUNT = INDEX_CEILING

/**
 * @param writes how many are to be made, of which each raises the index
 * @throws IndexError if they may not follow an index
 */
export function checkIndex(index: number, writes = 1): void {
  if (index + writes > INDEX_CEILING) throw new IndexError(index)
}
