import { LongDirectory, MIN_LONG_DIRECTORY_BYTES } from '../long-directory.ts'
import { firstComponent, ownCopy } from '../path.ts'
import { KnownWays, MIN_KNOWN_WAY_BYTES } from './known-ways.ts'
import type { LastMiss } from './last-miss.ts'
import { component, scanComponent } from './name-hash.ts'
import { type DirectoryNode, type FileNode, isOverdue } from './node.ts'

/**
 * The node of the long directory that was used last (see {@link LongDirectory}): a walk to a path below it begins
 * there. While a request with many paths runs, the nodes of all directories that it has walked to (see
 * {@link KnownWays}).
 *
 * They stay right as long as no directory on the way is removed, moved or given another lease, and before the first
 * lease on the way ends. The tree tells of the former ({@link forget}, {@link forgetBelow}).
 */
export class LongWay {
  readonly #miss: LastMiss
  readonly #text = new LongDirectory()
  #directory: DirectoryNode | undefined
  /** When the first of the leases on the way ends, in Unix milliseconds. */
  #ends = Number.POSITIVE_INFINITY
  /** Absent unless a request with many paths runs. */
  #known: KnownWays | undefined
  /** Like {@link #ends}, for the way that was walked last. */
  #walkEnds = Number.POSITIVE_INFINITY
  /** Walks to shorter paths need not {@link enter}. */
  minPathBytes = MIN_LONG_DIRECTORY_BYTES
  /** Where in the path of the last {@link enter} the walk goes on. */
  start = 0
  /** Whether a directory on the way of the last {@link enter} has a lease. */
  hasLease = false
  /** How many nodes have been looked for on all ways together. */
  looks = 0

  /** @param miss is forgotten when a way may be wrong */
  constructor(miss: LastMiss) {
    this.#miss = miss
  }

  /**
   * Walks down the directories of a long path, as far as they exist and have not expired.
   *
   * @param path any path, clean or not
   * @param now Unix milliseconds
   * @returns the directory that a walk to the path goes on from, at {@link start}
   */
  enter(root: DirectoryNode, path: string, now: number): DirectoryNode {
    const first = firstComponent(path)
    if (this.#known !== undefined) return this.#enterKnown(this.#known, root, path, now)
    if (this.#directory !== undefined && now < this.#ends) {
      this.start = this.#text.endIn(path, first)
      this.hasLease = this.#ends < Number.POSITIVE_INFINITY
      if (this.start > 0) return this.#directory
    }
    this.start = first
    this.hasLease = false
    // The path's last name may be all that is long, and is not looked at here.
    if (path.indexOf('/', first + MIN_LONG_DIRECTORY_BYTES) === -1) return root
    return this.#walk(root, path, now, Number.POSITIVE_INFINITY)
  }

  /** See `Tree.permanentFile`; apart from it, so that V8 compiles the usual case as if there were no long paths. */
  permanentFile(root: DirectoryNode, path: string): FileNode | undefined {
    let directory = this.enter(root, path, 0)
    if (this.hasLease) return undefined
    for (let { start } = this; ; start = component.end + 1) {
      scanComponent(path, start)
      const { end, hash } = component
      const node = directory.children.find(path, start, end, hash)
      if (node === undefined) this.#miss.note(path, directory, start, end, true)
      if (node === undefined || node.lease !== null) return undefined
      if (end === path.length) return node.dir ? undefined : node
      if (!node.dir) return undefined
      directory = node
    }
  }

  /** Remembers the ways to all directories until a function returns that walks to many. */
  withManyPaths<Result>(run: () => Result): Result {
    if (this.#known !== undefined) return run()
    this.#known = new KnownWays()
    this.minPathBytes = MIN_KNOWN_WAY_BYTES
    try {
      return run()
    } finally {
      this.#known = undefined
      this.minPathBytes = MIN_LONG_DIRECTORY_BYTES
    }
  }

  /** Called when a directory is moved or removed that may be on the way. */
  forget(): void {
    this.#directory = undefined
    this.#miss.forget()
    this.#known?.clear()
  }

  /** Forgets the way if it leads through a directory or to it. */
  forgetBelow(directory: DirectoryNode): void {
    this.#known?.clear()
    this.#miss.forget()
    if (directory.children.size === 0 && directory !== this.#directory) return
    for (let at = this.#directory ?? null; at !== null; at = at.parent) {
      if (at === directory) this.#directory = undefined
    }
  }

  #enterKnown(known: KnownWays, root: DirectoryNode, path: string, now: number): DirectoryNode {
    const first = firstComponent(path)
    const end = path.lastIndexOf('/')
    this.start = first
    this.hasLease = false
    if (end - first < MIN_KNOWN_WAY_BYTES) return root
    const text = path.slice(first, end)
    const way = known.find(text)
    if (way !== undefined && now < way.ends) {
      this.start = end + 1
      this.hasLease = way.ends < Number.POSITIVE_INFINITY
      return way.directory
    }
    let from = root
    let ends = Number.POSITIVE_INFINITY
    if (this.#directory !== undefined && now < this.#ends) {
      const start = this.#text.endIn(path, first)
      if (start > 0) {
        this.start = start
        from = this.#directory
        ends = this.#ends
      }
    }
    const directory = this.#walk(from, path, now, ends)
    if (this.start === end + 1) known.add(text, path, { directory, ends: this.#walkEnds })
    return directory
  }

  /**
   * @param from where the walk begins, at {@link start}
   * @param endsAbove when the first of the leases on the way to there ends
   */
  #walk(from: DirectoryNode, path: string, now: number, endsAbove: number): DirectoryNode {
    let directory = from
    let ends = endsAbove
    const first = firstComponent(path)
    let { start } = this
    for (;;) {
      scanComponent(path, start)
      const { end, hash } = component
      if (end === path.length) break
      this.looks++
      const child = directory.children.find(path, start, end, hash)
      if (child === undefined || !child.dir || isOverdue(child, now)) break
      if (child.lease !== null) ends = Math.min(ends, child.lease.expireTime)
      directory = child
      start = end + 1
    }
    this.start = start
    this.#walkEnds = ends
    this.hasLease = ends < Number.POSITIVE_INFINITY
    if (start - 1 - first < MIN_LONG_DIRECTORY_BYTES) return directory
    // The text that is known already need not be copied again.
    if (this.#text.endIn(path, first) !== start) {
      this.#text.remember(ownCopy(path.slice(first, start - 1)))
    }
    this.#directory = directory
    this.#ends = ends
    return directory
  }
}
