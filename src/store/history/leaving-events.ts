import { type Event, keyOf, removesDirectory } from '../event.ts'
import { type DroppedEvents, MAX_PATHS } from './dropped-events.ts'

/**
 * Of so many, the last ones, the whole path is remembered, and of others only the directory, because
 * {@link DroppedEvents} would soon fold them: it remembers a quarter of these.
 */
const MAX_WHOLE = 4 * MAX_PATHS

/**
 * Events that the history has dropped, and whose paths are yet to be remembered.
 *
 * Problem: one large value can drop all events of a history at once. Remembering where a million were takes
 * seconds.
 *
 * Trick: most of them wait here, with nothing but path and index. Each write remembers some, and the server the rest
 * as it finds time.
 *
 * Price: until then, watchers that want an index as old as theirs are refused, whatever their path.
 *
 * Gain: a write that drops 480,000 events of paths of 64 levels takes 0.1 s and not 0.8 s; where paths part at each of 32
 * levels, 0.2 s and not 4.8 s.
 *
 * Can be deleted by letting `EventHistory` give all events to {@link DroppedEvents} at once.
 */
export class LeavingEvents {
  #keys: string[] = []
  /** Negative if the event removed a directory. */
  #indexes: number[] = []
  /** How many at the front have been remembered. */
  #done = 0

  get isEmpty(): boolean {
    return this.#keys.length === 0
  }

  /** The index of the oldest event; there is one. */
  get firstIndex(): number {
    return Math.abs(this.#indexes[this.#done])
  }

  /** The index of the newest event; there is one. */
  get lastIndex(): number {
    return Math.abs(this.#indexes[this.#indexes.length - 1])
  }

  push(event: Event): void {
    // No watcher is shown a refresh, so none can miss it.
    if (event.refresh) return
    this.#keys.push(keyOf(event))
    this.#indexes.push(removesDirectory(event) ? -event.index : event.index)
  }

  /** Has the oldest events remembered. @param limit the most events */
  moveTo(dropped: DroppedEvents, limit: number): void {
    const end = Math.min(this.#keys.length, this.#done + limit)
    for (let i = this.#done; i < end; i++) {
      const index = this.#indexes[i]
      if (index > 0 && this.#keys.length - i > MAX_WHOLE) dropped.addFolded(this.#keys[i], index)
      else dropped.addAt(this.#keys[i], Math.abs(index), index < 0)
      this.#keys[i] = ''
    }
    this.#done = end
    if (end < this.#keys.length / 2) return
    // While events come as fast as others are remembered, the lists would grow.
    this.#keys = this.#keys.slice(end)
    this.#indexes = this.#indexes.slice(end)
    this.#done = 0
  }

  clone(): LeavingEvents {
    const copy = new LeavingEvents()
    copy.#keys = this.#keys.slice(this.#done)
    copy.#indexes = this.#indexes.slice(this.#done)
    return copy
  }
}
