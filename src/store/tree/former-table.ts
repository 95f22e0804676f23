import { occupy, vacate } from './hash-slots.ts'

/** How many slots are emptied for each child that comes or goes. */
export const MOVED_PER_CHANGE = 16

/**
 * What is left in the hash table of a directory that has got a larger or a smaller one.
 *
 * Problem: with six million children in a directory, the one that makes the table too small would move them all, at some 0.3 µs each,
 * and everybody waits.
 *
 * Trick: as Redis does with its dictionaries, both tables stay, each child is in one of them, and each that comes or goes has
 * some more move. The move is over before the next table is needed.
 *
 * Price: meanwhile a name that the new table does not have is looked for in this one, too.
 *
 * Can be deleted by having `Children` move all of them when it makes a table.
 */
export class FormerTable {
  readonly table: Int32Array
  readonly mask: number
  /** The slots before it are empty. */
  #next = 0

  constructor(table: Int32Array, mask: number) {
    this.table = table
    this.mask = mask
  }

  /**
   * Moves some children to the present table.
   *
   * @param present the table that the directory has now
   * @returns whether nothing is left
   */
  move(present: Int32Array, presentMask: number): boolean {
    const { table, mask } = this
    const end = Math.min(this.#next + MOVED_PER_CHANGE, mask + 1)
    for (; this.#next < end; this.#next++) {
      // One that stands after it may move up.
      for (let slot = table[this.#next]; slot !== 0; slot = table[this.#next]) {
        const position = (slot & mask) - 1
        occupy(present, presentMask, position, table[mask + 1 + position])
        vacate(table, mask, this.#next)
      }
    }
    return end === mask + 1
  }
}
