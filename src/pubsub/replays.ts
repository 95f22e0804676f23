import { performance } from 'node:perf_hooks'
import type { Event } from '../store/event.ts'
import type { Store } from '../store/store.ts'
import { HubWatcher, WatcherHub } from '../store/watcher-hub.ts'
import { NextTurn } from './next-turn.ts'

/** A replay looks at this number of events for its next one, before it joins the others. */
const LOOKS_AT_ONCE = 20_000
/** All replays look at this number of events in one turn, before they join each other. */
const LOOKS_PER_TURN = 100_000
/** An event that is sent takes as much time as so many that are only looked at. */
const LOOKS_PER_SENT = 200
/** In one turn this much of the history is gone through, in milliseconds. */
const SLICE_MS = 10
/** Events that are shown between two readings of the clock, if few are shown them. */
const EVENTS_PER_STEP = 64
/** So many replays are shown an event, or an event fewer, between two readings of the clock. */
const SHOWN_PER_STEP = 256
/** Replays that end between two readings of the clock. */
const ENDS_PER_STEP = 16

/** A watcher's progress through the history. */
export abstract class Replay extends HubWatcher {
  /** The first index not yet shown. */
  nextIndex: number

  constructor(path: string, recursive: boolean, since: number) {
    super(path, { recursive, stream: true, since, onFailure: (error) => this.fail(error) })
    this.nextIndex = since
  }

  /** Called when nothing is left to be shown. */
  abstract end(): void

  /** Called when it has missed an event. */
  abstract fail(error: unknown): void
}

/**
 * Finds the events of the past for those who watch from an index on.
 *
 * Problem: one request of a megabyte can name 40,000 channels, each with an index long past. Each would go through
 * a history of up to millions of events, at one go.
 *
 * Trick: a replay looks at some thousand events by itself. If none is its next one, it joins all others that are
 * in the same case: they are watchers of a hub that is shown the history, once for all of them, and in slices.
 * Those that come later are shown it when the hub has seen its end. So does a replay when those of one turn have been
 * sent much: hundreds of clients that come back at once, each a thousand events behind, are sent each event together.
 *
 * Price: a watcher may get its past events some turns after the confirmation, and beside other replies.
 *
 * Gain: SUBSCRIBE of 8,000 channels at a history of 10,000 events of 600 levels took 6.1 s of processor time, and takes
 * 0.5 s, as much as without an index.
 *
 * Can be deleted by letting `TreeStream` ask the store for one event after the other.
 */
export class Replays {
  readonly #store: Store
  #looksLeft = LOOKS_PER_TURN
  /** Those that are shown the history from {@link #next} on. */
  #shown = new Set<Replay>()
  #shownHub = new WatcherHub()
  #next = 0
  /** Those that wait until the former have seen its end. */
  #waiting = new Set<Replay>()
  #waitingHub = new WatcherHub()

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * A replay's next event.
   *
   * @returns null if it is not to look further: then it may {@link join}; undefined if nothing is left
   * @throws StoreError EVENTINDEXCLEARED if the event has been dropped
   */
  find(replay: Replay): Event | undefined | null {
    const { history, index } = this.#store
    if (this.#looksLeft <= 0 && replay.nextIndex <= index) return null
    const before = history.looks
    const limit = Math.min(LOOKS_AT_ONCE, this.#looksLeft)
    const event = this.#store.findEvent(replay.path, replay.recursive, replay.nextIndex, limit)
    const looks = history.looks - before + (event === undefined ? 0 : LOOKS_PER_SENT)
    if (looks > 0) {
      this.#looksLeft -= looks
      this.#turn.schedule()
    }
    if (event !== undefined || history.stoppedAt === 0) return event
    replay.nextIndex = history.stoppedAt
    return null
  }

  /** From now on a replay is shown its events, until it {@link leave}s. */
  join(replay: Replay): void {
    this.#waiting.add(replay)
    this.#waitingHub.attach(replay)
    this.#turn.schedule()
  }

  /** Does nothing if the replay has not joined. */
  leave(replay: Replay): void {
    this.#waiting.delete(replay)
    this.#shown.delete(replay)
    replay.remove()
  }

  /** Forgets all, because the history is replaced. */
  forget(): void {
    for (const replay of [...this.#waiting, ...this.#shown]) this.leave(replay)
  }

  readonly #turn = new NextTurn(() => {
    this.#looksLeft = LOOKS_PER_TURN
    try {
      if (this.#shown.size === 0) this.#begin()
      this.#goOn(performance.now() + SLICE_MS)
    } catch (error) {
      for (const replay of this.#shown) this.#drop(replay, error)
    }
    if (this.#shown.size + this.#waiting.size > 0) this.#turn.schedule()
  })

  #begin(): void {
    const [replays, hub] = [this.#waiting, this.#waitingHub]
    this.#waiting = this.#shown
    this.#waitingHub = this.#shownHub
    this.#shown = replays
    this.#shownHub = hub
    this.#next = Number.POSITIVE_INFINITY
    for (const { nextIndex } of replays) this.#next = Math.min(this.#next, nextIndex)
  }

  #goOn(end: number): void {
    const { history } = this.#store
    while (this.#shown.size > 0 && performance.now() < end) {
      if (this.#next < this.#firstKept) this.#dropOutdated()
      const step = Math.min(EVENTS_PER_STEP, Math.ceil(SHOWN_PER_STEP / this.#shown.size))
      const events = history.slice(this.#next, step)
      for (const event of events) {
        this.#next = event.index + 1
        if (!event.refresh) this.#shownHub.notify(event)
      }
      if (events.length === 0) this.#endSome()
    }
  }

  /** The first index whose event has not been dropped; the next one to come if all have been. */
  get #firstKept(): number {
    const { history, index } = this.#store
    return history.size === 0 ? index + 1 : history.startIndex
  }

  /** Ends some of the replays, which have been shown all events. */
  #endSome(): void {
    let count = 0
    for (const replay of this.#shown) {
      if (count++ === ENDS_PER_STEP) return
      this.leave(replay)
      try {
        replay.end()
      } catch (error) {
        replay.fail(error)
      }
    }
  }

  /** The history has dropped events that have not been shown. */
  #dropOutdated(): void {
    const { history, index } = this.#store
    for (const replay of this.#shown) {
      const next = Math.max(replay.nextIndex, this.#next)
      try {
        history.assertKept(replay.path, replay.recursive, next, index)
      } catch (error) {
        this.#drop(replay, error)
      }
    }
    this.#next = Math.max(this.#next, this.#firstKept)
  }

  #drop(replay: Replay, error: unknown): void {
    this.leave(replay)
    replay.fail(error)
  }
}
