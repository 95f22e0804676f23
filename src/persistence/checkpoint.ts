import type { Event } from '../store/event.ts'
import type { Stats } from '../store/stats.ts'
import type { Store } from '../store/store.ts'
import {
  type ChangeSet,
  type Changes,
  emptySet,
  type FrozenCopy,
  type StoredValue,
  type Tally,
} from '../store/tree/changes.ts'
import { type DirectoryNode, type FileNode, type Node, nodesBelow } from '../store/tree/node.ts'
import type { Value } from '../store/value.ts'
import { CHECKSUM_LENGTH, seal } from './checksum.ts'
import type { CopyState, JournalPlace } from './copy-state.ts'
import { encodeEvents, eventLength } from './event-record.ts'
import { directoryKey, eventsKey, fileKey, metaKey, placesKey, valueKey } from './keys.ts'
import type { Batch, Engine } from './level.ts'
import { encodeMeta } from './meta.ts'
import { encodeDirectory, encodeFile, encodeStoredFile } from './node-record.ts'
import { Pace } from './pace.ts'
import { encodeValuePiece, piecesOf } from './value-record.ts'

/** How many nodes are encoded before the clock is checked. */
const NODES_PER_STEP = 32
/** A record of events ends with the event that reaches this size. */
const MAX_EVENTS_RECORD_BYTES = 64 * 1024
/** How many events are encoded before the clock is checked. */
const EVENTS_PER_STEP = 64
/** What need not be in the last batch is written in pieces of this size. */
const PIECE_BYTES = 4 * 1024 * 1024
/** A longer value has a record of its own, so that a new TTL does not write it again. */
const MAX_INLINE_BYTES = 16 * 1024
/** In a large last batch a value has a record of its own if it has only these bytes. */
const MAX_INLINE_BYTES_IN_LARGE_BATCH = 128
const LARGE_BATCH_BYTES = 64 * 1024 * 1024

export interface CheckpointOptions {
  /** Write the whole tree, under a new root, rather than only the changes. */
  whole: boolean
  /** Changes that an earlier checkpoint failed to write. */
  unsaved: ChangeSet | undefined
  /** Records of events to delete, by their first index. */
  strayEvents?: readonly number[]
  /** The place in the journal that has everything up to now. */
  journal?: JournalPlace | undefined
  /** Called with the number of nodes written so far, while a whole tree is written. */
  onProgress?: ((nodes: number) => void) | undefined
}

/**
 * Brings the copy on disk to one moment of the store: that at which this is constructed.
 *
 * The nodes that have changed by then are encoded in slices, while clients go on to write. A node
 * that is about to change is encoded first (`capture`), so that the copy has it as it was. Values that
 * are long, and events, are written in pieces, which count only when the last batch, with all nodes and the
 * head, is on the disk.
 */
export class Checkpoint implements FrozenCopy {
  readonly #engine: Engine
  readonly #changes: Changes
  readonly #options: CheckpointOptions
  /** The copy as this checkpoint leaves it. `eventRecords` is updated only when it has been written. */
  readonly copy: CopyState
  /** The store's index at the moment of the copy. */
  readonly index: number
  /** Whether it writes the whole tree. */
  readonly whole: boolean
  /** All its changes, for the next checkpoint if this one fails. */
  readonly unsaved: ChangeSet
  /** Bytes handed to the engine so far. */
  bytes = 0

  /** The index of the copy before: nodes with a lower one are on the disk as they are. */
  readonly #since: number
  // The store at the moment of the copy.
  readonly #root: DirectoryNode
  readonly #stats: Stats
  readonly #tally: Tally
  readonly #events: readonly Event[]
  readonly #eventsStart: number
  readonly #places: string | undefined
  readonly #lost: readonly number[]
  readonly #savedAt: number

  /** Records of events that this checkpoint adds, and deletes, by the index of their first event. */
  readonly #addedEvents = new Map<number, number>()
  readonly #removedEvents: number[] = []
  /** The last batch: it makes the checkpoint count. */
  readonly #batch: Batch
  #batchBytes = 0
  /** A piece of what need not be in the last batch. */
  #piece: Batch
  #pieceBytes = 0
  readonly #walk: Iterator<Node, undefined> | undefined
  #walked = 0
  // How much of the changes is in the batch.
  #nodesDone = 0
  #filesDone = 0
  #directoriesDone = 0
  #valuesDone = 0
  #eventsDone = 0
  /** Records that must come after the removals, because they may stand in the place of a removed one. */
  #late: [key: Buffer, value: Buffer][] = []
  /** The files that have got a record for their value. */
  readonly #newValues: [FileNode, StoredValue][] = []
  /** A long value that is being written. */
  #value: { readonly whole: Value; readonly id: number; done: number } | undefined
  readonly #waitingValues: { readonly whole: Value; readonly id: number; done: number }[] = []
  /** How many of them have been begun. */
  #valuesBegun = 0
  /** Each record of a file in turn, until the batch has copied it. */
  readonly #memory = Buffer.allocUnsafeSlow(2 * MAX_INLINE_BYTES)

  /** @param copy the copy as it is on disk; not changed */
  constructor(
    engine: Engine,
    store: Store,
    changes: Changes,
    copy: CopyState,
    options: CheckpointOptions,
  ) {
    this.#engine = engine
    this.#changes = changes
    this.#options = options
    this.#batch = engine.batch()
    this.#piece = engine.batch()
    this.copy = { ...copy, batch: copy.batch + 1, eventsTally: copy.eventsTally.clone() }
    this.#since = copy.index
    this.whole = options.whole || changes.replaced
    if (this.whole) this.#beginWhole(store)
    const taken = changes.take(store.index)
    this.unsaved = this.whole ? emptySet() : joined(options.unsaved, taken)
    this.#root = store.root
    this.#walk = this.whole ? nodesBelow(store.root) : undefined
    if (this.whole) this.unsaved.nodes.push(store.root)
    const { history } = store
    this.index = this.copy.index = store.index
    this.#stats = store.stats.clone()
    this.#tally = changes.tally.clone()
    this.#events = history.slice(this.copy.eventsUpTo + 1, Number.POSITIVE_INFINITY)
    this.#eventsStart = history.startIndex
    this.#lost = history.lost.flat()
    this.#savedAt = store.clock.now()
    const droppedUpTo = history.rememberedUpTo(store.index)
    if (droppedUpTo > copy.placesUpTo || this.whole) {
      this.#places = history.dropped.save()
      this.copy.placesUpTo = droppedUpTo
    }
    this.copy.eventsUpTo = store.index
    changes.frozen = this
  }

  /**
   * @param isUrgent whether somebody waits, so that clients are held up longer; it may throw, which ends the checkpoint
   * @throws the engine's error, or that of `isUrgent`; the changes are then in `unsaved`
   */
  async write(isUrgent: () => boolean): Promise<void> {
    const pace = new Pace()
    try {
      while (!this.#encode(pace.nextEnd(isUrgent()))) {
        if (this.#pieceBytes >= PIECE_BYTES) await this.#writePiece()
        await pace.serveClients(isUrgent())
      }
    } finally {
      if (this.#changes.frozen === this) this.#changes.frozen = undefined
    }
    if (this.#pieceBytes > 0) await this.#writePiece()
    this.#encodeHead()
    await this.#engine.write(this.#batch, true)
    const { eventRecords } = this.copy
    for (const first of this.#removedEvents) eventRecords.delete(first)
    for (const [first, last] of this.#addedEvents) eventRecords.set(first, last)
  }

  capture(node: Node): void {
    if (this.whole || node.modifiedIndex > this.#since) this.#encodeNode(node)
  }

  /** Called when it has failed: what has been written does not count. */
  undo(): void {
    const { values } = this.#changes
    for (const [file, stored] of this.#newValues) {
      if (values.get(file) !== stored) continue
      values.delete(file)
      this.unsaved.removedValues.push(stored)
    }
  }

  /** Begins to write the tree under a new root. It counts only once the head is written. */
  #beginWhole(store: Store): void {
    const { copy } = this
    copy.rootId = this.#changes.nextId++
    copy.eventsUpTo = 0
    this.#changes.firstId = copy.rootId
    this.#changes.replaced = false
    // The rest of removed directories was never written under this root.
    store.reclaim(Number.POSITIVE_INFINITY)
    this.#changes.values.clear()
    store.root.id = copy.rootId
    for (const first of copy.eventRecords.keys()) {
      this.#removedEvents.push(first)
      this.#batch.del(eventsKey(first))
    }
    copy.eventsTally.count = copy.eventsTally.sum = 0
  }

  /** @returns whether the batch now holds all changes */
  #encode(until: number): boolean {
    for (;;) {
      const done =
        this.#encodeRemovals() &&
        this.#encodeNodes() &&
        this.#encodeEvents() &&
        this.#encodeValues()
      if (done) return true
      if (performance.now() >= until || this.#pieceBytes >= PIECE_BYTES) return false
    }
  }

  get #removalsDone(): boolean {
    const { removedFiles, removedDirectories, removedValues } = this.unsaved
    return (
      this.#filesDone === removedFiles.length &&
      this.#directoriesDone === removedDirectories.length &&
      this.#valuesDone === removedValues.length
    )
  }

  /** Removals are encoded first, because a new node may stand in the place of a removed one. */
  #encodeRemovals(): boolean {
    if (this.#removalsDone) return true
    const { removedFiles, removedDirectories, removedValues } = this.unsaved
    let steps = NODES_PER_STEP
    for (; this.#filesDone < removedFiles.length && steps > 0; steps--) {
      const { parentId, name } = removedFiles[this.#filesDone++]
      this.#batch.del(fileKey(parentId, name))
    }
    for (; this.#directoriesDone < removedDirectories.length && steps > 0; steps--) {
      this.#batch.del(directoryKey(removedDirectories[this.#directoriesDone++]))
    }
    for (; this.#valuesDone < removedValues.length && steps > 0; steps--) {
      const { id, length } = removedValues[this.#valuesDone++]
      for (let i = 0; i < piecesOf(length); i++) this.#batch.del(valueKey(id, i))
    }
    if (!this.#removalsDone) return false
    for (const [key, value] of this.#late) this.#put(key, value)
    this.#late = []
    return true
  }

  #encodeNodes(): boolean {
    const { nodes } = this.unsaved
    const end = Math.min(this.#nodesDone + NODES_PER_STEP, nodes.length)
    while (this.#nodesDone < end) this.#encodeIfUnchanged(nodes[this.#nodesDone++])
    if (this.#nodesDone < nodes.length) return false
    if (this.#walk === undefined) return true
    for (let steps = NODES_PER_STEP; steps > 0; steps--) {
      const { value: node } = this.#walk.next()
      if (node === undefined) return true
      this.#encodeIfUnchanged(node)
      this.#walked++
    }
    this.#options.onProgress?.(this.#walked)
    return false
  }

  /** A node that has changed since the moment of the copy has been captured. */
  #encodeIfUnchanged(node: Node): void {
    if (node.modifiedIndex <= this.index) this.#encodeNode(node)
  }

  #encodeNode(node: Node): void {
    const { parent } = node
    // The node has been removed. Nodes below a removed directory still count until they are
    // removed.
    if (parent === null && node !== this.#root) return
    if (node.dir) {
      const key = directoryKey(this.#idOf(node))
      this.#putNode(key, encodeDirectory(node, key, parent === null ? 0 : this.#idOf(parent)))
    } else if (parent !== null) {
      const key = fileKey(this.#idOf(parent), node.name)
      this.#putNode(key, this.#encodeFile(node, key))
    }
  }

  #encodeFile(file: FileNode, key: Buffer): Buffer {
    const { length } = file.value
    const isLarge = this.#batchBytes > LARGE_BATCH_BYTES
    const { values } = this.#changes
    const known = values.get(file)
    if (known !== undefined) return encodeStoredFile(file, key, known)
    if (length <= (isLarge ? MAX_INLINE_BYTES_IN_LARGE_BATCH : MAX_INLINE_BYTES)) {
      return encodeFile(file, key, this.#memory)
    }
    const stored = { id: this.#changes.nextId++, length }
    values.set(file, stored)
    this.#newValues.push([file, stored])
    this.#waitingValues.push({ whole: file.value, id: stored.id, done: 0 })
    return encodeStoredFile(file, key, stored)
  }

  /** Values are immutable, so they need not be written before their file changes. */
  #encodeValues(): boolean {
    if (this.#value === undefined) {
      if (this.#valuesBegun === this.#waitingValues.length) {
        this.#waitingValues.length = this.#valuesBegun = 0
        return true
      }
      this.#value = this.#waitingValues[this.#valuesBegun++]
    }
    const { whole, id, done } = this.#value
    const key = valueKey(id, done)
    this.#putPiece(key, encodeValuePiece(whole, done, key))
    this.#value.done++
    if (this.#value.done === piecesOf(whole.length)) this.#value = undefined
    return false
  }

  /** A directory gets its id when it, or a node in it, is first written. */
  #idOf(directory: DirectoryNode): number {
    if (directory.id < this.copy.rootId) directory.id = this.#changes.nextId++
    return directory.id
  }

  #putNode(key: Buffer, value: Buffer): void {
    // A whole tree counts when its root does, which is in the head.
    if (this.whole) this.#putPiece(key, value)
    else if (this.#removalsDone) this.#put(key, value)
    else this.#late.push([key, Buffer.from(value)])
  }

  #put(key: Buffer, value: Buffer): void {
    this.#batch.put(key, value)
    this.#batchBytes += key.length + value.length
    this.bytes += key.length + value.length
  }

  #putPiece(key: Buffer, value: Buffer): void {
    this.#piece.put(key, value)
    this.#pieceBytes += key.length + value.length
    this.bytes += key.length + value.length
  }

  #encodeEvents(): boolean {
    const end = Math.min(this.#eventsDone + EVENTS_PER_STEP, this.#events.length)
    const run: Event[] = []
    let bytes = 0
    while (this.#eventsDone < end && bytes < MAX_EVENTS_RECORD_BYTES) {
      const event = this.#events[this.#eventsDone++]
      run.push(event)
      bytes += eventLength(event)
    }
    if (run.length > 0) this.#putEvents(run)
    return this.#eventsDone === this.#events.length
  }

  #putEvents(events: readonly Event[]): void {
    const first = events[0].index
    const last = events[events.length - 1].index
    const key = eventsKey(first)
    const value = encodeEvents(events, key)
    // Events of a whole tree may have the indexes of events that the former tree still needs.
    if (this.whole) this.#put(key, value)
    else this.#putPiece(key, value)
    this.#addedEvents.set(first, last)
    this.copy.eventsTally.add(last)
  }

  /** Encodes the head, which completes the batch. */
  #encodeHead(): void {
    const { copy } = this
    if (!this.whole) this.#removeEvents(this.#eventsStart)
    for (const first of this.#options.strayEvents ?? []) {
      if (!this.#addedEvents.has(first)) this.#batch.del(eventsKey(first))
    }
    if (this.#places !== undefined) this.#encodePlaces(this.#places)
    const { count: nodes, sum: nodesSum } = this.#tally
    this.#batch.put(
      metaKey,
      encodeMeta({
        batch: copy.batch,
        index: this.index,
        rootId: copy.rootId,
        nextId: this.#changes.nextId,
        nodes,
        nodesSum,
        eventRecords: copy.eventsTally.count,
        eventsSum: copy.eventsTally.sum,
        placesUpTo: copy.placesUpTo,
        stats: this.#stats,
        lost: this.#lost,
        savedAt: this.#savedAt,
        journal: this.#options.journal?.id ?? '',
        position: this.#options.journal?.position ?? 0,
        segment: this.#options.journal?.segment,
      }),
    )
  }

  /**
   * Deletes the records whose events the history has all dropped.
   *
   * @param startIndex of the first event in the history; 0 if it is empty
   */
  #removeEvents(startIndex: number): void {
    for (const [first, last] of this.copy.eventRecords) {
      if (last >= startIndex && startIndex > 0) break
      this.#batch.del(eventsKey(first))
      this.copy.eventsTally.remove(last)
      this.#removedEvents.push(first)
    }
  }

  #encodePlaces(json: string): void {
    const value = Buffer.allocUnsafe(CHECKSUM_LENGTH + json.length)
    value.write(json, CHECKSUM_LENGTH, 'latin1')
    seal(placesKey, value)
    this.#put(placesKey, value)
  }

  async #writePiece(): Promise<void> {
    const piece = this.#piece
    this.#piece = this.#engine.batch()
    this.#pieceBytes = 0
    // Each piece is synced, because LevelDB may change to a new log, and never syncs a former one.
    await this.#engine.write(piece, true)
  }
}

/** Two sets as one; the first may be changed. */
function joined(first: ChangeSet | undefined, second: ChangeSet): ChangeSet {
  if (first === undefined) return second
  append(first.nodes, second.nodes)
  append(first.removedFiles, second.removedFiles)
  append(first.removedDirectories, second.removedDirectories)
  append(first.removedValues, second.removedValues)
  return first
}

/** Spreading a long array into `push` would overflow the stack. */
function append<T>(to: T[], items: readonly T[]): void {
  for (const item of items) to.push(item)
}
