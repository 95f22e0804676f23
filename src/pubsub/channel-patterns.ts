import { type IndexedPattern, PatternGroup } from './pattern-group.ts'
import { ManyKeysWork, type PatternWork } from './pattern-work.ts'
import type { Subscriber } from './subscriber.ts'

/**
 * The patterns that match channels of Redis. If they are many, a channel is compared only with those that have some
 * bytes in common with it.
 */
export class ChannelPatterns {
  readonly #all = new Map<string, IndexedPattern>()
  readonly #group = new PatternGroup<IndexedPattern>('')
  #last = 0

  get size(): number {
    return this.#all.size
  }

  *listeners(): Iterable<Set<Subscriber>> {
    for (const { listeners } of this.#all.values()) yield listeners
  }

  /** @param pattern kept, so it must not be cut from a longer string @returns all who listen to it */
  add(pattern: string, client: Subscriber): ReadonlySet<Subscriber> {
    let known = this.#all.get(pattern)
    if (known === undefined) {
      known = { pattern, listeners: new Set(), order: ++this.#last, run: 0 }
      this.#group.add(known)
      this.#all.set(pattern, known)
    }
    return known.listeners.add(client)
  }

  remove(pattern: string, client: Subscriber): void {
    const known = this.#all.get(pattern)
    if (!known?.listeners.delete(client) || known.listeners.size > 0) return
    this.#all.delete(pattern)
    this.#group.remove(known)
  }

  /** The patterns that match a channel, in the order in which they came. */
  matching(channel: string): IndexedPattern[] {
    const matching: IndexedPattern[] = []
    this.#group.collect(channel, matching)
    if (matching.length > 1) matching.sort((a, b) => a.order - b.order)
    return matching
  }

  /** With how many patterns a message to a channel is compared, at most, or to one that goes on with `/` and names. */
  workAt(channel: string): PatternWork {
    return new ManyKeysWork([this.#group], channel)
  }
}
