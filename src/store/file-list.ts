import type { DirectoryNode, FileNode } from './node.ts'

/** Epochs are below this: with a position below 2^32 they make a number that a double can hold. */
const MAX_EPOCH = 2 ** 20

/**
 * All files of a tree in one array, in no order: for those who go through them bit by bit, or take
 * one at random. A file that is removed is replaced by the last one. So whoever goes down from the
 * end meets every file that stays, whatever comes and goes meanwhile: what takes the place of a
 * removed file comes from above (docs/decisions/0009).
 */
export class FileList {
  /** Tells this list from an earlier one, in which positions meant something else; not 0. */
  readonly epoch = 1 + Math.floor(Math.random() * (MAX_EPOCH - 1))
  readonly #files: FileNode[] = []

  /** The list of all files below a directory. */
  static of(root: DirectoryNode): FileList {
    const list = new FileList()
    const open = [root]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const child of at.children.list) {
        if (child.dir) open.push(child)
        else list.add(child)
      }
    }
    return list
  }

  get length(): number {
    return this.#files.length
  }

  /** @param position below the length */
  at(position: number): FileNode {
    return this.#files[position]
  }

  add(file: FileNode): void {
    file.position = this.#files.length
    this.#files.push(file)
  }

  remove(file: FileNode): void {
    const last = this.#files.pop()
    if (last === undefined || last === file) return
    last.position = file.position
    this.#files[last.position] = last
  }
}
