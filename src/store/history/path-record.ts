import { ownCopy } from '../path.ts'

/** A directory becomes crowded when this number of names in it have had events. */
export const MIN_CROWD = 4096
/** A directory stays crowded for this number of events. */
const CROWDED_EVENTS = 262_144

/** What {@link DroppedEvents} remembers of a path at which something was dropped, or where two such paths part. */
export class PathRecord {
  /**
   * The way from the record above, without the component by which it is found there: `/b/c` of `a/b/c`, and nothing
   * of `a`. No event was at a path in between, and all below such a path are at this record or below it.
   */
  rest = ''
  /** The last dropped event at this very path. */
  last = 0
  /** The last dropped event below this path that a recursive watcher here would have seen. */
  below = 0
  /** The last dropped removal of a directory at this path. */
  removed = 0
  /** The last dropped event at any lower path that is no longer remembered by itself. */
  folded = 0
  /** The last dropped event here or anywhere below, including behind hidden components. */
  newest = 0
  /** By the first component of the way to them. */
  children: Map<string, Remembered> | null = null
  /** The number of events for which the directory is still crowded. */
  crowded = 0

  /**
   * Makes a record for a path between this one and the one above, which has to refer to it.
   *
   * @param end where in {@link rest} that path ends
   */
  part(end: number): PathRecord {
    const between = new PathRecord()
    between.rest = ownCopy(this.rest.slice(0, end))
    between.newest = this.newest
    if (!this.rest.includes('/_', end)) between.below = Math.max(this.last, this.below)
    const nameEnd = componentEnd(this.rest, end + 1)
    between.children = new Map([[ownCopy(this.rest.slice(end + 1, nameEnd)), this]])
    this.rest = ownCopy(this.rest.slice(nameEnd))
    return between
  }

  /** Makes a directory crowded: folds all its names. @param events for how many */
  crowd(events = CROWDED_EVENTS): void {
    this.fold(Number.POSITIVE_INFINITY)
    this.crowded = events
  }

  /** Forgets the paths below whose newest event is old, each with all below it. @param upTo the newest old index */
  fold(upTo: number): void {
    if (this.children === null) return
    for (const [name, child] of this.children) {
      const newest = newestOf(child)
      if (newest > upTo) {
        if (typeof child === 'object') child.fold(upTo)
        continue
      }
      this.folded = Math.max(this.folded, newest)
      this.children.delete(name)
    }
    if (this.children.size === 0) this.children = null
  }

  clone(): PathRecord {
    const copy = Object.assign(new PathRecord(), this)
    if (this.children !== null) {
      copy.children = new Map()
      for (const [name, child] of this.children) {
        copy.children.set(name, typeof child === 'number' ? child : child.clone())
      }
    }
    return copy
  }
}

/**
 * The memory of a path: a record or, if the record would tell only `last` and has no `rest`, just that index. Most
 * paths are files, and a record for each would live just long enough to be moved to the garbage
 * collector's old objects.
 */
export type Remembered = PathRecord | number

export function newestOf(remembered: Remembered): number {
  return typeof remembered === 'number' ? remembered : remembered.newest
}

/** A record that has only the last event at its very path; 0 means that there was none. */
export function recordOf(last: number): PathRecord {
  const record = new PathRecord()
  record.last = record.newest = last
  return record
}

/** Where the component ends that begins at an offset. */
export function componentEnd(path: string, start: number): number {
  const end = path.indexOf('/', start)
  return end === -1 ? path.length : end
}

/** Calls back with a path and all below it, and how many bytes the way to each has. */
export function forEachRecord(
  remembered: Remembered,
  length: number,
  visit: (newest: number, length: number) => void,
): void {
  visit(newestOf(remembered), length)
  if (typeof remembered === 'number' || remembered.children === null) return
  for (const [name, child] of remembered.children) {
    const rest = typeof child === 'number' ? 0 : child.rest.length
    forEachRecord(child, name.length + rest, visit)
  }
}

type SavedRecord = [number, number, number, number, number, ...(string | SavedRecord)[]]

/** A record as an array: its five indexes, then the way to each child and the child's record in turn. */
export function savedRecord(remembered: Remembered): SavedRecord {
  if (typeof remembered === 'number') return [remembered, 0, 0, 0, remembered]
  const { last, below, removed, folded, newest } = remembered
  const saved: SavedRecord = [last, below, removed, folded, newest]
  for (const [name, child] of remembered.children ?? []) {
    saved.push(typeof child === 'number' ? name : name + child.rest, savedRecord(child))
  }
  return saved
}

/** @throws Error if it is not the result of {@link savedRecord} */
export function loadRecord(saved: unknown, rest = ''): PathRecord {
  if (!Array.isArray(saved) || saved.length < 5 || saved.length % 2 !== 1)
    throw new Error('not a record of a path')
  const record = new PathRecord()
  record.rest = rest
  const indexes = saved.slice(0, 5)
  if (!indexes.every(Number.isSafeInteger)) throw new Error('not a record of a path')
  ;[record.last, record.below, record.removed, record.folded, record.newest] = indexes
  for (let i = 5; i < saved.length; i += 2) {
    const way: unknown = saved[i]
    if (typeof way !== 'string') throw new Error('a path without a name')
    record.children ??= new Map()
    const end = componentEnd(way, 0)
    record.children.set(
      ownCopy(way.slice(0, end)),
      loadRecord(saved[i + 1], ownCopy(way.slice(end))),
    )
  }
  return record
}
