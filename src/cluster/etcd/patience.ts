/** One attempt may take this long, unless etcd is known to be slower, in milliseconds. */
export const ATTEMPT_MS = 1000
/** However slow etcd is, an attempt is given no more than this, in milliseconds. */
export const MAX_ATTEMPT_MS = 8000
/** While etcd answers, an attempt may take so many times as long as the last one took. */
const SPARE = 2

/**
 * How long an attempt may take. An etcd behind a slow way answers each attempt too late for a fixed time, and so never. So each
 * attempt that comes to its end gives the next ones more time, and an answer as much as it needed itself.
 */
export class Patience {
  /** After this many failures the time is doubled: each member has then been tried. */
  readonly #members: number
  #ms = ATTEMPT_MS

  /** @param members of etcd, of which one is tried after the other */
  constructor(members: number) {
    this.#members = members
  }

  /** What an attempt is given, in milliseconds. */
  get ms(): number {
    return this.#ms
  }

  /** An attempt has not been answered in time. @param given what it was given, in milliseconds */
  noteLate(given: number): void {
    // Of several that were late together, each was given the same.
    const more = given * SPARE ** (1 / this.#members)
    this.#ms = Math.max(this.#ms, Math.min(more, MAX_ATTEMPT_MS))
  }

  /** An attempt has been answered. @param took milliseconds */
  noteAnswer(took: number): void {
    this.#ms = Math.min(Math.max(took * SPARE, ATTEMPT_MS), MAX_ATTEMPT_MS)
  }
}
