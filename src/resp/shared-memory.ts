/** Memory that sources of replies keep together. */
export interface Shared {
  /** What they keep. */
  readonly key: object
  /** Memory that it takes, in bytes, about, with what the one source that is being sent needs. */
  readonly weight: number
}

/** Counts what sources of one client keep together once, however many of them there are. */
export class SharedMemory {
  #kept: Map<object, { count: number; readonly weight: number }> | undefined
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** The bytes if this is kept, too. */
  bytesWith(shared: Shared | undefined): number {
    if (shared === undefined || this.#kept?.has(shared.key) === true) return this.#bytes
    return this.#bytes + shared.weight
  }

  add(shared: Shared | undefined): void {
    if (shared === undefined) return
    this.#kept ??= new Map()
    const known = this.#kept.get(shared.key)
    if (known !== undefined) {
      known.count++
      return
    }
    this.#kept.set(shared.key, { count: 1, weight: shared.weight })
    this.#bytes += shared.weight
  }

  remove(shared: Shared | undefined): void {
    if (shared === undefined) return
    const known = this.#kept?.get(shared.key)
    if (known === undefined || --known.count > 0) return
    this.#kept?.delete(shared.key)
    this.#bytes -= known.weight
  }

  clear(): void {
    this.#kept = undefined
    this.#bytes = 0
  }
}
