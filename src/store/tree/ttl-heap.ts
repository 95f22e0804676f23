import type { Lease, Node } from './node.ts'

/**
 * The last time that RFC 3339 can express, in Unix milliseconds; later expiry times are clamped to
 * it.
 */
export const MAX_EXPIRE_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/**
 * Nodes that expire in the same millisecond are ordered by what the store itself says of them, so that
 * every copy of the store expires them in the same order. Equal indexes come only from KRECOVER, and
 * from a directory that was made together with the node below it.
 */
export function isBefore(a: Lease, b: Lease): boolean {
  if (a.expireTime !== b.expireTime) return a.expireTime < b.expireTime
  if (a.createdIndex !== b.createdIndex) return a.createdIndex < b.createdIndex
  return isPathBefore(a.node, b.node)
}

const SLASH = 0x2f

/**
 * Whether the path of a node comes before that of another, bytewise. Makes no paths: many nodes of long
 * paths can expire at once.
 */
export function isPathBefore(a: Node, b: Node): boolean {
  if (a.parent === b.parent && a.parent !== null) return a.name < b.name
  let aboveA = a
  let aboveB = b
  while (isBelowTop(aboveA) && isBelowTop(aboveB)) {
    aboveA = aboveA.parent as Node
    aboveB = aboveB.parent as Node
    if (aboveA === b) return false
    if (aboveB === a) return true
  }
  // One of them may be deeper. From here on, both are looked at in the same depth.
  let x = a
  let y = b
  for (; isBelowTop(aboveA); aboveA = aboveA.parent as Node) x = x.parent as Node
  for (; isBelowTop(aboveB); aboveB = aboveB.parent as Node) y = y.parent as Node
  const isDeeper = y !== b
  let first: [x: Node, y: Node] | undefined
  while (x !== y) {
    if (x.name !== y.name) first = [x, y]
    if (!isBelowTop(x)) break
    x = x.parent as Node
    y = y.parent as Node
  }
  if (first === undefined) return isDeeper
  return isNameBefore(first[0].name, first[0] !== a, first[1].name, first[1] !== b)
}

/** Whether there is a node above that has a name in the node's path. */
function isBelowTop({ parent }: Node): boolean {
  return parent !== null && parent.parent !== null
}

/** Compares different names, each with a slash behind it or not. */
function isNameBefore(a: string, hasSlashA: boolean, b: string, hasSlashB: boolean): boolean {
  if (a < b) return !(hasSlashA && b.startsWith(a)) || SLASH < b.charCodeAt(a.length)
  return hasSlashB && a.startsWith(b) && a.charCodeAt(b.length) < SLASH
}

/** Sorts nodes that have leases: the next to expire comes first. */
export function byLease(a: Node, b: Node): number {
  return isBefore(a.lease as Lease, b.lease as Lease) ? -1 : 1
}

/** Where more than this share of the leases is taken at once, the heap is made anew. */
const LARGE_SHARE = 1 / 8

/** A binary heap of leases, the next to expire on top. Any lease can be moved or removed. */
export class TtlHeap {
  #leases: Lease[] = []

  get size(): number {
    return this.#leases.length
  }

  top(): Lease | undefined {
    return this.#leases[0]
  }

  /** The leases that are due, in no order. @param cutoff Unix milliseconds */
  *due(cutoff: number): Generator<Lease, undefined> {
    const open = [0]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const lease = this.#leases[at]
      // The leases below this one in the heap are due no earlier.
      if (lease === undefined || lease.expireTime > cutoff) continue
      yield lease
      open.push(2 * at + 1, 2 * at + 2)
    }
  }

  /**
   * Gives a node a lease, or changes the lease that it has. Must be called again when the node's
   * `createdIndex` has changed.
   *
   * @param expireTime Unix milliseconds
   */
  set(node: Node, expireTime: number): void {
    const lease = node.lease
    if (lease === null) {
      const fresh: Lease = {
        node,
        expireTime,
        createdIndex: node.createdIndex,
        position: this.#leases.length,
        filePlace: 0,
      }
      node.lease = fresh
      this.insert(fresh)
      return
    }
    lease.expireTime = expireTime
    lease.createdIndex = node.createdIndex
    this.#up(lease)
    this.#down(lease)
  }

  /** Makes a node permanent. */
  remove(node: Node): void {
    const lease = node.lease
    if (lease === null) return
    node.lease = null
    this.#take(lease)
  }

  /** Adds a lease that has been taken from another heap. */
  insert(lease: Lease): void {
    lease.position = this.#leases.length
    this.#leases.push(lease)
    this.#up(lease)
  }

  /** Takes the leases that are due for another heap. Their nodes keep them. @returns them in no order */
  takeDue(cutoff: number): Lease[] {
    const taken = [...this.due(cutoff)]
    if (taken.length < LARGE_SHARE * this.#leases.length) {
      for (const lease of taken) this.#take(lease)
      return taken
    }
    this.#leases = this.#leases.filter(({ expireTime }) => expireTime > cutoff)
    const leases = this.#leases
    for (let i = 0; i < leases.length; i++) leases[i].position = i
    for (let i = (leases.length >> 1) - 1; i >= 0; i--) this.#down(leases[i])
    return taken
  }

  /** Takes the lease on top for another heap. Its node keeps it. */
  takeFirst(): Lease | undefined {
    const first = this.#leases[0]
    if (first !== undefined) this.#take(first)
    return first
  }

  #take(lease: Lease): void {
    const last = this.#leases.pop()
    if (last === undefined || last === lease) return
    this.#put(last, lease.position)
    this.#up(last)
    this.#down(last)
    lease.position = -1
  }

  #put(lease: Lease, position: number): void {
    this.#leases[position] = lease
    lease.position = position
  }

  #up(lease: Lease): void {
    let position = lease.position
    while (position > 0) {
      const parent = (position - 1) >> 1
      if (!isBefore(lease, this.#leases[parent])) break
      this.#put(this.#leases[parent], position)
      position = parent
    }
    this.#put(lease, position)
  }

  #down(lease: Lease): void {
    const size = this.#leases.length
    let position = lease.position
    for (;;) {
      let child = 2 * position + 1
      if (child >= size) break
      if (child + 1 < size && isBefore(this.#leases[child + 1], this.#leases[child])) child++
      if (!isBefore(this.#leases[child], lease)) break
      this.#put(this.#leases[child], position)
      position = child
    }
    this.#put(lease, position)
  }
}
