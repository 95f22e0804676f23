import { type Event, keyOf, removesDirectory } from '../event.ts'
import { lastHidden } from '../path.ts'
import { keptName } from '../tree/kept-name.ts'

/**
 * How many paths are remembered before the oldest half is folded into their directories: as many as
 * can be folded in a few milliseconds.
 */
const MAX_PATHS = 16_384
/** How many bytes of names they may have. */
const MAX_BYTES = 8 * 1024 * 1024
/** A directory in which so many names had events counts as a whole from then on, for a while. */
export const CROWD = 4096
/** How many events that while lasts. */
const CROWDED_FOR = 262_144

class PathRecord {
  /** The last dropped event at this very path. */
  last = 0
  /** The last dropped event below, as a recursive watcher here would have seen it. */
  below = 0
  /** The last dropped removal of a directory at this path. */
  removed = 0
  /** The last dropped event at some path below that is no longer remembered by itself. */
  folded = 0
  /** The last dropped event here or anywhere below, behind hidden components too. */
  newest = 0
  children: Map<string, Remembered> | null = null
  /** For so many events the names of its children are not remembered: there are too many. */
  crowded = 0
}

/** A directory whose names are not remembered, so that nobody need look for it. */
interface Crowd {
  readonly record: PathRecord
  /** The records above it, from the root on. */
  readonly above: readonly PathRecord[]
  /** From which of those on what happens below it is seen: there is no hidden component between. */
  readonly visibleFrom: number
}

/**
 * What is remembered of a path. Of most there is but {@link PathRecord.last} to tell, which is then
 * kept as it is: a record for each file written would live just long enough to end among the
 * collector's old objects.
 */
type Remembered = PathRecord | number

/**
 * Remembers of each event that the history has dropped only where and when it was, so that a
 * watcher is refused when something it watches was dropped, and only then: a quiet key can be
 * watched from an index long past. Memory is bounded by forgetting which of many paths in one
 * directory it was, oldest first; a watcher of such a path may then be refused to be safe.
 */
export class DroppedEvents {
  readonly #maxPaths: number
  #root = new PathRecord()
  #paths = 0
  #bytes = 0
  #crowds: Crowd[] = []
  /** The number of the first of them; lower ones have been given out earlier, and are void. */
  #firstCrowd = 1

  /** @param maxPaths how many paths are remembered at the most */
  constructor(maxPaths: number = MAX_PATHS) {
    this.#maxPaths = maxPaths
  }

  /** How many paths are remembered, the directories on the way to them included. */
  get paths(): number {
    return this.#paths
  }

  /**
   * A number by which {@link addCrowded} knows a directory.
   *
   * @param path absolute
   * @returns 0 if its names are remembered just now
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

  /** Whether a number that {@link crowdOf} has given is still that of a crowd. */
  isCrowd(crowd: number): boolean {
    return crowd >= this.#firstCrowd && this.#crowds[crowd - this.#firstCrowd].record.crowded > 0
  }

  /**
   * {@link add} for an event of a file that is neither removed nor hidden, by the number of its
   * directory: a tenth of the time, since its key need not be looked at.
   *
   * @returns false if the number is void, and nothing has been done
   */
  addCrowded(crowd: number, index: number): boolean {
    if (crowd < this.#firstCrowd) return false
    const { record, above, visibleFrom } = this.#crowds[crowd - this.#firstCrowd]
    if (!isCrowded(record, index)) return false
    for (let i = 0; i < above.length; i++) {
      above[i].newest = index
      if (i >= visibleFrom) above[i].below = index
    }
    return true
  }

  /** Takes note of an event that leaves the history. */
  add(event: Event): void {
    // No watcher is shown a refresh, so none can miss it.
    if (!event.refresh) this.#add(keyOf(event), event.index, removesDirectory(event))
  }

  #add(key: string, index: number, removesDirectory: boolean): void {
    let record = this.#root
    // The most frequent case: many keys, all in the root. The key need not be looked into.
    if (key.length > 1 && isCrowded(record, index)) return
    // Watchers above a hidden component do not see what happens behind it.
    const hidden = lastHidden(key)
    for (let start = 1; start < key.length; ) {
      const slash = key.indexOf('/', start)
      const end = slash === -1 ? key.length : slash
      record.newest = index
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
      if (end < key.length && isCrowded(record, index)) return
      start = end + 1
    }
    record.last = record.newest = index
    if (removesDirectory) record.removed = index
    this.#limit()
  }

  /** All events up to an index are gone, and it is not known where they were. */
  addAllUpTo(index: number): void {
    this.#root.folded = Math.max(this.#root.folded, index)
  }

  /**
   * Whether an event that a watcher would have seen may have been dropped.
   *
   * @param since the first index that the watcher wants
   */
  hasSince(path: string, recursive: boolean, since: number): boolean {
    // 0 stands for "never" in the records.
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

  /** All that is remembered, as JSON of one-byte characters; {@link DroppedEvents.load} reads it. */
  save(): string {
    return JSON.stringify(savedRecord(this.#root))
  }

  /** @throws Error if it is not what {@link save} has written */
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

  /** Counts a new name in a directory. @returns false if there are too many names to be remembered */
  #makeRoom(record: PathRecord, name: string): boolean {
    if (record.children !== null && record.children.size >= CROWD) {
      this.#crowd(record)
      return false
    }
    this.#paths++
    this.#bytes += name.length
    return true
  }

  #limit(): void {
    while (this.#paths > this.#maxPaths || this.#bytes > MAX_BYTES) this.#fold()
  }

  /** Remembering each of many names in turn, only to forget it again, would cost every write. */
  #crowd(record: PathRecord): void {
    foldBelow(record, Number.POSITIVE_INFINITY)
    record.crowded = CROWDED_FOR
    this.#count()
  }

  /** Forgets the older half of the paths, each with all below it into the directory above. */
  #fold(): void {
    const newest: number[] = []
    forEach(this.#root, '', (remembered) => newest.push(newestOf(remembered)))
    newest.sort((a, b) => a - b)
    foldBelow(this.#root, newest[newest.length >> 1])
    this.#count()
  }

  /** Called when records have been taken out, those of crowds perhaps among them. */
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

/**
 * Whether the names in a directory are not remembered just now. Then this notes an event below it,
 * hidden or not: for `folded` tells of both.
 */
function isCrowded(record: PathRecord, index: number): boolean {
  if (record.crowded === 0) return false
  record.crowded--
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

/** A record that tells of nothing but the last event at the very path; of none if that is 0. */
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

/** Its five indexes, then the name and the record of each child in turn. */
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
