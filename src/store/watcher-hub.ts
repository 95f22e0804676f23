import { type Event, keyOf, removesDirectory } from './event.ts'
import { isHiddenName } from './path.ts'

/** Called with each event that a watcher sees. Must not throw. */
export type Listener = (event: Event) => void

/** A place in the tree that somebody watches. */
export interface Watcher {
  readonly path: string
  readonly recursive: boolean
  /** Ends the watch; harmless when it has ended. */
  remove(): void
}

interface LiveWatcher extends Watcher {
  readonly since: number
  readonly stream: boolean
  readonly listener: Listener
  ended: boolean
}

/** One path component on the way to watched places. */
class WatchedPath {
  readonly parent: WatchedPath | null
  readonly name: string
  readonly children = new Map<string, WatchedPath>()
  readonly watchers = new Set<LiveWatcher>()

  constructor(parent: WatchedPath | null, name: string) {
    this.parent = parent
    this.name = name
  }
}

/**
 * Brings each event to those who watch its place. Watched places form a tree of their own, so that
 * an event costs only as many steps as someone watches above it, and the removal of a directory
 * reaches the watchers below without a look at the nodes.
 */
export class WatcherHub {
  /** Do recursive watchers see what lies behind hidden components too? */
  readonly #showsHidden: boolean
  readonly #root = new WatchedPath(null, '')
  readonly #everywhere = new Set<Listener>()
  #count = 0

  constructor(options: { showsHidden?: boolean } = {}) {
    this.#showsHidden = options.showsHidden === true
  }

  /** How many watchers there are. */
  get count(): number {
    return this.#count
  }

  /**
   * @param since events before this index are not shown
   * @param stream go on after the first event
   */
  add(
    path: string,
    recursive: boolean,
    stream: boolean,
    since: number,
    listener: Listener,
  ): Watcher {
    let place = this.#root
    if (path !== '/') {
      for (const name of path.slice(1).split('/')) {
        let child = place.children.get(name)
        if (child === undefined) {
          child = new WatchedPath(place, name)
          place.children.set(name, child)
        }
        place = child
      }
    }
    const watcher: LiveWatcher = {
      path,
      recursive,
      since,
      stream,
      listener,
      ended: false,
      remove: () => this.#remove(place, watcher),
    }
    place.watchers.add(watcher)
    this.#count++
    return watcher
  }

  /** Shows every event, refreshes excepted, to a listener. @returns a function that ends it */
  addEverywhere(listener: Listener): () => void {
    this.#everywhere.add(listener)
    return () => this.#everywhere.delete(listener)
  }

  /** Shows an event to all watchers, wherever they are. */
  notifyAll(event: Event): void {
    const reached = [...this.#root.watchers]
    collectBelow(this.#root, reached)
    this.#show(event, reached)
  }

  /** Whether nobody watches anything. */
  get idle(): boolean {
    return this.#count === 0 && this.#everywhere.size === 0
  }

  /** Shows an event to all who watch its place. */
  notify(event: Event): void {
    // Apart, so that V8 inlines this.
    if (!this.idle) this.#notify(event)
  }

  #notify(event: Event): void {
    for (const listener of [...this.#everywhere]) {
      if (this.#everywhere.has(listener)) listener(event)
    }
    if (this.#count === 0) return
    const key = keyOf(event)
    const components = key === '/' ? [] : key.slice(1).split('/')
    const visibleFrom = this.#showsHidden ? 0 : components.findLastIndex(isHiddenName) + 1
    // Collected first: a listener may add and remove watchers.
    const reached: LiveWatcher[] = []
    let place: WatchedPath | undefined = this.#root
    for (let depth = 0; place !== undefined; depth++) {
      const here = depth === components.length
      if (here || depth >= visibleFrom) {
        for (const watcher of place.watchers) if (here || watcher.recursive) reached.push(watcher)
      }
      if (here) break
      place = place.children.get(components[depth])
    }
    if (place !== undefined && removesDirectory(event)) collectBelow(place, reached)
    this.#show(event, reached)
  }

  #show(event: Event, reached: readonly LiveWatcher[]): void {
    for (const watcher of reached) {
      if (watcher.ended || event.index < watcher.since) continue
      if (!watcher.stream) watcher.remove()
      watcher.listener(event)
    }
  }

  #remove(place: WatchedPath, watcher: LiveWatcher): void {
    if (!place.watchers.delete(watcher)) return
    watcher.ended = true
    this.#count--
    let at = place
    while (at.parent !== null && at.watchers.size === 0 && at.children.size === 0) {
      at.parent.children.delete(at.name)
      at = at.parent
    }
  }
}

function collectBelow(place: WatchedPath, into: LiveWatcher[]): void {
  for (const child of place.children.values()) {
    for (const watcher of child.watchers) into.push(watcher)
    collectBelow(child, into)
  }
}
