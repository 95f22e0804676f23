/** So many names are remembered at a time: more would take more memory than they save. */
const MAX_NAMES = 65_536

/**
 * Names of files that come and go, each once: what removes a file from the copy takes ten times as long as to find that it has
 * been removed.
 */
export class RecentNames {
  readonly #names = new Map<number, Set<string>>()
  #count = 0

  /** @param parentId of the directory @returns false if it has been called with the same not long before */
  addIfNew(parentId: number, name: string): boolean {
    const names = this.#names.get(parentId)
    if (names?.has(name) === true) return false
    if (this.#count++ === MAX_NAMES) {
      this.#names.clear()
      this.#count = 1
    }
    const kept = this.#names.get(parentId)
    if (kept === undefined) this.#names.set(parentId, new Set([name]))
    else kept.add(name)
    return true
  }
}
