import type { Event } from '../store/event.ts'
import type { Store } from '../store/store.ts'
import {
  type ChangeSet,
  type Changes,
  emptySet,
  type RemovedFile,
  Tally,
} from '../store/tree/changes.ts'
import { type DirectoryNode, type Node, nodesBelow } from '../store/tree/node.ts'
import { CHECKSUM_LENGTH, seal } from './checksum.ts'
import type { CopyState } from './copy-state.ts'
import { encodeEvents, eventLength } from './event-record.ts'
import { directoryKey, eventsKey, fileKey, metaKey, placesKey } from './keys.ts'
import type { Batch, Engine } from './level.ts'
import { encodeMeta } from './meta.ts'
import { encodeDirectory, encodeFile } from './node-record.ts'
import { Pace } from './pace.ts'

/** How many nodes are encoded before the clock is checked. */
const NODES_PER_STEP = 64
/** A record of events ends with the event that reaches this size. */
const MAX_EVENTS_RECORD_BYTES = 64 * 1024
/** How many events are encoded before the clock is checked. */
const EVENTS_PER_STEP = 256
/** A whole tree is written in pieces of this size. */
const PIECE_BYTES = 4 * 1024 * 1024

export interface CommitOptions {
  /** Write the whole tree, under a new root, rather than only the changes. */
  whole: boolean
  /** Changes that an earlier commit failed to write. */
  unsaved: ChangeSet | undefined
  /** Records of events to delete, by their first index. */
  strayEvents?: readonly number[]
  /** Also write the places of dropped events, if there are new ones. */
  withPlaces: boolean
  /** Called with the number of nodes written so far, while a whole tree is written. */
  onProgress?: ((nodes: number) => void) | undefined
}

/**
 * Brings the copy on disk to one moment of the tree. Changes are encoded in slices, and clients are
 * served between slices. Their changes meanwhile are encoded too, until a slice ends with nothing
 * left to encode. The batch then holds the tree of that moment.
 */
export class Commit {
  readonly #engine: Engine
  readonly #store: Store
  readonly #changes: Changes
  readonly #options: CommitOptions
  /** The copy as this commit leaves it. `eventRecords` is updated only when it has been written. */
  readonly copy: CopyState
  /** Records of events that this commit adds. */
  readonly #addedEvents = new Map<number, number>()
  /** Records of events that this commit deletes, by the index of their first event. */
  #removedEvents: number[] = []
  #unsaved: ChangeSet = emptySet()
  #batch: Batch
  /** The size of the batch, in bytes. */
  #bytes = 0
  #whole = false
  #sealed = false
  #walk: Iterator<Node, undefined> | undefined
  #walked = 0
  /** How many of the changed nodes and removals are in the batch. */
  #nodesDone = 0
  #filesDone = 0
  #directoriesDone = 0
  #index = 0

  /** @param copy the copy as it is on disk; not changed */
  constructor(
    engine: Engine,
    store: Store,
    changes: Changes,
    copy: CopyState,
    options: CommitOptions,
  ) {
    this.#engine = engine
    this.#store = store
    this.#changes = changes
    this.#options = options
    this.#batch = engine.batch()
    this.copy = { ...copy, batch: copy.batch + 1, eventsTally: copy.eventsTally.clone() }
    if (options.unsaved !== undefined) this.#add(options.unsaved)
    if (options.whole) this.#beginWhole()
    for (const first of options.strayEvents ?? []) this.#batch.del(eventsKey(first))
  }

  /** Whether later changes no longer become part of it. */
  get sealed(): boolean {
    return this.#sealed
  }

  /**
   * Whether it writes the whole tree, from its start or because the tree was replaced meanwhile.
   */
  get whole(): boolean {
    return this.#whole
  }

  /** Whether it also writes the places of dropped events. */
  get withPlaces(): boolean {
    return this.#options.withPlaces
  }

  /** All its changes, for the next commit if this one fails. */
  get unsaved(): ChangeSet {
    return this.#unsaved
  }

  /** The store's index at the moment that it wrote. */
  get index(): number {
    return this.#index
  }

  /**
   * @param sync resolve only when it is on the disk
   * @throws the engine's error; the changes are then in `unsaved`
   */
  async write(sync: boolean): Promise<void> {
    const pace = new Pace()
    while (!this.#encode(pace.nextEnd())) {
      if (this.#pieceIsFull) await this.#writePiece()
      else await pace.serveClients()
      // Clients that write meanwhile must wait for the whole tree anyway.
      if (this.#walk !== undefined) pace.restart()
    }
    // There was no await since the last slice, so the batch and the store agree.
    this.#encodeHead()
    this.#sealed = true
    await this.#engine.write(this.#batch, sync)
    const { eventRecords } = this.copy
    for (const first of this.#removedEvents) eventRecords.delete(first)
    for (const [first, last] of this.#addedEvents) eventRecords.set(first, last)
  }

  /** Begins to write the tree under a new root. It counts only once the head is written. */
  #beginWhole(): void {
    const { copy } = this
    this.#whole = true
    this.#unsaved = emptySet()
    this.#nodesDone = this.#filesDone = this.#directoriesDone = 0
    this.#batch.clear()
    this.#bytes = 0
    copy.rootId = this.#changes.nextId++
    copy.eventsUpTo = 0
    copy.placesUpTo = 0
    this.#changes.firstId = copy.rootId
    this.#changes.replaced = false
    // The rest of removed directories was never written under this root.
    this.#store.reclaim(Number.POSITIVE_INFINITY)
    this.#changes.take(this.#store.index)
    const { root } = this.#store
    root.id = copy.rootId
    const tally = new Tally()
    tally.add(root.modifiedIndex)
    for (const node of nodesBelow(root)) {
      tally.add(node.modifiedIndex)
      // An id in the former copy means nothing in this one.
      if (node.dir) node.id = 0
    }
    this.#changes.tally = tally
    this.#unsaved.nodes.push(root)
    this.#walk = nodesBelow(root)
    this.#walked = 0
  }

  /** Ends the walk over the tree: the rest is written together with the head. */
  #endWalk(): void {
    this.#walk = undefined
    this.#removedEvents = [...this.copy.eventRecords.keys()]
    for (const first of this.#removedEvents) this.#batch.del(eventsKey(first))
    for (const first of this.#options.strayEvents ?? []) this.#batch.del(eventsKey(first))
    this.#addedEvents.clear()
    this.copy.eventsTally = new Tally()
  }

  get #pieceIsFull(): boolean {
    return this.#walk !== undefined && this.#bytes >= PIECE_BYTES
  }

  #add(set: ChangeSet): void {
    append(this.#unsaved.nodes, set.nodes)
    append(this.#unsaved.removedFiles, set.removedFiles)
    append(this.#unsaved.removedDirectories, set.removedDirectories)
  }

  /** @returns whether the batch now holds all changes */
  #encode(until: number): boolean {
    for (;;) {
      if (this.#changes.replaced) this.#beginWhole()
      if (this.#changes.pending || this.#changes.hasRemovals) {
        this.#add(this.#changes.take(this.#store.index))
      }
      const done = this.#encodeRemovals() && this.#encodeNodes() && this.#encodeEvents()
      if (done && !this.#changes.pending) return true
      if (performance.now() >= until || this.#pieceIsFull) return false
    }
  }

  /** Removals are encoded first, because a new node may stand in the place of a removed one. */
  #encodeRemovals(): boolean {
    const { removedFiles, removedDirectories } = this.#unsaved
    let steps = NODES_PER_STEP
    for (; this.#filesDone < removedFiles.length && steps > 0; steps--) {
      const { parentId, name }: RemovedFile = removedFiles[this.#filesDone++]
      this.#batch.del(fileKey(parentId, name))
    }
    for (; this.#directoriesDone < removedDirectories.length && steps > 0; steps--) {
      this.#batch.del(directoryKey(removedDirectories[this.#directoriesDone++]))
    }
    return steps > 0
  }

  #encodeNodes(): boolean {
    const { nodes } = this.#unsaved
    const end = Math.min(this.#nodesDone + NODES_PER_STEP, nodes.length)
    while (this.#nodesDone < end) this.#encodeNode(nodes[this.#nodesDone++])
    if (this.#nodesDone < nodes.length) return false
    if (this.#walk === undefined) return true
    for (let steps = NODES_PER_STEP; steps > 0; steps--) {
      const { value: node } = this.#walk.next()
      if (node === undefined) {
        this.#endWalk()
        return true
      }
      this.#encodeNode(node)
      this.#walked++
    }
    this.#options.onProgress?.(this.#walked)
    return false
  }

  #encodeNode(node: Node): void {
    const { parent } = node
    // The node has been removed. Nodes below a removed directory still count until they are
    // removed.
    if (parent === null && node !== this.#store.root) return
    if (node.dir) {
      const key = directoryKey(this.#idOf(node))
      this.#put(key, encodeDirectory(node, key, parent === null ? 0 : this.#idOf(parent)))
    } else if (parent !== null) {
      const key = fileKey(this.#idOf(parent), node.name)
      this.#put(key, encodeFile(node, key))
    }
  }

  /** A directory gets its id when it, or a node in it, is first written. */
  #idOf(directory: DirectoryNode): number {
    if (directory.id < this.copy.rootId) directory.id = this.#changes.nextId++
    return directory.id
  }

  #put(key: Buffer, value: Buffer): void {
    this.#batch.put(key, value)
    this.#bytes += key.length + value.length
  }

  #encodeEvents(): boolean {
    // Events that happen while a whole tree is written go into its last piece.
    if (this.#walk !== undefined) return false
    const { history, index } = this.#store
    const events = history.slice(this.copy.eventsUpTo + 1, EVENTS_PER_STEP)
    if (events.length === 0) {
      this.copy.eventsUpTo = index
      return true
    }
    let run: Event[] = []
    let bytes = 0
    for (const event of events) {
      run.push(event)
      bytes += eventLength(event)
      if (bytes < MAX_EVENTS_RECORD_BYTES) continue
      this.#putEvents(run)
      run = []
      bytes = 0
    }
    if (run.length > 0) this.#putEvents(run)
    return this.copy.eventsUpTo === index
  }

  #putEvents(events: readonly Event[]): void {
    const first = events[0].index
    const last = events[events.length - 1].index
    const key = eventsKey(first)
    this.#put(key, encodeEvents(events, key))
    this.#addedEvents.set(first, last)
    this.copy.eventsTally.add(last)
    this.copy.eventsUpTo = last
  }

  /** Encodes the head, which completes the batch. */
  #encodeHead(): void {
    const { copy } = this
    const { history, index, stats, clock } = this.#store
    const { startIndex } = history
    if (!this.#whole) this.#removeEvents(startIndex)
    const droppedUpTo = startIndex === 0 ? index : startIndex - 1
    if (this.#options.withPlaces && droppedUpTo > copy.placesUpTo) {
      this.#encodePlaces()
      copy.placesUpTo = droppedUpTo
    }
    this.#index = index
    const { count: nodes, sum: nodesSum } = this.#changes.tally
    this.#batch.put(
      metaKey,
      encodeMeta({
        batch: copy.batch,
        index,
        rootId: copy.rootId,
        nextId: this.#changes.nextId,
        nodes,
        nodesSum,
        eventRecords: copy.eventsTally.count,
        eventsSum: copy.eventsTally.sum,
        placesUpTo: copy.placesUpTo,
        stats,
        lost: history.lost.flat(),
        savedAt: clock.now(),
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

  #encodePlaces(): void {
    const json = this.#store.history.dropped.save()
    const value = Buffer.allocUnsafe(CHECKSUM_LENGTH + json.length)
    value.write(json, CHECKSUM_LENGTH, 'latin1')
    seal(placesKey, value)
    this.#put(placesKey, value)
  }

  async #writePiece(): Promise<void> {
    const piece = this.#batch
    this.#batch = this.#engine.batch()
    this.#bytes = 0
    // Each piece is synced, because LevelDB may change to a new log, and never syncs a former one.
    await this.#engine.write(piece, true)
  }
}

/** Spreading a long array into `push` would overflow the stack. */
function append<T>(to: T[], items: readonly T[]): void {
  for (const item of items) to.push(item)
}
