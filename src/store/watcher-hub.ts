import { type Event, keyOf, removesDirectory } from './event.ts'
import { isHiddenName } from './path.ts'

/** Called with each event that a watcher sees; must not throw. */
export type Listener = (event: Event) => void

/** A watch of a place in the tree. */
export interface Watcher {
  readonly path: string
  readonly recursive: boolean
  /** Ends the watch; does nothing if it has ended. */
  remove(): void
}

interface LiveWatcher extends Watcher {
  readonly since: number
  readonly stream: boolean
  readonly listener: Listener
  ended: boolean
}

/** A path component on the way to watched places. */
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
 * Shows each event to the watchers of its place. Watched places form a tree of their own, so that an
 * event takes no more steps than there are watched places above it, and the removal of a directory
 * reaches the watchers below without visiting the nodes.
 */
export class WatcherHub {
  /** Whether recursive watchers see nodes behind hidden components too. */
  readonly #showsHidden: boolean
  readonly #root = new WatchedPath(null, '')
  readonly #everywhere = new Set<Listener>()
  #count = 0

  constructor(options: { showsHidden?: boolean } = {}) {
    this.#showsHidden = options.showsHidden === true
  }

  /** The number of watchers. */
  get count(): number {
    return this.#count
  }

  /**
   * @param since the first index shown
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

  /** Shows an event to all watchers of all places. */
  notifyAll(event: Event): void {
    const reached = [...this.#root.watchers]
    collectBelow(this.#root, reached)
    this.#show(event, reached)
  }

  /** Whether there are no watchers. */
  get idle(): boolean {
    return this.#count === 0 && this.#everywhere.size === 0
  }

  /** Shows an event to the watchers of its place. */
  notify(event: Event): void {
    // The rest is a method of its own, so that V8 inlines this one.
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
    // Watchers are collected first, because a listener may add and remove some.
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
