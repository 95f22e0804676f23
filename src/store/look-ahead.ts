import { isNamed } from './children.ts'
import { component, scanComponent } from './name-hash.ts'
import type { DirectoryNode, Node } from './node.ts'
import { firstComponent } from './path.ts'

/** So many paths are followed side by side. */
const GROUP = 64
/** Of no more requests the nodes found are kept. */
const MAX_FOUND = 512
/** Longer paths are not followed: reading them twice would cost more than it saves. */
const LONGEST = 256

// Where each path of a group has come to; kept, so that a group makes no garbage.
const requestOf = new Int32Array(GROUP)
const starts = new Int32Array(GROUP)
const ends = new Int32Array(GROUP)
const hashes = new Int32Array(GROUP)
const directories = new Array<DirectoryNode | undefined>(GROUP).fill(undefined)
const nodes = new Array<Node | undefined>(GROUP).fill(undefined)

/** What the walks have read; without a use of it the compiler would leave the reading out. */
let read = 0

/**
 * Follows the paths of many requests side by side, step by step, so that all that they will read is
 * in the cache when they come, and remembers what it has found. One look-up waits for the memory
 * three to five times, each time for what the wait before has brought; of many at once the
 * processor does the waiting at one go.
 */
export class LookAhead {
  readonly #paths = new Array<string>(MAX_FOUND).fill('')
  readonly #found = new Array<Node | undefined>(MAX_FOUND).fill(undefined)
  /** Those at and after this one are yet to be asked for. */
  #next = 0
  #count = 0

  /**
   * @param requests with the path, if there is one, as the first argument; anything else does no harm
   */
  follow(root: DirectoryNode, requests: readonly (readonly string[])[]): void {
    const length = Math.min(requests.length, MAX_FOUND)
    for (let i = 0; i < length; i++) {
      const request = requests[i]
      const fits = request.length > 1 && request[1].length <= LONGEST
      this.#paths[i] = fits ? request[1] : ''
      this.#found[i] = undefined
    }
    this.#next = 0
    this.#count = length
    for (let from = 0; from < length; from += GROUP) {
      let count = this.#begin(root, from, Math.min(length, from + GROUP))
      while (count > 0) count = this.#step(count)
    }
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
    if (at >= this.#count) return undefined
    // The one before may have been asked for more than once, or not at all.
    if (this.#paths[at] !== path && (++at === this.#count || this.#paths[at] !== path)) {
      return undefined
    }
    this.#next = at
    const node = this.#found[at]
    return node !== undefined && node.parent !== null ? node : undefined
  }

  /** To be called when a directory has been moved, taken out or is to expire. */
  forget(): void {
    this.#count = 0
  }

  /** @returns how many paths there are to follow */
  #begin(root: DirectoryNode, from: number, to: number): number {
    let count = 0
    for (let i = from; i < to; i++) {
      const path = this.#paths[i]
      if (path === '') continue
      requestOf[count] = i
      starts[count] = firstComponent(path)
      directories[count++] = root
    }
    return count
  }

  /**
   * Goes one level down. Each loop reads what the one before has asked for, and so none of its rounds
   * waits for another.
   *
   * @returns how many paths go on
   */
  #step(count: number): number {
    for (let i = 0; i < count; i++) {
      scanComponent(this.#paths[requestOf[i]], starts[i])
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
      const path = this.#paths[request]
      if (node === undefined || !isNamed(node, path, starts[i], ends[i])) continue
      if (ends[i] === path.length) {
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
