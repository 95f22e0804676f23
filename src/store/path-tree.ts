import { ownCopy } from './path.ts'

const SLASH = 47
/** A shorter directory is compared in a loop. */
const MIN_COMPARED = 64

/** A place in a {@link PathTree}: a path that holds something, or where two such paths part. */
export class Place<T> {
  readonly path: string
  parent: Place<T> | null
  /** The places below, by the component that follows this path; null for none. */
  children: Map<string, Place<T>> | null = null
  /** What is kept here. */
  item: T | undefined = undefined

  constructor(path: string, parent: Place<T> | null) {
    this.path = path
    this.parent = parent
  }
}

/**
 * Finds what is kept above, at and below a path.
 *
 * Problem: a place for each component of a path makes a path of 1,000 components cost 1,000 Maps.
 * Trick: there are places only where something is kept, and where paths part:
 *
 *     /                          /
 *     └─ jobs/eu/1               └─ jobs/eu         parts
 *                      + /jobs/eu/2  ├─ 1
 *                                    └─ 2
 *
 * Each place knows its whole path, so that none has to be put together when places come and go. The last {@link way} is
 * remembered, because paths that are asked for one after the other mostly begin alike.
 * Price: where paths part, the common beginning is kept once more.
 * Gain: a path costs about its length and 200 bytes. Walking takes time in proportion to the path; walking the way of a
 * neighbour, a tenth of that.
 */
export class PathTree<T> {
  readonly root = new Place<T>('/', null)
  readonly #onPart: ((place: Place<T>, below: Place<T>) => void) | undefined
  /** The places on the way to {@link #end}. */
  readonly #way: Place<T>[] = [this.root]
  #end = ''
  /** How many places have been looked for on all ways together. */
  looks = 0

  /** @param onPart called with each place that is made above another one, where two paths part */
  constructor(onPart?: (place: Place<T>, below: Place<T>) => void) {
    this.#onPart = onPart
  }

  /**
   * The place of a path, which is made if there is none.
   *
   * @param path absolute and clean; kept, so it must not be cut from a longer string
   */
  at(path: string): Place<T> {
    const way = this.#way
    let place = this.#leaveWay(path)
    while (place.path.length < path.length) {
      this.looks++
      const start = firstOffset(place)
      const end = componentEnd(path, start)
      const child = place.children?.get(path.slice(start, end))
      if (child === undefined) {
        place = new Place(path, place)
        hang(place)
      } else {
        const common = commonEnd(child.path, path, end)
        place = common === child.path.length ? child : this.#part(child, path, common)
      }
      way.push(place)
    }
    return place
  }

  /**
   * The next place on the way to a path: above it, at it, or, if there are no more, the only one
   * directly below it. Undefined if there is none of these.
   *
   * @param place lies above the path
   */
  next(place: Place<T>, path: string): Place<T> | undefined {
    if (place.children === null) return undefined
    const start = firstOffset(place)
    const end = componentEnd(path, start)
    const child = place.children.get(path.slice(start, end))
    if (child === undefined) return undefined
    const common = commonEnd(child.path, path, end)
    return common === child.path.length || common === path.length ? child : undefined
  }

  /**
   * The places on the way to a path, the root first: those above it, and last the one at it or, if there is none, the
   * only one directly below it. The list is changed by the next call, and by each change of the tree.
   */
  way(path: string): readonly Place<T>[] {
    const way = this.#way
    if (this.root.children === null) return way
    let place = this.#leaveWay(path)
    while (place.path.length < path.length) {
      this.looks++
      const next = this.next(place, path)
      if (next === undefined) break
      way.push(next)
      place = next
    }
    return way
  }

  /** Leaves the last way where it does not lead to a path. @returns the place to go on from */
  #leaveWay(path: string): Place<T> {
    const way = this.#way
    if (way.length > 1) {
      const common = commonLength(this.#end, path)
      while (way.length > 1 && !leadsTo(way[way.length - 1], path, common)) way.pop()
    }
    this.#end = path
    return way[way.length - 1]
  }

  /** Leaves the last way above a place that is about to be removed, and may be on it. */
  #leaveWayAbove({ path }: Place<T>): void {
    const way = this.#way
    while (way.length > 1 && way[way.length - 1].path.length >= path.length) way.pop()
  }

  /** Removes a place, unless it holds something or parts paths, and the place that then parts none. */
  prune(place: Place<T>): void {
    let empty = place
    while (empty.item === undefined && empty.parent !== null) {
      const { parent, children } = empty
      if (children !== null && children.size > 1) return
      this.#leaveWayAbove(empty)
      if (children !== null) {
        for (const child of children.values()) {
          child.parent = parent
          hang(child)
        }
        return
      }
      parent.children?.delete(nameOf(empty, parent))
      if (parent.children?.size === 0) parent.children = null
      empty = parent
    }
  }

  /** Makes a place above another one, where the way to a path leaves the way to that. */
  #part(below: Place<T>, path: string, end: number): Place<T> {
    const place = new Place(end === path.length ? path : ownCopy(path.slice(0, end)), below.parent)
    hang(place)
    below.parent = place
    hang(below)
    this.#onPart?.(place, below)
    return place
  }
}

/** Whether a place lies above a path or at it. @param common the path begins with so much of the place's path */
function leadsTo<T>({ path: { length } }: Place<T>, path: string, common: number): boolean {
  return length <= common && (length === path.length || path.charCodeAt(length) === SLASH)
}

/** How many characters two paths begin with alike. */
function commonLength(a: string, b: string): number {
  const directory = b.lastIndexOf('/') + 1
  // V8 compares long ones faster than the loop.
  let at =
    directory >= MIN_COMPARED && a.slice(0, directory) === b.slice(0, directory) ? directory : 0
  const length = Math.min(a.length, b.length)
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at++
  return at
}

/** Puts a place below its parent, in the stead of any other. */
function hang<T>(place: Place<T>): void {
  const parent = place.parent as Place<T>
  // The name is cut from the path. A former name would keep the path of another place in memory.
  const name = nameOf(place, parent)
  parent.children ??= new Map()
  parent.children.delete(name)
  parent.children.set(name, place)
}

/** The component of a place's path that follows its parent's path. */
function nameOf<T>({ path }: Place<T>, parent: Place<T>): string {
  const start = firstOffset(parent)
  return path.slice(start, componentEnd(path, start))
}

/** Where the component after a place begins, in paths below it. */
function firstOffset<T>({ path, parent }: Place<T>): number {
  return parent === null ? 1 : path.length + 1
}

function componentEnd(path: string, start: number): number {
  const end = path.indexOf('/', start)
  return end === -1 ? path.length : end
}

/**
 * Where the common beginning of two paths ends, in whole components.
 *
 * @param start a component of both ends here; all before is common
 */
function commonEnd(a: string, b: string, start: number): number {
  const length = Math.min(a.length, b.length)
  let end = start
  for (let at = start; at < length; at++) {
    const char = a.charCodeAt(at)
    if (char !== b.charCodeAt(at)) return end
    if (char === SLASH) end = at
  }
  const longer = a.length === length ? b : a
  return longer.length === length || longer.charCodeAt(length) === SLASH ? length : end
}
