import type { PatternWork } from '../pubsub/pattern-work.ts'
import type { EventWork } from '../store/rename.ts'

/** Looking at a group of patterns takes as long as so many comparisons: each lies elsewhere in memory. */
const TRIES_PER_LOOK = 4

/** What the events of moved nodes cost in comparisons with several kinds of patterns. */
export class JoinedWork implements EventWork {
  readonly #parts: readonly PatternWork[]
  readonly #each: number
  /** How many patterns there are at most, for a refusal. */
  readonly most: number

  /**
   * @param parts each made of the path of the node that is moved; undefined for a kind of which there are none
   * @param same what the event of each node costs besides, wherever it is
   */
  constructor(parts: readonly (PatternWork | undefined)[], same?: PatternWork) {
    this.#parts = parts.filter((part) => part !== undefined)
    this.#each = same?.here ?? 0
    this.most = Math.max(0, ...[...this.#parts, same].map((part) => part?.most ?? 0))
  }

  /** Whether nothing has to be compared. */
  get isNone(): boolean {
    return this.most === 0
  }

  /** What it takes to find the work out, and the event of the node itself. */
  get here(): number {
    return this.#sum((part) => part.looks * TRIES_PER_LOOK + part.here)
  }

  get bytesBelow(): number {
    return this.#parts[0]?.bytesBelow ?? 0
  }

  mostBelow(bytes: number): number {
    return this.#sum((part) => part.mostBelow(bytes))
  }

  enter(name: string): number {
    return this.#sum((part) => part.enter(name))
  }

  leave(): void {
    for (const part of this.#parts) part.leave()
  }

  #sum(costOf: (part: PatternWork) => number): number {
    let sum = this.#each
    for (const part of this.#parts) sum += costOf(part)
    return sum
  }
}
