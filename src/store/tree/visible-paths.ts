import { type DirectoryNode, type FileNode, isOverdue, type Node, pathOf } from './node.ts'

/** The path of a node that lies no deeper is put together anew: that takes no longer than finding a beginning. */
const SHALLOW = 8
/** Beginnings of so many bytes together are remembered, about. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024
/** What a beginning takes besides its characters. */
const KEPT_BYTES = 100

/**
 * The paths of the files that are visible at one moment, asked for one after the other.
 *
 * Problem: all directories above a file have a part in its path, and in whether it is visible. 500 levels take some
 * 12 µs, so KEYS of 50,000 files below them took 0.7 s, though almost all of their paths is the same.
 *
 * Trick: files that are near to each other in the list mostly have their directories in common. What a deep path begins
 * with is remembered for the directories 1, 2, 4, 8 ... levels above the file:
 *
 *     /a/a/a/a/a/a/a/a/a/a/x/1      /a/a/a/a/ · /a/a/a/a/a/a/a/a/ · /a/a/a/a/a/a/a/a/a/a/ · /a/a/a/a/a/a/a/a/a/a/x/
 *     /a/a/a/a/a/a/a/a/a/a/y/1      begins with the third of them
 *
 * So the next one takes at most twice as many steps as it has levels of its own.
 *
 * They share the characters of the longest: 300 chains of 1,000 levels take 1 MB, and 5 MB if each had its own.
 *
 * Price: up to 4 MB, until the request or the EXEC has been served. Files that have few directories in common take as long
 * as before.
 * Gain: KEYS of those 50,000 takes 0.15 s.
 *
 * Can be deleted by asking `isVisible` and `pathOf` for each file.
 */
export class VisiblePaths {
  /** How many directories of deep files have been looked at, for all files together. */
  looks = 0
  readonly #root: DirectoryNode
  readonly #now: number
  /** What the paths below a directory begin with; null if nothing there is visible. */
  #kept: Map<DirectoryNode, string | null> | undefined
  #keptBytes = 0
  readonly #above: DirectoryNode[] = []

  /** @param now Unix milliseconds. The tree must not change meanwhile. */
  constructor(root: DirectoryNode, now: number) {
    this.#root = root
    this.#now = now
  }

  /** The path of a file; undefined if the file or a directory above it has expired, or is not in the tree. */
  of(file: FileNode): string | undefined {
    let at: Node = file
    for (let levels = 0; levels < SHALLOW; levels++) {
      if (at.parent === null) return at === this.#root ? pathOf(file) : undefined
      if (isOverdue(at, this.#now)) return undefined
      at = at.parent
    }
    const beginning = this.#beginningOf(file)
    return beginning === null ? undefined : beginning + file.name
  }

  #beginningOf(file: FileNode): string | null {
    this.#kept ??= new Map()
    const kept = this.#kept
    const above = this.#above
    above.length = 0
    let beginning: string | null | undefined
    let at = file.parent
    while (beginning === undefined) {
      this.looks++
      if (at === null) beginning = null
      else if (at === this.#root) beginning = '/'
      else {
        beginning = kept.get(at)
        if (beginning !== undefined) break
        above.push(at)
        if (isOverdue(at, this.#now)) beginning = null
        at = at.parent
      }
    }
    if (above.length > 0) this.#keep(kept, above, beginning, this.#join(beginning, above))
    return above.length > 0 ? (kept.get(above[0]) ?? null) : beginning
  }

  /** What the paths below the first of some directories begin with. @param above what those begin with that are above */
  #join(above: string | null, directories: readonly DirectoryNode[]): string | null {
    if (above === null) return null
    let beginning = above
    for (let i = directories.length; i > 0; i--)
      beginning = `${beginning}${directories[i - 1].name}/`
    // V8 joins the parts of a string when it is looked into: here once, and not anew for each file.
    beginning.charCodeAt(0)
    return beginning
  }

  /** Remembers what paths begin with below the directories 1, 2, 4, 8 ... levels above. */
  #keep(
    kept: Map<DirectoryNode, string | null>,
    above: readonly DirectoryNode[],
    top: string | null,
    longest: string | null,
  ): void {
    const bytes = KEPT_BYTES * (32 - Math.clz32(above.length)) + (longest?.length ?? 0)
    if (this.#keptBytes + bytes > MAX_KEPT_BYTES) {
      kept.clear()
      this.#keptBytes = 0
    }
    this.#keptBytes += bytes
    let length = top?.length ?? 0
    for (let levels = above.length; levels > 0; levels--) {
      const directory = above[levels - 1]
      length += directory.name.length + 1
      if ((levels & (levels - 1)) !== 0) continue
      // They share the characters of the longest: V8 does not copy the beginning of a string.
      kept.set(directory, longest === null ? null : longest.slice(0, length))
    }
  }
}
