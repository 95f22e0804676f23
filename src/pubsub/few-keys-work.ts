import { joinPath } from '../store/path.ts'
import { costOf, type PatternWork } from './pattern-work.ts'

/** What knows with how many patterns a key is compared. */
export interface Comparing {
  /** How many patterns there are. */
  readonly size: number
  /** @returns with how many the key is compared, and in how many groups its runs are looked for */
  comparisonsAt(key: string): readonly [compared: number, searches: number]
}

/**
 * With how many patterns the keys of a few moved nodes will be compared. Each key is made, and looked for as its event
 * will be, so that patterns of other nodes cost nothing, however many they are.
 */
export class FewKeysWork implements PatternWork {
  readonly most: number
  readonly looks = 0
  readonly #patterns: Comparing
  readonly #paths: string[]

  /** @param path of the node that is moved */
  constructor(patterns: Comparing, path: string) {
    this.#patterns = patterns
    this.most = patterns.size
    this.#paths = [path]
  }

  get here(): number {
    const path = this.#paths[this.#paths.length - 1]
    return costOf(...this.#patterns.comparisonsAt(path), path.length)
  }

  get bytesBelow(): number {
    return this.#paths[this.#paths.length - 1].length - this.#paths[0].length
  }

  mostBelow(bytes: number): number {
    return costOf(this.most, this.most, this.#paths[0].length + bytes)
  }

  enter(name: string): number {
    this.#paths.push(joinPath(this.#paths[this.#paths.length - 1], name))
    return this.here
  }

  leave(): void {
    this.#paths.pop()
  }
}
