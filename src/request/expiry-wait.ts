import { CommandError } from './arguments/errors.ts'

/** One slice of expiring nodes may hold up other clients for this long. */
export const MAX_SLICE_MS = 4
/** A request that waits because nodes go on becoming due gets slices up to this long. */
const MAX_LONG_SLICE_MS = 64

/**
 * A request that waits until nodes have expired. Other clients may go on making nodes that are due soon, so it
 * must not wait until none is. It waits for what was due when it came, then for what has become due meanwhile, and so
 * on. Each of these waits may take half as many turns as the one before; if it does not, slices become longer.
 */
export class ExpiryWait {
  /** What is due at this time is expired first, in Unix milliseconds. */
  until: number
  /** A slice takes this long, in milliseconds. */
  time = MAX_SLICE_MS
  #turns = 0
  #lastTurns = Number.POSITIVE_INFINITY

  constructor(until: number) {
    this.until = until
  }

  /**
   * Begins another turn.
   *
   * @param isOver whether nothing is due any more that was at {@link until}
   * @throws CommandError if the longest slices do not suffice
   */
  turn(isOver: boolean, now: number): void {
    const isLate = this.#turns * 2 > this.#lastTurns
    if (isLate) this.time *= 2
    if (this.time > MAX_LONG_SLICE_MS) throw tooFast()
    if (isLate || isOver) {
      this.until = now
      this.#lastTurns = this.#turns
      this.#turns = 0
    }
    this.#turns++
  }
}

function tooFast(): CommandError {
  return new CommandError('ERR nodes become due faster than they can be removed; try again later')
}
