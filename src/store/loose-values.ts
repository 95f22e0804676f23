/**
 * Problem: replies that wait to be read refer to values of the tree, and do not copy them. While the tree has a
 * value, a reply keeps nothing alive by that; once the value has been replaced, the reply keeps all of it. Which
 * values the tree still has nobody can tell from the values: two equal strings look like one.
 *
 * Trick: the bytes that leave the tree are counted, and each reply notes the count at which it was made. Replies
 * cannot keep more bytes alive that the tree has no more than have left it since the oldest of them was made, and not
 * more than they refer to. So 80 replies that refer to one value of 60 MB count nothing while it is in the tree, and
 * 60 MB once it has been replaced.
 *
 * Price: an addition for each value that leaves the tree. Both bounds are upper ones: a value may have left the tree
 * that no reply refers to.
 *
 * Gain: clients that do not read are found and disconnected before what they keep fills the heap
 * (docs/decisions/0014). To delete it: have replies copy values, as Redis does.
 *
 * @module
 */
import type { Value } from './value.ts'

/** A place in the count that comes after all others. */
export const NEVER = Number.POSITIVE_INFINITY

/** Counts the bytes of values, and of names, that have left the trees of this process, or never were in one. */
class LooseValues {
  #bytes = 0
  /** Where all values have left at once. */
  #clearedAt = 0

  /** The count now. */
  get mark(): number {
    return this.#bytes
  }

  /** Counts what has left the tree, or what a reply refers to that never was in it. */
  add(bytes: number): void {
    this.#bytes += bytes
  }

  /** Counts that a whole tree has gone. */
  addAll(): void {
    this.#clearedAt = ++this.#bytes
  }

  /** How many bytes have been counted since a mark, at most. */
  since(mark: number): number {
    if (mark === NEVER) return 0
    return mark < this.#clearedAt ? Number.POSITIVE_INFINITY : this.#bytes - mark
  }
}

/** One for the process, because a reply does not know which tree it shows. */
export const looseValues = new LooseValues()

type Referred = readonly (Value | null | undefined)[]

/** How many bytes of names and values something refers to. They are counted when somebody asks for the first time. */
export class References {
  readonly #lists: readonly Referred[]
  #all = 0
  #heap = 0
  #isCounted = false

  /** @param lists must not change once they are counted */
  constructor(...lists: readonly Referred[]) {
    this.#lists = lists
  }

  get all(): number {
    this.#count()
    return this.#all
  }

  /** How much of that lies in V8's heap: what is in Buffers does not. */
  get heap(): number {
    this.#count()
    return this.#heap
  }

  #count(): void {
    if (this.#isCounted) return
    this.#isCounted = true
    for (const list of this.#lists) {
      for (const value of list) {
        if (value === null || value === undefined) continue
        this.#all += value.length
        if (typeof value === 'string') this.#heap += value.length
      }
    }
  }
}
