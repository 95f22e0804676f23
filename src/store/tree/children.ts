import { hashOf } from './name-hash.ts'

/** What a directory needs to know of its children. */
export interface Named {
  readonly name: string
}

/** Up to so many children are looked through one by one, without a table. */
const FEW = 8
/** The number of slots that the first table has; always a power of two. */
const FIRST_SLOTS = 16

/**
 * The nodes in a directory, by name.
 *
 * They stand in an array, in no order. Beside it, in one array of 32-bit integers, are an
 * open-addressing hash table of their positions and then the hash of each. A slot holds a position,
 * plus one, in its lower bits, and in the others those of the hash that did not choose the slot: so
 * only a node that is almost certainly the right one is looked at. That counts, since every place in
 * memory that a look-up visits is a wait for the memory: of many keys none is in the cache.
 *
 * A Map of names takes 29 to 57 bytes for each, this 17 to 31.
 */
export class Children<Child extends Named> {
  readonly #nodes: Child[] = []
  /** So many slots, then the hashes of `#nodes`; undefined as long as there are {@link FEW}. */
  #table: Int32Array | undefined
  /** The number of slots less one: the bits of a hash that choose the slot, and of a position. */
  #mask = 0

  get size(): number {
    return this.#nodes.length
  }

  /**
   * All of them, in order of their creation until one is removed: for those who go through them while
   * none is; the others have {@link values}.
   */
  get list(): readonly Child[] {
    return this.#nodes
  }

  get(name: string): Child | undefined {
    return this.find(name, 0, name.length, hashOf(name))
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  /**
   * The child that a component of a path names.
   *
   * @param start where in the path the component begins
   * @param end where it ends, exclusive
   * @param hash what `scanComponent` has found
   */
  find(path: string, start: number, end: number, hash: number): Child | undefined {
    const nodes = this.#nodes
    const table = this.#table
    if (table === undefined) {
      for (const node of nodes) if (isNamed(node, path, start, end)) return node
      return undefined
    }
    const mask = this.#mask
    const tag = hash & ~mask
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = table[at]
      if (slot === 0) return undefined
      if ((slot & ~mask) !== tag) continue
      const node = nodes[(slot & mask) - 1]
      if (isNamed(node, path, start, end)) return node
    }
  }

  /** What {@link likely} reads first: for those who want it in the cache by then. */
  slotAt(hash: number): number {
    return this.#table === undefined ? 0 : this.#table[hash & this.#mask]
  }

  /** The child that most likely has a name of this hash, itself not looked at. */
  likely(hash: number): Child | undefined {
    const table = this.#table
    // Of few children any will do: they lie close together.
    if (table === undefined) return this.#nodes[0]
    const mask = this.#mask
    const tag = hash & ~mask
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = table[at]
      if (slot === 0) return undefined
      if ((slot & ~mask) === tag) return this.#nodes[(slot & mask) - 1]
    }
  }

  /** @param node one whose name no other child has */
  add(node: Child): void {
    const position = this.#nodes.length
    const slots = this.#mask + 1
    if (this.#table === undefined ? position === FEW : position === roomFor(slots)) {
      this.#resize(Math.max(FIRST_SLOTS, 2 * slots))
    }
    this.#nodes.push(node)
    if (this.#table !== undefined) this.#enter(this.#table, position, hashOf(node.name))
  }

  /** In the place of the node comes the last one. Does nothing if it is not here. */
  remove(node: Child): void {
    const nodes = this.#nodes
    const table = this.#table
    const lastPosition = nodes.length - 1
    if (table === undefined) {
      const position = nodes.indexOf(node)
      if (position === -1) return
      nodes[position] = nodes[lastPosition]
      nodes.pop()
      return
    }
    const hash = hashOf(node.name)
    const slot = this.#slotOf(table, hash, node)
    if (slot === -1) return
    const slots = this.#mask + 1
    const position = (table[slot] & this.#mask) - 1
    this.#vacate(table, slot)
    if (position !== lastPosition) {
      const last = nodes[lastPosition]
      const lastHash = table[slots + lastPosition]
      table[this.#slotOf(table, lastHash, last)] = (lastHash & ~this.#mask) | (position + 1)
      table[slots + position] = lastHash
      nodes[position] = last
    }
    nodes.pop()
    if (nodes.length < roomFor(slots) >> 2) this.#resize(slots >> 1)
  }

  /**
   * All children. Whatever is added and removed meanwhile, each that stays is met, for it goes down
   * from the end: what takes the place of a removed one comes from above. What is added is not met,
   * and some may be met twice.
   */
  *values(): Generator<Child, undefined> {
    for (let i = this.#nodes.length - 1; i >= 0; i--) {
      // Many may have been removed.
      if (i < this.#nodes.length) yield this.#nodes[i]
    }
  }

  /** Puts the position of a node into the table. */
  #enter(table: Int32Array, position: number, hash: number): void {
    const mask = this.#mask
    let at = hash & mask
    while (table[at] !== 0) at = (at + 1) & mask
    table[at] = (hash & ~mask) | (position + 1)
    table[mask + 1 + position] = hash
  }

  /** Where in the table a node's position is; -1 if the node is not here. */
  #slotOf(table: Int32Array, hash: number, node: Child): number {
    const mask = this.#mask
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = table[at]
      if (slot === 0) return -1
      if (this.#nodes[(slot & mask) - 1] === node) return at
    }
  }

  /** Empties a slot, moving up those after it that would not be found behind a free one. */
  #vacate(table: Int32Array, slot: number): void {
    const mask = this.#mask
    let free = slot
    for (let at = (slot + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const home = table[mask + (table[at] & mask)] & mask
      // From its home on, one comes to the free slot before this one.
      if (((at - home) & mask) < ((at - free) & mask)) continue
      table[free] = table[at]
      free = at
    }
    table[free] = 0
  }

  /** Makes another table; none where that would be smaller than the first. */
  #resize(slots: number): void {
    const old = this.#table
    const oldSlots = this.#mask + 1
    this.#table = slots < FIRST_SLOTS ? undefined : new Int32Array(slots + roomFor(slots))
    this.#mask = slots < FIRST_SLOTS ? 0 : slots - 1
    if (this.#table === undefined) return
    for (let i = 0; i < this.#nodes.length; i++) {
      const hash = old === undefined ? hashOf(this.#nodes[i].name) : old[oldSlots + i]
      this.#enter(this.#table, i, hash)
    }
  }
}

/** How many children so many slots are for. */
function roomFor(slots: number): number {
  return (slots >> 2) * 3
}

/** Whether a component of a path is the name of a node. */
function isNamed({ name }: Named, path: string, start: number, end: number): boolean {
  const { length } = name
  return (
    length === end - start &&
    (length === path.length ? name === path : path.startsWith(name, start))
  )
}
