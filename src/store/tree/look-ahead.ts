import { component, scanBytes } from './name-hash.ts'
import type { DirectoryNode, Node } from './node.ts'

/** So many paths are followed side by side. */
const GROUP = 64
/** Fewer are not worth it. */
const LEAST = 4
/** Of no more requests the nodes found are kept. */
const MAX_FOUND = 512
/** Longer paths are not followed: reading them twice would cost more than it saves. */
const LONGEST = 256
const SLASH = 47

// Where each path of a group has come to; kept, so that a group makes no garbage.
const requestOf = new Int32Array(GROUP)
const starts = new Int32Array(GROUP)
const ends = new Int32Array(GROUP)
const hashes = new Int32Array(GROUP)
const directories = new Array<DirectoryNode | undefined>(GROUP).fill(undefined)
const nodes = new Array<Node | undefined>(GROUP).fill(undefined)

/** Requests that have come together, as far as their paths are concerned. */
export interface PathBatch {
  /** How many requests there are. */
  readonly count: number
  /** The bytes that they have come as. */
  readonly bytes: Uint8Array
  /** Each with its command's name and then, perhaps, a path. */
  readonly requests: readonly (readonly string[])[]
  /** Where in the bytes what may be a path begins and ends, in turn. */
  readonly bounds: Int32Array
}

/** What the walks have read; without a use of it the compiler would leave the reading out. */
let read = 0

/**
 * Follows the paths of many requests side by side, step by step, so that all that they will read is
 * in the cache when they come, and remembers what it has found. One look-up waits for the memory
 * three to five times, each time for what the wait before has brought; of many at once the
 * processor does the waiting at one go.
 */
export class LookAhead {
  #requests: PathBatch['requests'] = []
  readonly #found = new Array<Node | undefined>(MAX_FOUND).fill(undefined)
  /** Those at and after this one are yet to be asked for. */
  #next = 0
  #count = 0
  /** What the path of a node found lately begins with, up to its name: most that follow do so, too. */
  readonly #prefix = new Uint8Array(LONGEST)
  #prefixLength = 0
  /** Where it leads; undefined if it is not known. */
  #prefixDirectory: DirectoryNode | undefined

  /** @param batch good until {@link forget}; anything in it that is no path does no harm */
  follow(root: DirectoryNode, batch: PathBatch): void {
    this.#next = this.#count = 0
    if (batch.count < LEAST) return
    const count = Math.min(batch.count, MAX_FOUND)
    for (let i = 0; i < count; i++) this.#found[i] = undefined
    this.#requests = batch.requests
    this.#count = count
    for (let from = 0; from < count; from += GROUP) {
      let left = this.#begin(root, batch, from, Math.min(count, from + GROUP))
      while (left > 0) left = this.#step(batch, left)
    }
    const last = this.#found[count - 1]
    if (last !== undefined) this.#keepPrefix(last, root, batch, count - 1)
  }

  /**
   * The node at a path, if it was found there and is there still. Whoever asks has to look whether
   * its own time has passed; on the way to it nothing expires.
   *
   * @param path one of those followed, in their order; some may be left out
   * @returns undefined if it is not known
   */
  find(path: string): Node | undefined {
    let at = this.#next
    if (this.#count === 0) return undefined
    if (at < this.#count && this.#requests[at][1] === path) this.#next++
    // One request may ask more than once. That it is another string shows by its first bytes, mostly.
    else if (at === 0 || this.#requests[--at][1] !== path) return this.#skipTo(path)
    const node = this.#found[at]
    return node !== undefined && node.parent !== null ? node : undefined
  }

  /** The one after the next, if that is it: the next one has not been asked for. */
  #skipTo(path: string): Node | undefined {
    const at = this.#next + 1
    // All have been asked for, and something else is asked for now.
    if (at > this.#count) this.#count = 0
    if (at >= this.#count || this.#requests[at][1] !== path) return undefined
    this.#next = at
    return this.find(path)
  }

  /**
   * To be called when a directory has been moved, taken out or is to expire, and when the batch is used
   * for other requests.
   */
  forget(): void {
    this.#count = 0
    this.#prefixDirectory = undefined
  }

  /** Drops all nodes, when the tree is replaced: one of them would keep the whole former tree alive. */
  clear(): void {
    this.forget()
    this.#found.fill(undefined)
    this.#requests = []
    nodes.fill(undefined)
    directories.fill(undefined)
  }

  /** @returns how many paths there are to follow */
  #begin(root: DirectoryNode, batch: PathBatch, from: number, to: number): number {
    const { bytes, requests, bounds } = batch
    let count = 0
    for (let i = from; i < to; i++) {
      const end = bounds[2 * i + 1]
      const length = requests[i].length > 1 ? end - bounds[2 * i] : 0
      if (length === 0 || length > LONGEST) continue
      const start = firstName(bytes, bounds[2 * i])
      const known = this.#prefixDirectory
      const fits = known !== undefined && this.#hasPrefix(bytes, start, end)
      requestOf[count] = i
      starts[count] = fits ? start + this.#prefixLength : start
      directories[count++] = fits ? known : root
    }
    return count
  }

  #hasPrefix(bytes: Uint8Array, start: number, end: number): boolean {
    const length = this.#prefixLength
    if (end - start <= length) return false
    for (let i = 0; i < length; i++) if (bytes[start + i] !== this.#prefix[i]) return false
    return true
  }

  /** @param request which one has led to the node */
  #keepPrefix(node: Node, root: DirectoryNode, batch: PathBatch, request: number): void {
    const { parent } = node
    if (parent === null || parent === root || parent === this.#prefixDirectory) return
    const { bytes, bounds } = batch
    const start = firstName(bytes, bounds[2 * request])
    const end = bounds[2 * request + 1] - node.name.length
    this.#prefixLength = end - start
    this.#prefixDirectory = parent
    for (let i = start; i < end; i++) this.#prefix[i - start] = bytes[i]
  }

  /**
   * Goes one level down. Each loop reads what the one before has asked for, and so none of its rounds
   * waits for another.
   *
   * @returns how many paths go on
   */
  #step({ bytes, bounds }: PathBatch, count: number): number {
    for (let i = 0; i < count; i++) {
      scanBytes(bytes, starts[i], bounds[2 * requestOf[i] + 1])
      ends[i] = component.end
      hashes[i] = component.hash
      read += (directories[i] as DirectoryNode).children.slotAt(component.hash)
    }
    for (let i = 0; i < count; i++) {
      nodes[i] = (directories[i] as DirectoryNode).children.likely(hashes[i])
    }
    for (let i = 0; i < count; i++) {
      const node = nodes[i]
      if (node === undefined) continue
      read = (read + node.name.length) | 0
      if (!node.dir) read = (read + node.value.length) | 0
    }
    let left = 0
    for (let i = 0; i < count; i++) {
      const node = nodes[i]
      const request = requestOf[i]
      if (node === undefined || !isNamed(node, bytes, starts[i], ends[i])) continue
      if (ends[i] === bounds[2 * request + 1]) {
        this.#found[request] = node
      } else if (node.dir && node.lease === null) {
        requestOf[left] = request
        starts[left] = ends[i] + 1
        directories[left++] = node
      }
    }
    return left
  }
}

/** Where a path's first name begins: a slash in front may be left out. */
function firstName(bytes: Uint8Array, start: number): number {
  return bytes[start] === SLASH ? start + 1 : start
}

/** Whether a component of a path is the name of a node. */
function isNamed({ name }: Node, bytes: Uint8Array, start: number, end: number): boolean {
  const { length } = name
  if (length !== end - start) return false
  for (let i = 0; i < length; i++) if (name.charCodeAt(i) !== bytes[start + i]) return false
  return true
}
