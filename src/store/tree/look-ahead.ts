import type { Value } from '../value.ts'
import { component, scanBytes } from './name-hash.ts'
import type { DirectoryNode, Node } from './node.ts'

/** How many paths are followed side by side. */
const GROUP = 64
/** With fewer files, most nodes are in the processor's cache anyway. */
export const MIN_FILES_TO_LOOK_AHEAD = 10_000
/** A smaller batch is not worth it. */
const MIN_REQUESTS = 4
/** The requests of a batch after these are not followed. */
const MAX_REQUESTS = 512
/** Longer paths are not followed, because reading them twice would cost more than it saves. */
const MAX_PATH_BYTES = 256
const SLASH = 47

// How far each path of a group has been followed. The arrays are reused, so that a group makes no
// garbage.
const requestOf = new Int32Array(GROUP)
const starts = new Int32Array(GROUP)
const ends = new Int32Array(GROUP)
const hashes = new Int32Array(GROUP)
const directories = new Array<DirectoryNode | undefined>(GROUP).fill(undefined)
const nodes = new Array<Node | undefined>(GROUP).fill(undefined)

/** The paths of requests that have arrived together. */
export interface PathBatch {
  /** The number of requests. */
  readonly count: number
  /** The bytes that the requests were read from. */
  readonly bytes: Uint8Array
  /** Each begins with a command's name, and then perhaps a path. */
  /** For each request, where in the bytes its first argument begins and ends: it may be a path. */
  readonly requests: readonly (readonly Value[])[]
  readonly bounds: Int32Array
}

/** The sum of all that the walks have read. Without this use, V8 would leave the reading out. */
let read = 0

/**
 * Finds the nodes of many requests before the requests run.
 *
 * Problem: with many keys, one look-up waits for the memory three to five times, and each wait needs
 * the result of the one before.
 *
 * Trick: the paths of a batch are followed side by side, one level of the tree at a time. Walking
 * many paths together overlaps their cache misses. The nodes found are remembered in the order of
 * the requests, so that {@link find} mostly compares one path.
 *
 *     level 1    slots of all paths  ─▶  children of all paths  ─▶  names and values of all paths
 *     level 2    the same, for the paths that go on
 *
 * Price: the paths are scanned and compared a second way here. Every removal or move of a directory
 * has to call {@link forget}. A small tree, which the cache holds, gains nothing.
 *
 * Gain: without it a request of a pipeline of 16 takes 29 to 49 % more processor time, with 100,000
 * keys (bench/HISTORY.md).
 *
 * Can be deleted by deleting this file, with `Tree.lookAhead`, the calls of `#ahead` in `Tree`, and
 * `slotAt` and `likely` in `Children`.
 */
export class LookAhead {
  #requests: PathBatch['requests'] = []
  readonly #found = new Array<Node | undefined>(MAX_REQUESTS).fill(undefined)
  /** The first request that {@link find} has not been asked for yet. */
  #next = 0
  #count = 0
  /** The path of a recent node up to its name, because most paths that follow begin with it too. */
  readonly #prefix = new Uint8Array(MAX_PATH_BYTES)
  #prefixLength = 0
  /** The directory that the prefix leads to, if it is known. */
  #prefixDirectory: DirectoryNode | undefined

  /** @param batch must not change until {@link forget}; an argument that is no path does no harm */
  follow(root: DirectoryNode, batch: PathBatch): void {
    this.#next = this.#count = 0
    if (batch.count < MIN_REQUESTS) return
    const count = Math.min(batch.count, MAX_REQUESTS)
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
   * The node at a path, if it was found and is still in the tree. The caller checks whether the node
   * itself has expired; no directory above it has a lease.
   *
   * @param path paths are asked for in the order of the requests; some may be left out
   * @returns undefined if the node is not known
   */
  find(path: string): Node | undefined {
    let at = this.#next
    if (this.#count === 0) return undefined
    if (at < this.#count && this.#requests[at][1] === path) this.#next++
    // One request may ask for its path more than once. Comparing is cheap, because other paths
    // mostly differ in their first bytes.
    else if (at === 0 || this.#requests[--at][1] !== path) return this.#skipTo(path)
    const node = this.#found[at]
    return node !== undefined && node.parent !== null ? node : undefined
  }

  /** Tries the request after the next one, in case the next one did not ask for its path. */
  #skipTo(path: string): Node | undefined {
    const at = this.#next + 1
    // All requests have asked for their paths, so the rest of this batch is of no use.
    if (at > this.#count) this.#count = 0
    if (at >= this.#count || this.#requests[at][1] !== path) return undefined
    this.#next = at
    return this.find(path)
  }

  /**
   * Forgets all nodes. Called when a directory is moved, removed or gets a lease, and when the batch is
   * reused for other requests.
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

  /** Collects a group of paths. @returns the number of paths to follow */
  #begin(root: DirectoryNode, batch: PathBatch, from: number, to: number): number {
    const { bytes, requests, bounds } = batch
    let count = 0
    for (let i = from; i < to; i++) {
      const end = bounds[2 * i + 1]
      const length = requests[i].length > 1 ? end - bounds[2 * i] : 0
      if (length === 0 || length > MAX_PATH_BYTES) continue
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

  /** @param request the number of the request whose path led to the node */
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
   * Goes one level down. Each loop reads from memory that the loop before has pointed to, and its
   * rounds are independent, so that the processor overlaps their waits.
   *
   * @returns the number of paths that go on
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

/** Where a path's first name begins; the slash in front may be left out. */
function firstName(bytes: Uint8Array, start: number): number {
  return bytes[start] === SLASH ? start + 1 : start
}

/** Whether a component of a path is the node's name. */
function isNamed({ name }: Node, bytes: Uint8Array, start: number, end: number): boolean {
  const { length } = name
  if (length !== end - start) return false
  for (let i = 0; i < length; i++) if (name.charCodeAt(i) !== bytes[start + i]) return false
  return true
}
