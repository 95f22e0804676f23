/** Memory that sources of replies keep together. */
export interface Shared {
  /** What they keep; or, for what only the one source needs that is being sent, anything they agree on. */
  readonly key: object
  /** Memory that it takes, in bytes, about. */
  readonly weight: number
}

const NOTHING: readonly Shared[] = []

/** Counts what sources of one client keep together once, however many of them there are. */
export class SharedMemory {
  #kept: Map<object, { count: number; readonly weight: number }> | undefined
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** The bytes if this is kept, too. */
  bytesWith(shared: readonly Shared[] = NOTHING): number {
    let bytes = this.#bytes
    for (const { key, weight } of shared) if (this.#kept?.has(key) !== true) bytes += weight
    return bytes
  }

  add(shared: readonly Shared[] = NOTHING): void {
    for (const { key, weight } of shared) {
      this.#kept ??= new Map()
      const known = this.#kept.get(key)
      if (known !== undefined) {
        known.count++
        continue
      }
      this.#kept.set(key, { count: 1, weight })
      this.#bytes += weight
    }
  }

  remove(shared: readonly Shared[] = NOTHING): void {
    for (const { key } of shared) {
      const known = this.#kept?.get(key)
      if (known === undefined || --known.count > 0) continue
      this.#kept?.delete(key)
      this.#bytes -= known.weight
    }
  }

  clear(): void {
    this.#kept = undefined
    this.#bytes = 0
  }
}
