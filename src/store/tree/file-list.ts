import type { DirectoryNode, FileNode } from './node.ts'

/** Epochs are lower. A double holds an epoch and a position below 2^32 in one number. */
const MAX_EPOCH = 2 ** 20

/** The list's pieces have 2 to the power of this places. */
const PIECE_BITS = 10
const PIECE_LENGTH = 2 ** PIECE_BITS

/**
 * All files of a tree in one list, in no order. SCAN goes through it bit by bit, and RANDOMKEY picks
 * from it. The last file takes the place of a removed one. A loop that goes down from the end
 * therefore meets every file that stays, even while others come and go: the file that takes the
 * place of a removed one comes from above (docs/decisions/0009).
 */
export class FileList {
  /** Tells this list from an earlier one, in which positions meant other files; never 0. */
  readonly epoch = 1 + Math.floor(Math.random() * (MAX_EPOCH - 1))
  /** The list in pieces, because one large array would be copied each time it grows. */
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
    return this.#pieces[position >> PIECE_BITS][position & (PIECE_LENGTH - 1)] as FileNode
  }

  add(file: FileNode): void {
    const position = this.#length++
    if ((position & (PIECE_LENGTH - 1)) === 0) this.#pieces.push(new Array(PIECE_LENGTH))
    file.position = position
    this.#put(file, position)
  }

  remove(file: FileNode): void {
    if (this.#length === 0) return
    const last = this.at(--this.#length)
    this.#put(undefined, this.#length)
    if ((this.#length & (PIECE_LENGTH - 1)) === 0) this.#pieces.pop()
    if (last === file) return
    last.position = file.position
    this.#put(last, last.position)
  }

  #put(file: FileNode | undefined, position: number): void {
    this.#pieces[position >> PIECE_BITS][position & (PIECE_LENGTH - 1)] = file
  }
}
