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
    for (let levels = above.length; levels > 0; levels--) {
      const directory = above[levels - 1]
      if (beginning !== null) beginning = `${beginning}${directory.name}/`
      if ((levels & (levels - 1)) === 0) this.#keep(kept, directory, beginning)
    }
    return beginning
  }

  #keep(
    kept: Map<DirectoryNode, string | null>,
    directory: DirectoryNode,
    beginning: string | null,
  ): void {
    this.#keptBytes += KEPT_BYTES + (beginning?.length ?? 0)
    if (this.#keptBytes > MAX_KEPT_BYTES) {
      kept.clear()
      this.#keptBytes = 0
    }
    // V8 joins the parts of a string when it is looked into: here once, and not anew for each file.
    beginning?.charCodeAt(0)
    kept.set(directory, beginning)
  }
}
