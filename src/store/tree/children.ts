import { FormerTable } from './former-table.ts'
import { occupy, replace, takeOut } from './hash-slots.ts'
import { hashOf } from './name-hash.ts'

/** What a directory needs to know of its children. */
export interface Named {
  readonly name: string
}

/** Up to this number, children are searched one by one, without a table. */
const MAX_WITHOUT_TABLE = 8
/** The slots of the smallest table; every table has a power of two. */
const MIN_SLOTS = 16
/** The children of a table with more slots are moved to another table bit by bit. */
const MOST_AT_ONCE = 65_536

/**
 * The nodes in a directory, by name.
 *
 * Problem: with many keys, none is in the processor's cache, so a look-up waits for the memory at
 * every place that it visits. A Map visits several, and takes 29 to 57 bytes a name.
 *
 * Trick: the nodes stand in an array, in no order. Beside it, one array of 32-bit integers holds an
 * open-addressing hash table, and after it the hash of each node's name. The lower bits of a slot
 * hold the node's position plus one; the upper bits hold the bits of the hash that did not choose
 * the slot. A look-up therefore visits a slot, and then almost certainly the right node.
 *
 * Price: adding, removing and resizing are written out here and in `hash-slots.ts`. The order of the children is lost.
 *
 * Gain: 17 to 31 bytes a name; for the time see bench/HISTORY.md.
 *
 * Can be deleted by keeping a Map from names to nodes, with `slotAt` and `likely` removed together
 * with the look-ahead, their only user.
 */
export class Children<Child extends Named> {
  readonly #nodes: Child[] = []
  /** The slots, then the hashes of `#nodes`; undefined up to {@link MAX_WITHOUT_TABLE} nodes. */
  #table: Int32Array | undefined
  /** The number of slots minus one. Masks the bits of a hash that choose a slot, and a position. */
  #mask = 0
  /** Where those are that have not been moved to the table. */
  #former: FormerTable | undefined

  get size(): number {
    return this.#nodes.length
  }

  /**
   * All children, in order of creation until one is removed. A loop that removes children uses
   * {@link values} instead.
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
   * @param hash from `scanComponent`
   */
  find(path: string, start: number, end: number, hash: number): Child | undefined {
    const nodes = this.#nodes
    const table = this.#table
    if (table === undefined) {
      for (const node of nodes) if (isNamed(node, path, start, end)) return node
      return undefined
    }
    const found = this.#findIn(table, this.#mask, path, start, end, hash)
    if (found !== undefined || this.#former === undefined) return found
    return this.#findIn(this.#former.table, this.#former.mask, path, start, end, hash)
  }

  /** The slot that {@link likely} reads first; reading it brings it into the processor's cache. */
  slotAt(hash: number): number {
    return this.#table === undefined ? 0 : this.#table[hash & this.#mask]
  }

  /** The child whose name most likely has this hash; does not read the child itself. */
  likely(hash: number): Child | undefined {
    const table = this.#table
    // Without a table there are few children, close together in memory, so any of them will do.
    if (table === undefined) return this.#nodes[0]
    const mask = this.#mask
    const tag = hash & ~mask
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = table[at]
      if (slot === 0) return undefined
      if ((slot & ~mask) === tag) return this.#nodes[(slot & mask) - 1]
    }
  }

  /** @param node its name must not be taken */
  add(node: Child): void {
    const position = this.#nodes.length
    const slots = this.#mask + 1
    if (
      this.#table === undefined ? position === MAX_WITHOUT_TABLE : position === capacityOf(slots)
    ) {
      this.#resize(Math.max(MIN_SLOTS, 2 * slots))
    }
    this.#nodes.push(node)
    if (this.#table === undefined) return
    const hash = hashOf(node.name)
    occupy(this.#table, this.#mask, position, hash)
    if (this.#former !== undefined) this.#moveSome(this.#former, this.#table)
  }

  /** Puts the last child in the place of the removed one. Does nothing if the node is not here. */
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
    const position = this.#takeOut(table, node)
    if (position === -1) return
    const slots = this.#mask + 1
    if (position !== lastPosition) {
      const last = nodes[lastPosition]
      const isHere = this.#former === undefined
      this.#replace(table, last, isHere ? table[slots + lastPosition] : hashOf(last.name), position)
      nodes[position] = last
    }
    nodes.pop()
    if (this.#former !== undefined) this.#moveSome(this.#former, table)
    if (nodes.length < capacityOf(slots) >> 2) this.#resize(slots >> 1)
  }

  /**
   * All children, while some are added and removed. A child that stays is visited at least once,
   * because the loop goes down from the end, and a child that takes the place of a removed one comes
   * from above. A child that is added is not visited; some may be visited twice.
   */
  *values(): Generator<Child, undefined> {
    for (let i = this.#nodes.length - 1; i >= 0; i--) {
      // More than one may have been removed since the last step.
      if (i < this.#nodes.length) yield this.#nodes[i]
    }
  }

  #findIn(
    table: Int32Array,
    mask: number,
    path: string,
    start: number,
    end: number,
    hash: number,
  ): Child | undefined {
    const nodes = this.#nodes
    const tag = hash & ~mask
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = table[at]
      if (slot === 0) return undefined
      if ((slot & ~mask) !== tag) continue
      const node = nodes[(slot & mask) - 1]
      if (isNamed(node, path, start, end)) return node
    }
  }

  /** Takes a node out of the table that it is in. @returns its position; -1 if it is not here */
  #takeOut(table: Int32Array, node: Child): number {
    const hash = hashOf(node.name)
    const position = takeOut(table, this.#mask, this.#nodes, hash, node)
    if (position !== -1 || this.#former === undefined) return position
    return takeOut(this.#former.table, this.#former.mask, this.#nodes, hash, node)
  }

  /** Gives a node, which is here, another position. */
  #replace(table: Int32Array, node: Child, hash: number, position: number): void {
    if (replace(table, this.#mask, this.#nodes, hash, node, position)) return
    const { table: former, mask } = this.#former as FormerTable
    replace(former, mask, this.#nodes, hash, node, position)
  }

  #moveSome(former: FormerTable, table: Int32Array): void {
    if (former.move(table, this.#mask)) this.#former = undefined
  }

  /** Makes another table; none if it would be smaller than {@link MIN_SLOTS}. */
  #resize(slots: number): void {
    const nodes = this.#nodes
    const old = this.#table
    const oldMask = this.#mask
    const table = slots < MIN_SLOTS ? undefined : new Int32Array(slots + capacityOf(slots))
    this.#table = table
    this.#mask = table === undefined ? 0 : slots - 1
    if (table === undefined) return
    if (old !== undefined && oldMask >= MOST_AT_ONCE) {
      this.#former = new FormerTable(old, oldMask)
      return
    }
    for (let i = 0; i < nodes.length; i++) {
      const hash = old === undefined ? hashOf(nodes[i].name) : old[oldMask + 1 + i]
      occupy(table, this.#mask, i, hash)
    }
  }
}

/** How many children a table takes before it grows. */
function capacityOf(slots: number): number {
  return (slots >> 2) * 3
}

/** Whether a component of a path is the node's name. */
function isNamed({ name }: Named, path: string, start: number, end: number): boolean {
  const { length } = name
  return (
    length === end - start &&
    (length === path.length ? name === path : path.startsWith(name, start))
  )
}
