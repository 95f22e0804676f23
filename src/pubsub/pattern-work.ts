import type { EventWork } from '../store/rename.ts'
import type { IndexedPattern, PatternGroup } from './pattern-group.ts'
import { RUN_BYTES, RunMap } from './run-map.ts'

/** Looking for the runs in so many bytes of a key takes as long as comparing it with a pattern. */
const BYTES_PER_TRY = 16
/** A comparison of a key with a pattern counts as one try if the key has no more bytes than these. */
const SHORT_KEY_BYTES = 64
/** Comparing so many bytes more takes as long as another try, at least. */
const BYTES_PER_COMPARED_TRY = 8

/** What the events of moved nodes cost in comparisons with patterns of one kind. */
export interface PatternWork extends EventWork {
  /** How many patterns there are: no key is compared with more. */
  readonly most: number
  /** How many groups of patterns, and runs, have been looked at to find that out. */
  readonly looks: number
  /** What an event costs at the path of the node that has been entered last, in comparisons. */
  readonly here: number
}

/**
 * What an event costs, in comparisons of a short key with a pattern.
 *
 * @param compared with how many patterns its key is compared
 * @param searches in how many groups the key's runs are looked for
 * @param length of the key
 */
export function costOf(compared: number, searches: number, length: number): number {
  const tries = 1 + Math.max(0, length - SHORT_KEY_BYTES) / BYTES_PER_COMPARED_TRY
  return compared * tries + (searches * length) / BYTES_PER_TRY
}

/** A directory on the way down from the node that is moved, or this node. */
interface Level {
  /** How long its path is. */
  length: number
  /** The last bytes of the path. */
  bytes: number
  /** How many patterns are kept under the runs in the path. */
  found: number
}

/**
 * With how many patterns the key of each of many moved nodes will be compared, at most; with a long key, each counts as
 * several. Known before the move, without making the keys: what is found in a key is what has been found in the path of
 * its directory, and in its name. All groups are looked through first: {@link FewKeysWork} is for a few nodes.
 */
export class ManyKeysWork implements PatternWork {
  readonly most: number
  readonly looks: number
  /** How many patterns every key is compared with. */
  readonly #always: number
  /** In how many groups a key's runs are looked for. */
  readonly #searches: number
  /** With how many others a key is compared in which a run is. */
  readonly #sizes = new RunMap<number>()
  readonly #levels: Level[] = [{ length: 0, bytes: 0, found: 0 }]

  /**
   * @param groups all whose patterns may be compared with a key at the path or below it
   * @param path of the node that is moved
   */
  constructor(groups: readonly PatternGroup<IndexedPattern>[], path: string) {
    let most = 0
    let always = 0
    let looks = 0
    let searches = 0
    for (const group of groups) {
      most += group.size
      always += group.always
      looks++
      if (group.always < group.size) searches++
      for (const [run, size] of group.runs()) {
        this.#sizes.set(run, size + (this.#sizes.get(run) ?? 0))
        looks++
      }
    }
    this.most = most
    this.looks = looks
    this.#always = always
    this.#searches = searches
    this.#read(this.#levels[0], path)
  }

  get here(): number {
    return this.#costAt(this.#levels[this.#levels.length - 1])
  }

  get bytesBelow(): number {
    return this.#levels[this.#levels.length - 1].length - this.#levels[0].length
  }

  mostBelow(bytes: number): number {
    return costOf(this.most, this.#searches, this.#levels[0].length + bytes)
  }

  enter(name: string): number {
    const level = { ...this.#levels[this.#levels.length - 1] }
    this.#levels.push(level)
    this.#read(level, '/')
    this.#read(level, name)
    return this.#costAt(level)
  }

  leave(): void {
    this.#levels.pop()
  }

  #costAt({ length, found }: Level): number {
    return costOf(Math.min(this.most, this.#always + found), this.#searches, length)
  }

  /** A run that is found twice counts twice, and one that begins above a pattern's directory counts, too. */
  #read(level: Level, text: string): void {
    level.length += text.length
    if (this.#searches === 0) return
    for (let at = 0; at < text.length; at++) {
      level.bytes = ((level.bytes << 8) | text.charCodeAt(at)) & 0xff_ff_ff
      for (let length = 1; length <= RUN_BYTES; length++) {
        level.found += this.#sizes.find(level.bytes, length) ?? 0
      }
    }
  }
}
