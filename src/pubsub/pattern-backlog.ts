import { NextTurn } from './next-turn.ts'
import type { Subscriber } from './subscriber.ts'

/** One entry of the log may have keys compared with patterns for so long in one go, in milliseconds, about. */
const MAX_MS = 10
/** So many messages may wait to be compared; of more, each new one has the first compared. */
const MAX_WAITING = 50_000
/** After so long of that in one go, in milliseconds, half of all patterns have to go. */
const MAX_FORCED_MS = 250
/** After so long, in milliseconds, one client has to go, because nothing after the entry runs meanwhile. */
const MAX_LATE_MS = 2000
/** While nothing is compared, this part of the time is forgotten: so there may be two seconds of it in ten. */
const FORGOTTEN_PART = 1 / 4
/** What an entry has compared in one go counts from here on, in milliseconds, while later entries wait. */
const MIN_COUNTED_MS = 1

export interface PatternBacklogParts {
  /** Called when comparing has taken very long: one client has to go. */
  onLate(): void
  /** Called when very many messages wait: half of all patterns have to go. */
  onFull(): void
}

/**
 * Messages whose keys are still to be compared with patterns.
 *
 * In a group no RENAME of a directory may be refused for what clients of some node listen to, and each of its nodes is
 * compared with all patterns that have something in common with it. So it is done for some milliseconds at once, and
 * then bit by bit, before the next entry of the log and in later turns, while others are served. If it takes very long, those with the
 * most patterns are disconnected, one after the other: two seconds in ten, be it for one entry or for many.
 *
 * Who subscribes meanwhile need not wait: it is told only of what comes later.
 */
export class PatternBacklog {
  /** Set where a log is run that calls {@link next} before each entry. Otherwise nothing is put off. */
  active = false
  /** Whether later entries of the log have waited for long. */
  isLogBehind: () => boolean = () => false
  readonly #parts: PatternBacklogParts
  #waiting: (() => void)[] = []
  #next = 0
  /** Whether the log has had some compared since the last turn. */
  #isDriven = false
  /** How many of those that waited had been compared when {@link #waiting} began. */
  #before = 0
  /** The number of the one that is being compared; undefined for one that has not waited. */
  #comparing: number | undefined
  /** The number of the first message for those who have subscribed while others waited, by whom they listen with. */
  #firsts = new WeakMap<ReadonlySet<Subscriber>, Map<Subscriber, number>>()
  /** For how long the entry has had messages compared and sent in one go; and compared. */
  #spent = 0
  #compared = 0
  /** The same of those that were compared because too many waited. */
  #forced = 0
  #isForced = false
  /** For how long keys have been compared, since a client had to go; less what is forgotten. */
  #late = 0
  /** When that was counted, on the scale of `performance.now`. */
  #countedAt = 0

  constructor(parts: PatternBacklogParts) {
    this.#parts = parts
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Has a message compared with patterns and sent, now or later. @param compare does it, and must not throw */
  add(compare: () => void): void {
    if (this.isEmpty && this.#spent < MAX_MS) {
      const begun = performance.now()
      compare()
      this.#spent += performance.now() - begun
      return
    }
    this.#waiting.push(compare)
    this.#turn.schedule()
    if (this.#waiting.length - this.#next > MAX_WAITING) this.#force()
  }

  /** Called by a message that has been compared. @param ms for how long; sending it does not count */
  note(ms: number): void {
    if (this.#comparing === undefined) this.#compared += ms
    else this.#count(ms)
    if (this.#isForced) this.#forced += ms
  }

  /** Compares what waits first. Called before each entry. @returns false if nothing waits */
  next(): boolean {
    if (this.#compared >= MIN_COUNTED_MS && this.isLogBehind()) this.#count(this.#compared)
    this.#spent = this.#compared = this.#forced = 0
    this.#dropLate()
    if (this.isEmpty) return false
    this.#isDriven = true
    this.#compareNext()
    return true
  }

  /** A client has begun to listen: it is not told of what waits. @param listeners all who listen so */
  join(listeners: ReadonlySet<Subscriber>, client: Subscriber): void {
    if (this.isEmpty) return
    const firsts = this.#firsts.get(listeners) ?? new Map<Subscriber, number>()
    firsts.set(client, this.#before + this.#waiting.length)
    this.#firsts.set(listeners, firsts)
  }

  /** Those of the listeners who are told of the message that is being compared. */
  told(listeners: ReadonlySet<Subscriber>): Iterable<Subscriber> {
    const number = this.#comparing
    const firsts = number === undefined ? undefined : this.#firsts.get(listeners)
    if (number === undefined || firsts === undefined) return listeners
    return [...listeners].filter((client) => (firsts.get(client) ?? 0) <= number)
  }

  /** Compares what waits if no entry of the log follows: reads send messages, too. */
  readonly #turn = new NextTurn(() => {
    if (!this.#isDriven) {
      this.#spent = 0
      const end = performance.now() + MAX_MS
      while (!this.isEmpty && performance.now() < end) this.#compareNext()
    }
    this.#isDriven = false
    if (!this.isEmpty) this.#turn.schedule()
  })

  /** Compares the first, because too many wait. */
  #force(): void {
    this.#isForced = true
    this.#compareNext()
    this.#isForced = false
    if (this.#forced < MAX_FORCED_MS) return
    this.#forced = 0
    this.#parts.onFull()
  }

  #compareNext(): void {
    this.#comparing = this.#before + this.#next
    this.#waiting[this.#next++]()
    this.#comparing = undefined
    this.#dropLate()
    if (this.#next === this.#waiting.length) {
      this.#waiting = []
      this.#next = this.#before = 0
      this.#firsts = new WeakMap()
    } else if (this.#next > MAX_WAITING) {
      this.#waiting = this.#waiting.slice(this.#next)
      this.#before += this.#next
      this.#next = 0
    }
  }

  #count(ms: number): void {
    const now = performance.now()
    const idle = Math.max(0, now - ms - this.#countedAt)
    this.#late = Math.max(0, this.#late - idle * FORGOTTEN_PART) + ms
    this.#countedAt = now
  }

  #dropLate(): void {
    if (this.#late < MAX_LATE_MS) return
    this.#late = 0
    this.#parts.onLate()
  }
}
