import type { Store } from './store.ts'
import type { FileNode } from './tree/node.ts'
import type { Value } from './value.ts'

/**
 * The sets of one command that makes all of them or none: first all are checked, then all are made, in the same order.
 *
 * Problem: a command that writes over many files walked to each of them twice, and waited for the memory each time.
 *
 * Trick: the files that the check has found are kept until they are set.
 *
 * Price: an array as long as the command has keys, while it runs.
 *
 * Gain: writing over 500,000 files in 1,000 directories took 2.4 s of processor time, and takes 1.6 s.
 *
 * Can be deleted by calling `Store.checkSet` and `Store.setFile`.
 */
export class Sets {
  readonly #store: Store
  /** Undefined for what {@link Store.setFile} has to find out itself. */
  readonly #files: (FileNode | undefined)[] = []
  /** The next to be set. */
  #next = 0
  /** The store's index, if nothing but the sets has raised it: then the files are still there, and permanent. */
  #index: number

  constructor(store: Store) {
    this.#store = store
    this.#index = store.index
  }

  /** See {@link Store.checkSet}. @returns whether there is a file at the path */
  check(path: string): boolean {
    const file = this.#store.permanentFile(path)
    this.#files.push(file)
    return file !== undefined || this.#store.checkSet(path) !== undefined
  }

  /** See {@link Store.setFile}. Called for each path that has been checked. */
  set(path: string, value: Value): void {
    const file = this.#files[this.#next++]
    const isSame = this.#store.index === this.#index++
    const directory = isSame && file !== undefined ? file.parent : null
    if (file === undefined || directory === null) this.#store.setFile(path, value)
    else this.#store.overwrite(file, directory, path, value)
  }
}
