import type { DirectoryNode, FileNode } from './node.ts'

/** Epochs are below this: with a position below 2^32 they make a number that a double can hold. */
const MAX_EPOCH = 2 ** 20

/** So many files are in one piece of the list: 2 to the power of this. */
const PIECE_BITS = 10
const PIECE = 2 ** PIECE_BITS

/**
 * All files of a tree in one list, in no order: for those who go through them bit by bit, or take
 * one at random. A file that is removed is replaced by the last one. So whoever goes down from the
 * end meets every file that stays, whatever comes and goes meanwhile: what takes the place of a
 * removed file comes from above (docs/decisions/0009).
 */
export class FileList {
  /** Tells this list from an earlier one, in which positions meant something else; not 0. */
  readonly epoch = 1 + Math.floor(Math.random() * (MAX_EPOCH - 1))
  /** In pieces, all of them full but the last: one array would be copied whenever it grows. */
  readonly #pieces: (FileNode | undefined)[][] = []
  #length = 0

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
    return this.#length
  }

  /** @param position below the length */
  at(position: number): FileNode {
    return this.#pieces[position >> PIECE_BITS][position & (PIECE - 1)] as FileNode
  }

  add(file: FileNode): void {
    const position = this.#length++
    if ((position & (PIECE - 1)) === 0) this.#pieces.push(new Array(PIECE))
    file.position = position
    this.#put(file, position)
  }

  remove(file: FileNode): void {
    if (this.#length === 0) return
    const last = this.at(--this.#length)
    this.#put(undefined, this.#length)
    if ((this.#length & (PIECE - 1)) === 0) this.#pieces.pop()
    if (last === file) return
    last.position = file.position
    this.#put(last, last.position)
  }

  #put(file: FileNode | undefined, position: number): void {
    this.#pieces[position >> PIECE_BITS][position & (PIECE - 1)] = file
  }
}
