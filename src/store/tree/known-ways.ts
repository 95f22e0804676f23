import type { DirectoryNode } from './node.ts'

/**
 * Directories with shorter paths are not remembered, because walking to them is as fast. V8 hashes shorter strings of
 * digits in a way that clients can foresee, too.
 */
export const MIN_KNOWN_WAY_BYTES = 24
/** What all remembered ways may take, about; more are not added. */
const MAX_KNOWN_WAYS_BYTES = 32 * 1024 * 1024
/** What a remembered way takes besides its path, about. */
const WAY_OVERHEAD_BYTES = 160

/** Where a path leads. */
export interface KnownWay {
  readonly directory: DirectoryNode
  /** When the first of the leases on the way ends, in Unix milliseconds. */
  readonly ends: number
}

/**
 * The directories that one request with many paths has walked to.
 *
 * Problem: MSET and DEL walk three times to each key, and each level is a look-up that waits for the memory. With
 * 100,000 keys of 32 levels, in no order, that was most of five seconds in which nobody else was served.
 *
 * Trick: while such a request runs, long-way.ts keeps each directory by its path, as the key had it, and finds it by one
 * look-up in a Map. When any directory is moved or removed, or its lease changes, all of them are forgotten: that takes
 * no longer than adding them did, because none is there twice.
 *
 * Price: the memory, up to {@link MAX_KNOWN_WAYS_BYTES}, until the request has ended. Other requests compare the length
 * of a path with a field instead of a constant.
 *
 * Gain: MSET of 100,000 keys in 10,000 such directories took 5.6 s of processor time, and takes 1.6 s; EXISTS 0.9 s and
 * 0.6 s; MGET 1.1 s and 0.5 s; DEL 1.4 s and 1.1 s. Nothing where each key is in a directory of its own, and asked for once.
 *
 * Can be deleted with the calls of `withManyPaths` and the uses of `#known` in long-way.ts.
 */
export class KnownWays {
  readonly #ways = new Map<string, KnownWay>()
  #bytes = 0

  /** @param directory the path of a directory, without the slash in front */
  find(directory: string): KnownWay | undefined {
    return this.#ways.get(directory)
  }

  /**
   * Remembers a way, if there is room.
   *
   * @param text the path of the directory
   * @param path the path that the text is cut from, and keeps in memory
   */
  add(text: string, path: string, way: KnownWay): void {
    const bytes = path.length + WAY_OVERHEAD_BYTES
    if (this.#bytes + bytes > MAX_KNOWN_WAYS_BYTES) return
    this.#bytes += bytes
    this.#ways.set(text, way)
  }

  clear(): void {
    if (this.#bytes === 0) return
    this.#bytes = 0
    this.#ways.clear()
  }
}
