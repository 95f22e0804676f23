import { performance } from 'node:perf_hooks'
import { NextTurn } from '../pubsub/next-turn.ts'

/** One turn begins this much long work, in milliseconds, about: the last of it may take longer. */
const MAX_TURN_MS = 20
/** Work that takes less than this, in milliseconds, is not long. */
export const MIN_LONG_MS = 1

/** So many comparisons of keys with patterns, in PSUBSCRIBE, one request may cause: about a second of them. */
export const MAX_TRIED_PATTERNS = 20_000_000

/** What long work takes, in milliseconds, about. */
export const TIME_OF = {
  /** A node that is copied for a listing. */
  copiedNode: 0.000_2,
  /** A file that KEYS or SCAN looks at. */
  foundFile: 0.000_4,
  /** A directory that is looked at for the path of a file far below. */
  passedDirectory: 0.000_03,
  /** A node that RENAME moves. */
  movedNode: 0.000_5,
  /** A pattern that is compared with the key of an event. */
  triedPattern: 0.000_04,
  /** An event of the history that is compared with what a watcher asks for. */
  searchedEvent: 0.000_03,
  /** A byte of a value that is copied. */
  copiedByte: 0.000_000_5,
  /** A byte of a value that is compressed. */
  compressedByte: 0.000_002,
} as const

/** Thrown by a command that has done nothing yet: its request is to be served in a later turn. */
class PutOff extends Error {}

/** There is one, because nobody reads where it was thrown. */
export const PUT_OFF = new PutOff('in a later turn')

/**
 * Spreads long work over turns, because many clients may ask for it at once. When a turn has begun enough of
 * it, requests that would begin more are put off, and others are served in between. Listings that have been
 * put off together share one copy of the tree.
 */
export class LongWork {
  /** Whether this turn has spent so much on requests that others of the kind are to wait for a later one. */
  isOver = false
  /**
   * What short requests that copied or moved much have taken so far, in milliseconds, about. A start that applies their
   * entries takes as long again, however short the journal is.
   */
  ofWrites = 0
  /** What this turn has begun, in milliseconds. */
  #begun = 0
  /** What requests have taken in this turn, each of them some time, in milliseconds. */
  #taken = 0
  /** Those that serve a request that has been put off, in the order in which they asked. */
  #waiting: (() => void)[] = []
  #unlimited = false

  /** Nothing is put off any more: a server that closes serves all requests that it has received. */
  endLimit(): this {
    this.#unlimited = true
    this.isOver = false
    return this
  }

  /** Whether nothing is put off. Always so where a log's entries are applied. */
  get unlimited(): boolean {
    return this.#unlimited
  }

  /**
   * Called by a command that has done nothing yet.
   *
   * @param time of the work, in milliseconds, about
   * @param inExec whether it has to be done now, because it is part of a transaction
   * @throws PutOff
   */
  begin(time: number, inExec: boolean): void {
    if (time < MIN_LONG_MS) return
    if (!inExec) this.check()
    this.note(time)
  }

  /** Counts work that {@link begin} did not. @param time in milliseconds, about */
  note(time: number): void {
    if (time < MIN_LONG_MS) return
    this.#begun += time
    this.#turn.schedule()
  }

  /** Counts an EXEC, however short, because many clients may send one in the same turn. @param time in milliseconds */
  noteExec(time: number): void {
    this.#begun += time
    this.#turn.schedule()
  }

  /** Counts a request that took some time. @param time in milliseconds */
  took(time: number): void {
    this.#taken += time
    this.isOver = this.#taken >= MAX_TURN_MS && !this.#unlimited
    this.#turn.schedule()
  }

  /** @throws PutOff if this turn must not begin more */
  check(): void {
    if (this.#begun >= MAX_TURN_MS && !this.#unlimited) throw PUT_OFF
  }

  /** @param serve called in a later turn; serves the request that has been put off */
  later(serve: () => void): void {
    this.#waiting.push(serve)
    this.#turn.schedule()
  }

  readonly #turn = new NextTurn(() => {
    this.#begun = this.#taken = 0
    this.isOver = false
    const waiting = this.#waiting
    this.#waiting = []
    const end = performance.now() + MAX_TURN_MS
    let served = 0
    while (served < waiting.length && this.#begun < MAX_TURN_MS && performance.now() < end) {
      this.isOver = false
      waiting[served++]()
    }
    // Those that have been put off just now come last.
    if (served < waiting.length) this.#waiting = [...waiting.slice(served), ...this.#waiting]
    if (this.#begun > 0 || this.#taken > 0 || this.#waiting.length > 0) this.#turn.schedule()
  })
}
