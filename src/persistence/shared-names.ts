import { getHeapStatistics } from 'node:v8'
import { hashOf } from '../store/tree/name-hash.ts'

/** The table's first length; a power of two. */
const FIRST_PLACES = 1024
const BYTES_PER_PLACE = 8
/** The table may take this part of the heap: it then has a place for nearly as many names as fit into the heap. */
const HEAP_PART = 16

/** The most places, a power of two. */
function mostPlaces(): number {
  const places = getHeapStatistics().heap_size_limit / HEAP_PART / BYTES_PER_PLACE
  return Math.max(FIRST_PLACES, 2 ** Math.floor(Math.log2(places)))
}

/**
 * The names of a tree that is being loaded, each once.
 *
 * Problem: a checkpoint is read directory by directory. If 200 directories have the same 6,000 names, each name
 * comes again after all others, when `keptName`, with its 4,096 places, has forgotten it. Each node then has a
 * name of its own, and a start needs more heap than the server had that wrote them name by name.
 *
 * Trick: a hash table of all names, for as long as the tree is loaded. It grows up to a sixteenth of the heap;
 * when it is full, a new name takes the place of another.
 *
 * Price: 8 to 24 bytes a name until the tree is loaded; a hash and a comparison for each node.
 *
 * Gain: 6,100 names of 64 bytes, each in 200 directories: 117 MB of heap after a start instead of 190 MB.
 *
 * Can be deleted by calling `keptName` instead.
 */
export class SharedNames {
  readonly #most: number
  #names: (string | undefined)[] = new Array(FIRST_PLACES).fill(undefined)
  #count = 0

  /** @param most the most places; a power of two */
  constructor(most = mostPlaces()) {
    this.#most = most
  }

  /** How many names are in the table. */
  get count(): number {
    return this.#count
  }

  /**
   * The first of all equal strings that were given.
   *
   * @param name bytes, one a character; not cut from another string
   */
  share(name: string): string {
    const home = hashOf(name)
    const last = this.#names.length - 1
    let place = home & last
    for (let known = this.#names[place]; known !== undefined; known = this.#names[place]) {
      if (known === name) return known
      place = (place + 1) & last
    }
    // A quarter of the places stays empty, so that each search ends soon.
    if (this.#count < (this.#names.length >> 2) * 3) this.#count++
    else if (this.#names.length < this.#most) {
      this.#grow()
      return this.share(name)
    } else place = home & last
    this.#names[place] = name
    return name
  }

  /** Forgets all names, because those that come later are of something else. */
  clear(): void {
    this.#names = new Array(FIRST_PLACES).fill(undefined)
    this.#count = 0
  }

  #grow(): void {
    const old = this.#names
    const last = 2 * old.length - 1
    const names: (string | undefined)[] = new Array(last + 1).fill(undefined)
    for (const name of old) {
      if (name === undefined) continue
      let place = hashOf(name) & last
      while (names[place] !== undefined) place = (place + 1) & last
      names[place] = name
    }
    this.#names = names
  }
}
