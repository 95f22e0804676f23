/*
 * Positions in an open-addressing hash table with linear probing. The lower bits of a slot hold a position plus one, the upper
 * bits those of the hash that did not choose the slot; an empty slot is 0. Behind the slots stands the hash of each position. The
 * mask is the number of slots minus one.
 */

/** Puts a position into the first free slot. */
export function occupy(table: Int32Array, mask: number, position: number, hash: number): void {
  let at = hash & mask
  while (table[at] !== 0) at = (at + 1) & mask
  write(table, mask, at, position, hash)
}

/** Puts a position into a slot. @param hash that led to the slot */
function write(table: Int32Array, mask: number, at: number, position: number, hash: number): void {
  table[at] = (hash & ~mask) | (position + 1)
  table[mask + 1 + position] = hash
}

/** The slot that holds a node's position; -1 if there is none. @param nodes by their positions */
function slotOf<Node>(
  table: Int32Array,
  mask: number,
  nodes: readonly Node[],
  hash: number,
  node: Node,
): number {
  for (let at = hash & mask; ; at = (at + 1) & mask) {
    const slot = table[at]
    if (slot === 0) return -1
    if (nodes[(slot & mask) - 1] === node) return at
  }
}

/** Takes a node out. @returns its position; -1 if it is not here */
export function takeOut<Node>(
  table: Int32Array,
  mask: number,
  nodes: readonly Node[],
  hash: number,
  node: Node,
): number {
  const at = slotOf(table, mask, nodes, hash, node)
  if (at === -1) return -1
  const position = (table[at] & mask) - 1
  vacate(table, mask, at)
  return position
}

/** Gives a node another position. @returns false if it is not here */
export function replace<Node>(
  table: Int32Array,
  mask: number,
  nodes: readonly Node[],
  hash: number,
  node: Node,
  position: number,
): boolean {
  const at = slotOf(table, mask, nodes, hash, node)
  if (at === -1) return false
  write(table, mask, at, position, hash)
  return true
}

/** Empties a slot, and moves up the slots after it that a search would no longer reach. */
export function vacate(table: Int32Array, mask: number, slot: number): void {
  let free = slot
  for (let at = (slot + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
    const home = table[mask + (table[at] & mask)] & mask
    // A search that begins at its home does not pass the free slot.
    if (((at - home) & mask) < ((at - free) & mask)) continue
    table[free] = table[at]
    free = at
  }
  table[free] = 0
}
