import { type Event, keyOf, removesDirectory } from '../event.ts'
import { lastHidden, ownCopy } from '../path.ts'
import { keptName } from '../tree/kept-name.ts'
import {
  componentEnd,
  forEachRecord,
  loadRecord,
  MIN_CROWD,
  type PathRecord,
  recordOf,
  savedRecord,
} from './path-record.ts'

/**
 * If there are more paths, the older half of them is folded into their directories. Folding this
 * number takes a few milliseconds.
 */
export const MAX_PATHS = 16_384
/** The most bytes that the names of those paths may have together. */
const MAX_NAME_BYTES = 8 * 1024 * 1024
/** An event goes down to this number of remembered paths above it, so that each takes a bounded time. */
const MAX_ABOVE = 64
/** More crowds at a time are found anew. */
const MAX_CROWDS = 64

const SLASH = 47

/** What is remembered at a path: an event of a file, one that removed a directory, or any somewhere in it. */
const [FILE, REMOVAL, FOLDED] = [0, 1, 2] as const

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
 * Remembers only the path and the index of each event that the history has dropped. A watcher is
 * refused if and only if an event that it would have seen was dropped; a quiet key can be watched
 * from an index long past.
 *
 * Memory is bounded: if there are too many paths, the older half is folded. A directory remembers
 * of its folded paths only that there was an event at one of them. A watcher of such a path may be
 * refused without need. So may one of a path below more than {@link MAX_ABOVE} remembered ones.
 *
 * There are records only where something was dropped, and where such paths part: a path of many levels costs
 * one or two, however many directories of its own it has.
 *
 * Problem: with more than {@link MIN_CROWD} busy files in one directory, every write would remember
 * a name that is soon folded again.
 *
 * Trick: such a directory is crowded. For a quarter of a million events its names are not
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
  #root = recordOf(0)
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
    for (let start = 1; start < path.length; start++) {
      const end = componentEnd(path, start)
      const child = record.children?.get(path.slice(start, end))
      if (typeof child !== 'object') return 0
      const way = end + child.rest.length
      if (endOfWay(child.rest, path, end) < way) return 0
      above.push(record)
      if (start <= hidden) visibleFrom = above.length
      record = child
      start = way
    }
    if (record.crowded === 0) return 0
    const known = this.#crowds.findIndex((crowd) => crowd.record === record)
    if (known !== -1) return this.#firstCrowd + known
    if (this.#crowds.length === MAX_CROWDS) this.#forgetCrowds()
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
    record.below = index
    for (let i = 0; i < above.length; i++) {
      above[i].newest = index
      if (i >= visibleFrom) above[i].below = index
    }
    return true
  }

  /** Remembers an event that leaves the history. */
  add(event: Event): void {
    // No watcher is shown a refresh, so none can miss it.
    if (!event.refresh) this.addAt(keyOf(event), event.index, removesDirectory(event))
  }

  /** Like {@link add}; for an event that is no refresh. */
  addAt(key: string, index: number, removesDirectory: boolean): void {
    // The most frequent case: many keys, all in the root.
    if (key.length > 1 && addIfCrowded(this.#root, index)) return
    this.#addAt(key, index, removesDirectory ? REMOVAL : FILE, lastHidden(key))
  }

  /**
   * Like {@link addAt}, but remembers only that there was an event somewhere in its directory, as if its path had been folded
   * since. Takes a fraction of the time where there are many.
   */
  addFolded(key: string, index: number): void {
    if (key.length > 1 && addIfCrowded(this.#root, index)) return
    const directory = key.slice(0, Math.max(1, key.lastIndexOf('/')))
    this.#addAt(directory, index, FOLDED, lastHidden(key))
  }

  /** @param hidden where the last hidden component of the event's key begins: watchers above it do not see the event */
  #addAt(
    key: string,
    index: number,
    what: typeof FILE | typeof REMOVAL | typeof FOLDED,
    hidden: number,
  ): void {
    let record = this.#root
    let above = 0
    for (let start = 1; start < key.length; start++) {
      record.newest = index
      if (start > hidden) record.below = index
      if (addIfCrowded(record, index)) return
      if (above++ === MAX_ABOVE) {
        record.folded = index
        return
      }
      const end = componentEnd(key, start)
      const name = key.slice(start, end)
      const known = record.children?.get(name)
      if (known === undefined) {
        if (this.#makeRoom(record, key.length - start)) {
          const child = end === key.length && what === FILE ? index : recordOf(0)
          if (typeof child === 'object') {
            child.rest = ownCopy(key.slice(end))
            note(child, index, what, hidden <= key.length)
          }
          record.children ??= new Map()
          record.children.set(keptName(name), child)
          this.#limit()
        } else record.folded = index
        return
      }
      if (typeof known === 'object') {
        record = known.rest === '' ? known : this.#commonRecord(record, name, known, key, end)
      } else {
        if (end === key.length && what === FILE) {
          record.children?.set(name, index)
          return
        }
        const child = recordOf(known)
        record.children?.set(name, child)
        record = child
      }
      start = end + record.rest.length
    }
    note(record, index, what, hidden <= key.length)
    this.#limit()
  }

  /**
   * The record of what a path has in common with the way to a child. If the path leaves the way before the child, a
   * record is made there.
   *
   * @param end where the component of the path ends by which the child is found
   */
  #commonRecord(
    parent: PathRecord,
    name: string,
    child: PathRecord,
    path: string,
    end: number,
  ): PathRecord {
    const common = endOfWay(child.rest, path, end) - end
    if (common === child.rest.length) return child
    // What a crowd knows of the records above it would no longer be all.
    if (this.#crowds.some(({ record, above }) => record === child || above.includes(child))) {
      this.#forgetCrowds()
    }
    const between = child.part(common)
    parent.children?.set(name, between)
    this.#paths++
    return between
  }

  /**
   * Like {@link add}, for an event of a directory that has been moved. Events of all nodes below it follow: it is crowded
   * for so long, because else each of their paths would be remembered level by level, and soon folded.
   *
   * @param nodes how many are below it
   */
  addMoved(event: Event, nodes: number): void {
    this.add(event)
    const record = this.#recordAt(keyOf(event))
    if (record === undefined) return
    const isEmpty = record.children === null
    record.crowd(nodes)
    if (!isEmpty) this.#count()
  }

  /** The record of a path that is remembered by itself. */
  #recordAt(path: string): PathRecord | undefined {
    let record = this.#root
    for (let start = 1; start < path.length; start++) {
      const end = componentEnd(path, start)
      const name = path.slice(start, end)
      let known = record.children?.get(name)
      if (typeof known === 'number' && end === path.length) {
        known = recordOf(known)
        record.children?.set(name, known)
      }
      if (typeof known !== 'object') return undefined
      start = end + known.rest.length
      if (endOfWay(known.rest, path, end) < start) return undefined
      record = known
    }
    return record
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
    for (let start = 1; start < path.length; start++) {
      if (record.folded >= since || record.removed >= since) return true
      const end = componentEnd(path, start)
      const child = record.children?.get(path.slice(start, end))
      if (child === undefined) return false
      if (typeof child === 'number') return end === path.length && child >= since
      const { rest } = child
      const common = endOfWay(rest, path, end)
      if (common < end + rest.length) {
        // The path leaves the way to the child, or ends on it.
        if (common < path.length || !recursive || rest.includes('/_', common - end)) return false
        return child.last >= since || child.below >= since
      }
      record = child
      start = common
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
    copy.#root = this.#root.clone()
    copy.#paths = this.#paths
    copy.#bytes = this.#bytes
    return copy
  }

  /** Counts a new path in a directory. @returns false if the directory has become crowded */
  #makeRoom(record: PathRecord, bytes: number): boolean {
    if (record.children !== null && record.children.size >= MIN_CROWD) {
      record.crowd()
      this.#count()
      return false
    }
    this.#paths++
    this.#bytes += bytes
    return true
  }

  #limit(): void {
    while (this.#paths > this.#maxPaths || this.#bytes > MAX_NAME_BYTES) this.#fold()
  }

  /** Folds the older half of the paths, each with all below it, into the directory above. */
  #fold(): void {
    const newest = new Float64Array(this.#paths + 1)
    let count = 0
    forEachRecord(this.#root, 0, (index) => {
      newest[count++] = index
    })
    newest.sort()
    this.#root.fold(newest[newest.length >> 1])
    this.#count()
  }

  /** Counts the paths anew after a fold, which may have removed records of crowds. */
  #count(): void {
    this.#forgetCrowds()
    this.#paths = -1
    this.#bytes = 0
    forEachRecord(this.#root, 0, (_, length) => {
      this.#paths++
      this.#bytes += length
    })
  }

  #forgetCrowds(): void {
    this.#firstCrowd += this.#crowds.length
    this.#crowds = []
  }
}

/** Notes an event at the very path of a record, or somewhere below. @param isVisible whether a recursive watcher sees it */
function note(record: PathRecord, index: number, what: number, isVisible: boolean): void {
  record.newest = index
  if (what === FOLDED) {
    record.folded = index
    if (isVisible) record.below = index
  } else record.last = index
  if (what === REMOVAL) record.removed = index
}

/** Notes an event below a directory, if the directory is crowded. @returns whether it is */
function addIfCrowded(record: PathRecord, index: number): boolean {
  if (record.crowded === 0) return false
  record.crowded--
  // Hidden or not: `folded` stands for both.
  record.newest = record.folded = index
  return true
}

/**
 * Where a path leaves the way to a record, or the way ends, in whole components.
 *
 * @param start where the rest of the way begins in the path
 */
function endOfWay(rest: string, path: string, start: number): number {
  const end = start + rest.length
  // V8 compares a slice faster than the loop.
  if (path.length <= end || path.charCodeAt(end) === SLASH) {
    if (path.slice(start, end) === rest) return end
  }
  let common = start
  for (let at = start; at < end && at < path.length; at++) {
    const char = path.charCodeAt(at)
    if (char !== rest.charCodeAt(at - start)) return common
    if (char === SLASH) common = at
  }
  // One of the two ends here, and the other goes on.
  const next = path.length < end ? rest.charCodeAt(path.length - start) : path.charCodeAt(end)
  return next === SLASH ? Math.min(end, path.length) : common
}
