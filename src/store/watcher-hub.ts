import { type Event, keyOf, removesDirectory } from './event.ts'
import { IndexWait, type IndexWaits } from './index-waits.ts'
import { lastHidden } from './path.ts'
import { PathTree, type Place } from './path-tree.ts'

/** Called with each event that a watcher sees. One that throws is called no more. */
export type Listener = (event: Event) => void

/** Called when a listener has thrown, and so has missed an event. */
export type OnFailure = (error: unknown) => void

/** A watch of a place in the tree. */
export interface Watcher {
  readonly path: string
  readonly recursive: boolean
  /** Ends the watch; does nothing if it has ended. */
  remove(): void
}

/** How a watcher watches. */
export interface WatcherOptions {
  readonly recursive: boolean
  /** Go on after the first event. */
  readonly stream: boolean
  /** The first index shown. */
  readonly since: number
  readonly onFailure?: OnFailure | undefined
}

/**
 * A watcher that a hub knows. Without a closure of its own, because a client may have hundreds of
 * thousands.
 */
export abstract class HubWatcher implements Watcher {
  readonly path: string
  readonly recursive: boolean
  readonly stream: boolean
  readonly since: number
  readonly onFailure: OnFailure | undefined
  /** Whether it is concerned only once there is a node at its path. */
  awaits = false
  /**
   * Expiries that were due by then do not concern it, in Unix milliseconds. The watchers of a place are in this order,
   * so that those that came after an expiry was due need not be looked at.
   */
  ignoredUntil = Number.NEGATIVE_INFINITY
  /** Set while the hub knows the watcher. */
  hub: WatcherHub | undefined = undefined
  place: Place<HubWatcher> | undefined = undefined
  /** Set while the hub does not look at the watcher, because no event can concern it yet. */
  sleep: Sleep | undefined = undefined
  /** The watchers of one kind and place form a ring, mostly in the order in which they came. */
  next: HubWatcher = this
  previous: HubWatcher = this

  /** @param path absolute and clean; kept, so it must not be cut from a longer string */
  constructor(path: string, { recursive, stream, since, onFailure }: WatcherOptions) {
    this.path = path
    this.recursive = recursive
    this.stream = stream
    this.since = since
    this.onFailure = onFailure
  }

  abstract show(event: Event): void

  remove(): void {
    this.hub?.remove(this)
  }
}

/** A watcher that calls a listener. */
class ListeningWatcher extends HubWatcher {
  readonly #listener: Listener

  constructor(path: string, options: WatcherOptions, listener: Listener) {
    super(path, options)
    this.#listener = listener
  }

  override show(event: Event): void {
    this.#listener(event)
  }
}

/** Until the index is the first that a watcher wants. */
class Sleep extends IndexWait {
  readonly #hub: WatcherHub
  readonly #watcher: HubWatcher
  readonly waits: IndexWaits

  constructor(hub: WatcherHub, watcher: HubWatcher, waits: IndexWaits) {
    super(watcher.since)
    this.#hub = hub
    this.#watcher = watcher
    this.waits = waits
  }

  override reached(): void {
    this.#hub.wake(this.#watcher)
  }
}

/** Stands for the time at which a node was due if an event is no expiry. */
const NOT_DUE = Number.POSITIVE_INFINITY

/** Memory that a watcher takes besides its path, about, in bytes. */
export const WATCHER_BYTES = 350

/**
 * Shows each event to the watchers of its place, which it finds in time proportional to the path. The
 * removal of a directory reaches the watchers below without visiting the nodes, nor other watchers.
 *
 * Each watcher is shown the event, whatever others do with it. One whose listener throws is ended,
 * because it has missed an event, and `onFailure` is told. Without `onFailure` the error is thrown
 * later, by itself, as an EventTarget does.
 */
export class WatcherHub {
  /** Whether recursive watchers see nodes behind hidden components too. */
  readonly #showsHidden: boolean
  /** The first recursive watcher of each place. */
  readonly #recursive = new PathTree<HubWatcher>()
  /** The first of the others, which a write below their place never looks at, however many they are. */
  readonly #exact = new PathTree<HubWatcher>()
  /** The first of those that watch for a node that is not there: no removal above concerns them. */
  readonly #missing = new PathTree<HubWatcher>()
  readonly #everywhere = new Map<Listener, OnFailure | undefined>()
  /** How many watchers have a place. */
  #count = 0
  #asleep = 0

  constructor(options: { showsHidden?: boolean } = {}) {
    this.#showsHidden = options.showsHidden === true
  }

  /** The number of watchers. */
  get count(): number {
    return this.#count + this.#asleep
  }

  /**
   * @param path absolute and clean; kept, so it must not be cut from a longer string
   * @param waits call when the index is reached that the watcher begins with; absent if the next event
   * may concern it. Until then a write takes no longer because of the watcher.
   */
  add(path: string, options: WatcherOptions, listener: Listener, waits?: IndexWaits): Watcher {
    const watcher = new ListeningWatcher(path, options, listener)
    if (waits === undefined) {
      this.attach(watcher)
      return watcher
    }
    watcher.hub = this
    watcher.sleep = new Sleep(this, watcher, waits)
    waits.add(watcher.sleep)
    this.#asleep++
    return watcher
  }

  /** Begins to look at a watcher that has slept. */
  wake(watcher: HubWatcher): void {
    watcher.sleep = undefined
    this.#asleep--
    this.attach(watcher)
  }

  /** Adds a watcher that no hub knows. */
  attach(watcher: HubWatcher): void {
    const place = this.#treeOf(watcher).at(watcher.path)
    const first = place.item
    if (first === undefined) place.item = watcher
    else {
      watcher.next = first
      watcher.previous = first.previous
      first.previous.next = watcher
      first.previous = watcher
      if (watcher.previous.ignoredUntil > watcher.ignoredUntil) {
        // The clock has gone back. The first one may be looked at in vain.
        watcher.ignoredUntil = Math.min(watcher.ignoredUntil, first.ignoredUntil)
        place.item = watcher
      }
    }
    watcher.place = place
    watcher.hub = this
    this.#count++
  }

  /** Ends a watch; does nothing if it has ended. */
  remove(watcher: HubWatcher): void {
    const { place, next, sleep } = watcher
    if (sleep !== undefined) {
      sleep.waits.remove(sleep)
      watcher.sleep = watcher.hub = undefined
      this.#asleep--
    }
    if (place === undefined) return
    if (next === watcher) place.item = undefined
    else {
      watcher.previous.next = next
      next.previous = watcher.previous
      if (place.item === watcher) place.item = next
      watcher.next = watcher.previous = watcher
    }
    watcher.place = undefined
    watcher.hub = undefined
    this.#count--
    if (place.item === undefined) this.#treeOf(watcher).prune(place)
  }

  #treeOf({ recursive, awaits }: HubWatcher): PathTree<HubWatcher> {
    if (awaits) return this.#missing
    return recursive ? this.#recursive : this.#exact
  }

  /** Shows every event, refreshes excepted, to a listener. @returns a function that ends it */
  addEverywhere(listener: Listener, onFailure?: OnFailure): () => void {
    this.#everywhere.set(listener, onFailure)
    return () => this.#everywhere.delete(listener)
  }

  /** Shows an event to all watchers of all places. */
  notifyAll(event: Event): void {
    const reached: HubWatcher[] = []
    collectFrom(this.#recursive.root, NOT_DUE, reached)
    collectFrom(this.#exact.root, NOT_DUE, reached)
    collectFrom(this.#missing.root, NOT_DUE, reached)
    this.#show(event, reached)
  }

  /** Whether there are no watchers, or none but those that sleep. */
  get idle(): boolean {
    return this.#count === 0 && this.#everywhere.size === 0
  }

  /** Shows an event to the watchers of its place. */
  notify(event: Event): void {
    // The rest is a method of its own, so that V8 inlines this one.
    if (!this.idle) this.#notify(event)
  }

  #notify(event: Event): void {
    for (const [listener, onFailure] of [...this.#everywhere]) {
      if (!this.#everywhere.has(listener)) continue
      try {
        listener(event)
      } catch (error) {
        this.#everywhere.delete(listener)
        report(error, onFailure)
      }
    }
    if (this.#count > 0) this.#show(event, this.#reached(event))
  }

  /**
   * The watchers of an event's place, the recursive ones from the root down first. Collected before any
   * is called, because a listener may add and remove some.
   */
  #reached(event: Event): HubWatcher[] {
    const key = keyOf(event)
    const hidden = this.#showsHidden ? 0 : lastHidden(key)
    const reached: HubWatcher[] = []
    const due = dueSince(event)
    const waiting = collectAbove(this.#missing, key, hidden, due, reached)
    if (waiting?.path.length === key.length) collectAt(waiting, due, reached)
    const place = collectAbove(this.#recursive, key, hidden, due, reached)
    collectBelow(place, event, key, due, reached)
    collectBelow(endOf(this.#exact.way(key), key), event, key, due, reached)
    return reached
  }

  #show(event: Event, reached: readonly HubWatcher[]): void {
    for (const watcher of reached) {
      if (watcher.hub === undefined || event.index < watcher.since) continue
      if (!watcher.stream) watcher.remove()
      try {
        watcher.show(event)
      } catch (error) {
        watcher.remove()
        report(error, watcher.onFailure)
      }
    }
  }
}

/** When the node of an expiry was due, in Unix milliseconds. */
function dueSince(event: Event): number {
  return event.action === 'expire' ? (event.prevNode?.expiration ?? NOT_DUE) : NOT_DUE
}

function report(error: unknown, onFailure: OnFailure | undefined): void {
  try {
    if (onFailure === undefined) throw error
    onFailure(error)
  } catch (unreported) {
    queueMicrotask(() => {
      throw unreported
    })
  }
}

/**
 * Collects the watchers above a path that are not hidden from it.
 *
 * @param hidden where the last hidden component of the path begins
 * @param due see {@link dueSince}
 * @returns the place at the path, or the only one directly below it, if there is one
 */
function collectAbove(
  tree: PathTree<HubWatcher>,
  path: string,
  hidden: number,
  due: number,
  into: HubWatcher[],
): Place<HubWatcher> | undefined {
  const way = tree.way(path)
  const end = endOf(way, path)
  for (const place of way) {
    if (place !== end && place.path.length > hidden) collectAt(place, due, into)
  }
  return end
}

/** The place at a path, or the only one directly below it. @param way to the path */
function endOf(way: readonly Place<HubWatcher>[], path: string): Place<HubWatcher> | undefined {
  const last = way[way.length - 1]
  return last.path.length < path.length ? undefined : last
}

/** Collects the watchers at an event's key, and those below a directory that it removes. */
function collectBelow(
  place: Place<HubWatcher> | undefined,
  event: Event,
  key: string,
  due: number,
  into: HubWatcher[],
): void {
  if (place === undefined) return
  if (removesDirectory(event)) collectFrom(place, due, into)
  else if (place.path.length === key.length) collectAt(place, due, into)
}

/** Collects the watchers of a place that an event may concern. */
function collectAt(place: Place<HubWatcher>, due: number, into: HubWatcher[]): void {
  const first = place.item
  if (first === undefined) return
  let watcher = first
  do {
    if (watcher.ignoredUntil >= due) return
    into.push(watcher)
    watcher = watcher.next
  } while (watcher !== first)
}

/** Collects the watchers of a place and of all places below it. */
function collectFrom(place: Place<HubWatcher>, due: number, into: HubWatcher[]): void {
  collectAt(place, due, into)
  if (place.children === null) return
  for (const child of place.children.values()) collectFrom(child, due, into)
}
