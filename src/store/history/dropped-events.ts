import { type Event, keyOf, removesDirectory } from '../event.ts'
import { lastHidden } from '../path.ts'
import { keptName } from '../tree/kept-name.ts'

/**
 * If there are more paths, the older half of them is folded into their directories. Folding this
 * number takes a few milliseconds.
 */
const MAX_PATHS = 16_384
/** The most bytes that the names of those paths may have together. */
const MAX_NAME_BYTES = 8 * 1024 * 1024
/** Of a longer path only these levels are remembered, so that every event takes a bounded time. */
const MAX_LEVELS = 64
/** A directory becomes crowded when this number of names in it have had events. */
export const MIN_CROWD = 4096
/** A directory stays crowded for this number of events. */
const CROWDED_EVENTS = 262_144

class PathRecord {
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
  children: Map<string, Remembered> | null = null
  /** The number of events for which the directory is still crowded. */
  crowded = 0
}

/** A crowded directory, with the records that {@link DroppedEvents.addCrowded} has to update. */
interface Crowd {
  readonly record: PathRecord
  /** The records above it, from the root on. */
  readonly above: readonly PathRecord[]
  /**
   * From this index in `above` on, recursive watchers see the directory: no hidden component lies
   * between.
   */
  readonly visibleFrom: number
}

/**
 * The memory of a path: a record or, if the record would tell only `last`, just that index. Most
 * paths are files, and a record for each would live just long enough to be moved to the garbage
 * collector's old objects.
 */
type Remembered = PathRecord | number

/**
 * Remembers only the path and the index of each event that the history has dropped. A watcher is
 * refused if and only if an event that it would have seen was dropped; a quiet key can be watched
 * from an index long past.
 *
 * Memory is bounded: if there are too many paths, the older half is folded. A directory remembers
 * of its folded paths only that there was an event at one of them. A watcher of such a path may be
 * refused without need. So may one of a path with more than {@link MAX_LEVELS} levels.
 *
 * Problem: with more than {@link MIN_CROWD} busy files in one directory, every write would remember
 * a name that is soon folded again.
 *
 * Trick: such a directory is crowded. For the next {@link CROWDED_EVENTS} events its names are not
 * remembered, as if folded at once. A crowd has a number, which the directory's node in the tree
 * keeps. Given the number, {@link DroppedEvents.addCrowded} updates the crowd's records without
 * reading the key.
 *
 * Price: watchers of quiet files in a crowded directory are refused without need.
 *
 * Gain: each dropped event takes a tenth of the time; without it a write of a pipeline of 16 to random
 * keys of one directory takes 2.3 times the processor time (bench/HISTORY.md).
 *
 * Can be deleted by deleting `Crowd`, `crowded` and `addCrowded`, with `crowdOf` in `WatchableTree`
 * and the `#crowds` of the history.
 */
export class DroppedEvents {
  readonly #maxPaths: number
  #root = new PathRecord()
  #paths = 0
  #bytes = 0
  #crowds: Crowd[] = []
  /** The number of the first crowd. Lower numbers are void: their crowds are forgotten. */
  #firstCrowd = 1

  /** @param maxPaths the most paths that are remembered */
  constructor(maxPaths: number = MAX_PATHS) {
    this.#maxPaths = maxPaths
  }

  /** The number of paths remembered, the directories on the way to them included. */
  get paths(): number {
    return this.#paths
  }

  /**
   * The number of a crowded directory, for {@link addCrowded}.
   *
   * @param path absolute
   * @returns 0 if the directory is not crowded
   */
  crowdOf(path: string): number {
    const hidden = lastHidden(path)
    const above: PathRecord[] = []
    let record = this.#root
    let visibleFrom = 0
    for (let start = 1; start < path.length; ) {
      const slash = path.indexOf('/', start)
      const end = slash === -1 ? path.length : slash
      const child = record.children?.get(path.slice(start, end))
      if (typeof child !== 'object') return 0
      above.push(record)
      if (start <= hidden) visibleFrom = above.length
      record = child
      start = end + 1
    }
    if (record.crowded === 0) return 0
    const known = this.#crowds.findIndex((crowd) => crowd.record === record)
    if (known !== -1) return this.#firstCrowd + known
    this.#crowds.push({ record, above, visibleFrom })
    return this.#firstCrowd + this.#crowds.length - 1
  }

  /** Whether a number from {@link crowdOf} still belongs to a crowd. */
  isCrowd(crowd: number): boolean {
    return crowd >= this.#firstCrowd && this.#crowds[crowd - this.#firstCrowd].record.crowded > 0
  }

  /**
   * Like {@link add} for an event of a file in a crowded directory, but does not read the key. The
   * file is not hidden, and was not removed.
   *
   * @returns false if the number is void; then nothing has been done
   */
  addCrowded(crowd: number, index: number): boolean {
    if (crowd < this.#firstCrowd) return false
    const { record, above, visibleFrom } = this.#crowds[crowd - this.#firstCrowd]
    if (!addIfCrowded(record, index)) return false
    for (let i = 0; i < above.length; i++) {
      above[i].newest = index
      if (i >= visibleFrom) above[i].below = index
    }
    return true
  }

  /** Remembers an event that leaves the history. */
  add(event: Event): void {
    // No watcher is shown a refresh, so none can miss it.
    if (!event.refresh) this.#add(keyOf(event), event.index, removesDirectory(event))
  }

  #add(key: string, index: number, removesDirectory: boolean): void {
    let record = this.#root
    // The most frequent case: many keys, all in the root.
    if (key.length > 1 && addIfCrowded(record, index)) return
    // Watchers above a hidden component do not see events behind it.
    const hidden = lastHidden(key)
    let levels = 0
    for (let start = 1; start < key.length; ) {
      const slash = key.indexOf('/', start)
      const end = slash === -1 ? key.length : slash
      record.newest = index
      if (levels++ === MAX_LEVELS) {
        record.folded = index
        this.#limit()
        return
      }
      if (start > hidden) record.below = index
      const name = key.slice(start, end)
      const known = record.children?.get(name)
      if (known === undefined && !this.#makeRoom(record, name)) {
        record.folded = index
        return
      }
      record.children ??= new Map()
      if (end === key.length && typeof known !== 'object' && !removesDirectory) {
        record.children.set(known === undefined ? keptName(name) : name, index)
        this.#limit()
        return
      }
      let child = known
      if (typeof child !== 'object') {
        child = recordOf(child ?? 0)
        record.children.set(known === undefined ? keptName(name) : name, child)
      }
      record = child
      if (end < key.length && addIfCrowded(record, index)) return
      start = end + 1
    }
    record.last = record.newest = index
    if (removesDirectory) record.removed = index
    this.#limit()
  }

  /** Remembers that all events up to an index were dropped at unknown paths. */
  addAllUpTo(index: number): void {
    this.#root.folded = Math.max(this.#root.folded, index)
  }

  /**
   * Whether an event that a watcher would have seen may have been dropped.
   *
   * @param since the first index that the watcher wants
   */
  hasSince(path: string, recursive: boolean, since: number): boolean {
    // The records use 0 for "never".
    if (since < 1) return this.hasSince(path, recursive, 1)
    let record = this.#root
    if (path !== '/') {
      for (const component of path.slice(1).split('/')) {
        if (record.folded >= since || record.removed >= since) return true
        const child = record.children?.get(component)
        if (child === undefined) return false
        record = typeof child === 'number' ? recordOf(child) : child
      }
    }
    if (record.last >= since) return true
    return recursive && (record.below >= since || record.folded >= since)
  }

  /** All records as JSON of one-byte characters, for {@link DroppedEvents.load}. */
  save(): string {
    return JSON.stringify(savedRecord(this.#root))
  }

  /** @param saved the result of {@link save} @throws Error if it is anything else */
  static load(saved: string): DroppedEvents {
    const dropped = new DroppedEvents()
    dropped.#root = loadRecord(JSON.parse(saved))
    dropped.#count()
    return dropped
  }

  clone(): DroppedEvents {
    const copy = new DroppedEvents(this.#maxPaths)
    copy.#root = cloneRecord(this.#root)
    copy.#paths = this.#paths
    copy.#bytes = this.#bytes
    return copy
  }

  /** Counts a new name in a directory. @returns false if the directory has become crowded */
  #makeRoom(record: PathRecord, name: string): boolean {
    if (record.children !== null && record.children.size >= MIN_CROWD) {
      this.#crowd(record)
      return false
    }
    this.#paths++
    this.#bytes += name.length
    return true
  }

  #limit(): void {
    while (this.#paths > this.#maxPaths || this.#bytes > MAX_NAME_BYTES) this.#fold()
  }

  /** Makes a directory crowded: folds all its names. */
  #crowd(record: PathRecord): void {
    foldBelow(record, Number.POSITIVE_INFINITY)
    record.crowded = CROWDED_EVENTS
    this.#count()
  }

  /** Folds the older half of the paths, each with all below it, into the directory above. */
  #fold(): void {
    const newest: number[] = []
    forEach(this.#root, '', (remembered) => newest.push(newestOf(remembered)))
    newest.sort((a, b) => a - b)
    foldBelow(this.#root, newest[newest.length >> 1])
    this.#count()
  }

  /** Counts the paths anew after a fold, which may have removed records of crowds. */
  #count(): void {
    this.#firstCrowd += this.#crowds.length
    this.#crowds = []
    this.#paths = -1
    this.#bytes = 0
    forEach(this.#root, '', (_, name) => {
      this.#paths++
      this.#bytes += name.length
    })
  }
}

/** Notes an event below a directory, if the directory is crowded. @returns whether it is */
function addIfCrowded(record: PathRecord, index: number): boolean {
  if (record.crowded === 0) return false
  record.crowded--
  // Hidden or not: `folded` stands for both.
  record.newest = record.folded = index
  return true
}

function foldBelow(record: PathRecord, upTo: number): void {
  if (record.children === null) return
  for (const [name, child] of record.children) {
    const newest = newestOf(child)
    if (newest > upTo) {
      if (typeof child === 'object') foldBelow(child, upTo)
      continue
    }
    record.folded = Math.max(record.folded, newest)
    record.children.delete(name)
  }
  if (record.children.size === 0) record.children = null
}

function newestOf(remembered: Remembered): number {
  return typeof remembered === 'number' ? remembered : remembered.newest
}

/** A record that has only the last event at its very path; 0 means that there was none. */
function recordOf(last: number): PathRecord {
  const record = new PathRecord()
  record.last = record.newest = last
  return record
}

function forEach(
  remembered: Remembered,
  name: string,
  visit: (remembered: Remembered, name: string) => void,
): void {
  visit(remembered, name)
  if (typeof remembered === 'number' || remembered.children === null) return
  for (const [childName, child] of remembered.children) forEach(child, childName, visit)
}

type SavedRecord = [number, number, number, number, number, ...(string | SavedRecord)[]]

/** A record as an array: its five indexes, then the name and the record of each child in turn. */
function savedRecord(remembered: Remembered): SavedRecord {
  if (typeof remembered === 'number') return [remembered, 0, 0, 0, remembered]
  const { last, below, removed, folded, newest } = remembered
  const saved: SavedRecord = [last, below, removed, folded, newest]
  for (const [name, child] of remembered.children ?? []) saved.push(name, savedRecord(child))
  return saved
}

function loadRecord(saved: unknown): PathRecord {
  if (!Array.isArray(saved) || saved.length < 5 || saved.length % 2 !== 1)
    throw new Error('not a record of a path')
  const record = new PathRecord()
  const indexes = saved.slice(0, 5)
  if (!indexes.every(Number.isSafeInteger)) throw new Error('not a record of a path')
  ;[record.last, record.below, record.removed, record.folded, record.newest] = indexes
  for (let i = 5; i < saved.length; i += 2) {
    if (typeof saved[i] !== 'string') throw new Error('a path without a name')
    record.children ??= new Map()
    record.children.set(saved[i], loadRecord(saved[i + 1]))
  }
  return record
}

function cloneRecord(record: PathRecord): PathRecord {
  const copy = Object.assign(new PathRecord(), record)
  if (record.children !== null) {
    copy.children = new Map()
    for (const [name, child] of record.children) {
      copy.children.set(name, typeof child === 'number' ? child : cloneRecord(child))
    }
  }
  return copy
}
