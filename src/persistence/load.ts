import type { Event } from '../store/event.ts'
import { DroppedEvents } from '../store/history/dropped-events.ts'
import { EventHistory, type HistoryLimits } from '../store/history/event-history.ts'
import type { StoreState } from '../store/store.ts'
import { type ChangeSet, emptySet, type StoredValue, Tally } from '../store/tree/changes.ts'
import { LeaseList } from '../store/tree/lease-list.ts'
import { attach, DirectoryNode, detach, FileNode, link, type Node } from '../store/tree/node.ts'
import { copyValue } from '../store/value.ts'
import { bootId } from './boot.ts'
import { CHECKSUM_LENGTH, isSealed } from './checksum.ts'
import { type CopyState, emptyCopy, type JournalPlace } from './copy-state.ts'
import { DamagedDataError } from './errors.ts'
import { decodeEvents } from './event-record.ts'
import {
  directoryKey,
  eventsKey,
  fileName,
  firstFileKey,
  firstValueKey,
  KIND,
  MAX_ID,
  metaKey,
  numberOf,
  placesKey,
  valuePiece,
} from './keys.ts'
import { clearNodes, type Engine, type KeyRange, type RawRecord, rangeOf } from './level.ts'
import { type Marker, readMarker } from './marker.ts'
import { decodeMeta, type Meta } from './meta.ts'
import { decodeDirectory, decodeNode, decodeStoredValue, type NodeFields } from './node-record.ts'
import { Orphans } from './orphans.ts'
import { countAll, findCircles, isIn, reachableFrom } from './reach.ts'
import { SharedNames } from './shared-names.ts'
import { decodeValuePiece, joinPieces, piecesOf } from './value-record.ts'

export interface LoadOptions {
  /** The limits of the history. */
  limits: HistoryLimits
  /** Called now and then with the number of nodes that have been read, and of all nodes. */
  onProgress?: ((nodes: number, total: number) => void) | undefined
  /**
   * Called for each damage that is found, and then overlooked. Without it, the first damage is
   * thrown as a DamagedDataError.
   */
  onDamage?: ((what: string) => void) | undefined
}

export interface Loaded {
  readonly state: StoreState
  readonly copy: CopyState
  /** When the last checkpoint was written, in Unix milliseconds. */
  readonly savedAt: number
  /** Where the journal goes on; undefined if there is none yet. */
  readonly journal: JournalPlace | undefined
  /** The files whose value lies in records of its own. */
  readonly values: ReadonlyMap<FileNode, StoredValue>
  readonly tally: Tally
  /** The `id` that the next directory gets. */
  readonly nextId: number
  /** Whether every acknowledged write is in it. */
  readonly exact: boolean
  /** Nodes below removed directories, which must still be deleted from the disk. */
  readonly leftovers: ChangeSet
}

/**
 * Reads the tree of a database, and checks that nothing is missing.
 *
 * @returns undefined if nothing has been written yet
 * @throws DamagedDataError, or PersistenceError if a newer ktree has written it
 */
export async function load(engine: Engine, options: LoadOptions): Promise<Loaded | undefined> {
  const { batch: marker, exact: isExact, boot } = await markerOf(engine, options)
  const exact = isExact || (boot !== '' && boot === bootId())
  const meta = await readHead(engine, marker)
  if (meta === undefined) return undefined
  const loader = new Loader(engine, meta, options)
  if (meta.batch < marker) loader.damage(`it ends at checkpoint ${meta.batch}, before ${marker}`)
  return { ...(await loader.load()), exact }
}

/** Reads the marker. An unreadable one is damage like any other, and can be overlooked. */
async function markerOf(engine: Engine, { onDamage }: LoadOptions): Promise<Marker> {
  try {
    return await readMarker(engine.location)
  } catch (error) {
    if (onDamage === undefined || !(error instanceof DamagedDataError)) throw error
    onDamage(error.message)
    return { batch: 0, exact: false, boot: '' }
  }
}

/**
 * Reads what is needed to write another tree over the one in a database.
 *
 * @returns undefined if nothing has been written yet
 * @throws DamagedDataError, or PersistenceError if a newer ktree has written it
 */
export async function peek(
  engine: Engine,
): Promise<{ copy: CopyState; nextId: number; journal: JournalPlace | undefined } | undefined> {
  const meta = await readHead(engine, (await readMarker(engine.location)).batch)
  if (meta === undefined) return undefined
  const { batch, index, rootId, nextId } = meta
  const firsts = await eventRecordsOf(engine)
  const eventRecords = new Map(firsts.map((first) => [first, first]))
  return {
    copy: { ...emptyCopy(), batch, index, rootId, eventRecords },
    nextId,
    journal: journalPlaceOf(meta),
  }
}

/** Where the journal goes on; undefined if there is none. */
function journalPlaceOf({ journal: id, position, segment }: Meta): JournalPlace | undefined {
  return id === '' ? undefined : { id, position, segment }
}

/** The records of events, by the index of the first event in each. */
export async function eventRecordsOf(engine: Engine): Promise<number[]> {
  const firsts: number[] = []
  for await (const records of engine.read(rangeOf(KIND.events))) {
    for (const [key] of records) firsts.push(numberOf(key))
  }
  return firsts
}

/** @returns undefined if nothing has ever been written */
async function readHead(engine: Engine, marker: number): Promise<Meta | undefined> {
  const head = await engine.get(metaKey)
  if (head !== undefined) return decodeMeta(head)
  if (marker > 0) throw new DamagedDataError('its head is missing')
  if (!(await engine.isEmpty())) await clearUnfinished(engine)
  return undefined
}

/** The kinds of what a checkpoint of a whole tree writes before its last batch, which has the head. */
const UNFINISHED: ReadonlySet<number> = new Set([KIND.directory, KIND.file, KIND.value])

/** Deletes the nodes and values of a first checkpoint that was cut short before it wrote a head. */
async function clearUnfinished(engine: Engine): Promise<void> {
  for await (const records of engine.read({ gte: Buffer.from([0]), lt: Buffer.from([0xff]) })) {
    const own = ([key, value]: RawRecord): boolean => UNFINISHED.has(key[0]) && isSealed(key, value)
    if (!records.every(own)) throw new DamagedDataError('it holds something else, or has no head')
  }
  await clearNodes(engine, 0, MAX_ID)
}

/** The parent of a node whose directory is missing. */
const NOWHERE = new DirectoryNode('', null, 0)

class Loader {
  readonly #engine: Engine
  readonly #meta: Meta
  readonly #options: LoadOptions
  readonly #directories = new Map<number, DirectoryNode>()
  readonly #leases = new LeaseList()
  readonly #names = new SharedNames()
  readonly #tally = new Tally()
  readonly #leftovers = emptySet()
  readonly #values = new Map<FileNode, StoredValue>()
  /** The versions of the leftovers. */
  readonly #leftoverVersions: number[] = []
  /**
   * Set if damage is overlooked, because a missing directory may then be damage and not removed.
   */
  readonly #orphans: Orphans | undefined
  /** What has been cut from circles of directories. */
  readonly #cut = new Orphans()

  constructor(engine: Engine, meta: Meta, options: LoadOptions) {
    this.#engine = engine
    this.#meta = meta
    this.#options = options
    if (options.onDamage !== undefined) this.#orphans = new Orphans()
  }

  async load(): Promise<Omit<Loaded, 'exact'>> {
    const meta = this.#meta
    const root = await this.#readDirectories()
    const live = reachableFrom(root)
    this.#cutCircles(live)
    countAll(this.#directories)
    if (this.#orphans === undefined) this.#dropUnreachable(live)
    await this.#readFiles()
    // The leases take its place in memory.
    this.#names.clear()
    await this.#readValues()
    const isWhole = this.#checkTally()
    if (this.#orphans !== undefined) this.#placeOrphans(this.#orphans, root, isWhole)
    const history = new EventHistory(this.#options.limits)
    const events = await this.#readHistory(history)
    // The rest of an earlier tree, and of a later one that was never finished.
    await clearNodes(this.#engine, 0, meta.rootId)
    await clearNodes(this.#engine, meta.nextId, MAX_ID)
    return {
      state: { root, leases: this.#leases, history, index: meta.index, stats: meta.stats },
      copy: {
        batch: meta.batch,
        index: meta.index,
        rootId: meta.rootId,
        ...events,
        eventsUpTo: meta.index,
        placesUpTo: meta.placesUpTo,
      },
      savedAt: meta.savedAt,
      tally: this.#tally,
      nextId: meta.nextId,
      leftovers: this.#leftovers,
      journal: journalPlaceOf(meta),
      values: this.#values,
    }
  }

  /** Reports damage. @throws DamagedDataError unless damage is overlooked */
  damage(what: string): void {
    if (this.#options.onDamage === undefined) throw new DamagedDataError(what)
    this.#options.onDamage(what)
  }

  /**
   * Checks the nodes against the head, because LevelDB may skip records that it cannot read, and
   * return older versions of them.
   *
   * @returns whether no node is missing or too old
   */
  #checkTally(): boolean {
    const { nodes, nodesSum } = this.#meta
    const { count, sum } = this.#tally
    if (count !== nodes) this.damage(`it has ${count} nodes and should have ${nodes}`)
    else if (sum !== nodesSum) this.damage('some of its nodes are older than they should be')
    for (const version of this.#leftoverVersions) this.#tally.remove(version)
    return count === nodes && sum === nodesSum
  }

  /**
   * Keeps orphans if nodes are missing, because their directory may be among the missing ones. In a
   * whole tree they are the rest of removed directories, and are dropped.
   */
  #placeOrphans(orphans: Orphans, root: DirectoryNode, isWhole: boolean): void {
    const place = isWhole ? undefined : orphans.adopt(root, this.#meta.index)
    if (place !== undefined) this.damage(`what has lost its directory is in ${place} now`)
    const cut = this.#cut.adopt(root, this.#meta.index)
    if (cut !== undefined) this.damage(`the directories below themselves are in ${cut} now`)
    this.#leases.keep((node) => isIn(root, node))
  }

  /** Reads the records of a range that have the right checksum; the others are damage. */
  async *#records(range: KeyRange): AsyncGenerator<RawRecord, void> {
    for await (const records of this.#engine.read(range)) {
      for (const record of records) {
        if (isSealed(record[0], record[1])) yield record
        else this.damage(`a record has a wrong checksum (key ${record[0].toString('hex')})`)
      }
    }
  }

  async #readDirectories(): Promise<DirectoryNode> {
    const { rootId, nextId } = this.#meta
    // In the order of #directories; apart from them, because pairs took more than the nodes.
    const parentIds: number[] = []
    const range = { gte: directoryKey(rootId), lt: directoryKey(nextId) }
    for await (const [key, value] of this.#records(range)) {
      const fields = decodeNode(value)
      const { parentId, name } = decodeDirectory(value, fields.bodyAt)
      this.#tally.add(fields.modifiedIndex)
      const directory = new DirectoryNode(this.#names.share(name), null, fields.createdIndex)
      directory.id = numberOf(key)
      directory.modifiedIndex = fields.modifiedIndex
      this.#addLease(directory, fields)
      this.#directories.set(directory.id, directory)
      parentIds.push(parentId)
    }
    let root = this.#directories.get(rootId)
    if (root === undefined) {
      this.damage('its root is missing')
      root = new DirectoryNode('', null, 0)
      this.#directories.set(rootId, root)
    }
    let at = 0
    for (const directory of this.#directories.values()) {
      const parentId = parentIds[at++]
      if (directory === root) continue
      const parent = this.#directories.get(parentId)
      if (parent === undefined) {
        this.#orphans?.add(parentId, directory)
        continue
      }
      if (parent.children.has(directory.name)) this.damage('two directories have one name')
      // To be counted when no directory lies below itself any more.
      link(parent, directory)
    }
    return root
  }

  #addLease(node: Node, { expireTime }: NodeFields): void {
    if (expireTime !== undefined) this.#leases.add(node, expireTime)
  }

  /** Reports directories that lie below themselves, and takes one of each circle out of its place. */
  #cutCircles(live: ReadonlySet<Node>): void {
    const { ends, count } = findCircles(this.#directories.values(), live)
    if (count === 0) return
    this.damage(`${count} directories lie below themselves, and so not in the tree`)
    for (const end of ends) {
      this.#cut.add((end.parent as DirectoryNode).id, end)
      detach(end)
    }
  }

  /**
   * Drops the directories that were below a removed one, and not yet deleted, when the server
   * ended.
   */
  #dropUnreachable(live: ReadonlySet<Node>): void {
    for (const [id, directory] of this.#directories) {
      if (live.has(directory)) continue
      this.#leftovers.removedDirectories.push(id)
      this.#leftoverVersions.push(directory.modifiedIndex)
      this.#directories.delete(id)
    }
    this.#leases.keep((node) => live.has(node))
  }

  async #readFiles(): Promise<void> {
    const { rootId, nextId, nodes: total } = this.#meta
    const { onProgress } = this.#options
    const range = { gte: firstFileKey(rootId), lt: firstFileKey(nextId) }
    let parentId = 0
    let parent: DirectoryNode | undefined
    for await (const records of this.#engine.read(range)) {
      for (const [key, value] of records) {
        if (!isSealed(key, value)) {
          this.damage(`a file has a wrong checksum (key ${key.toString('hex')})`)
          continue
        }
        if (numberOf(key) !== parentId) {
          parentId = numberOf(key)
          parent = this.#directories.get(parentId)
        }
        this.#addFile(parent, key, value)
      }
      onProgress?.(this.#tally.count, total)
    }
  }

  /** @param parent undefined if it was removed, and this file was not yet deleted */
  #addFile(parent: DirectoryNode | undefined, key: Buffer, value: Buffer): void {
    const fields = decodeNode(value)
    const name = this.#names.share(fileName(key))
    this.#tally.add(fields.modifiedIndex)
    if (parent === undefined && this.#orphans === undefined) {
      this.#leftovers.removedFiles.push({ parentId: numberOf(key), name })
      this.#leftoverVersions.push(fields.modifiedIndex)
      if (fields.isStored) {
        this.#leftovers.removedValues.push(decodeStoredValue(value, fields.bodyAt))
      }
      return
    }
    if (parent?.children.has(name)) {
      this.damage(`a file and a directory have one name: ${name}`)
      return
    }
    const stored = fields.isStored ? decodeStoredValue(value, fields.bodyAt) : undefined
    const body = stored === undefined ? copyValue(value, fields.bodyAt) : ''
    const file = new FileNode(name, parent ?? NOWHERE, body, fields.createdIndex)
    file.modifiedIndex = fields.modifiedIndex
    if (stored !== undefined) this.#values.set(file, stored)
    if (parent === undefined) this.#orphans?.add(numberOf(key), file)
    else attach(parent, file)
    this.#addLease(file, fields)
  }

  /** Reads the values that lie in records of their own, and puts them into their files. */
  async #readValues(): Promise<void> {
    const { rootId, nextId } = this.#meta
    const files = new Map<number, FileNode>()
    for (const [file, { id }] of this.#values) files.set(id, file)
    let pieces: Buffer[] = []
    const range = { gte: firstValueKey(rootId), lt: firstValueKey(nextId) }
    for await (const [key, record] of this.#records(range)) {
      const file = files.get(numberOf(key))
      if (valuePiece(key) === 0) pieces = []
      // Another piece is missing, or the value was removed and is not yet deleted.
      if (file === undefined || valuePiece(key) !== pieces.length) continue
      pieces.push(decodeValuePiece(record))
      const { length } = this.#values.get(file) as StoredValue
      if (pieces.length < piecesOf(length)) continue
      file.value = pieces.length === 1 ? copyValue(pieces[0]) : joinPieces(pieces, length)
      files.delete(numberOf(key))
    }
    for (const [id, file] of files) {
      this.damage(`a part of the value of ${file.name} is missing (id ${id})`)
    }
  }

  /** @returns the records of events that were read */
  async #readHistory(
    history: EventHistory,
  ): Promise<Pick<CopyState, 'eventRecords' | 'eventsTally'>> {
    const { index, placesUpTo, lost } = this.#meta
    for (let i = 0; i < lost.length; i += 2) history.lose(lost[i], lost[i + 1])
    const places = await this.#engine.get(placesKey)
    if (places !== undefined) {
      if (isSealed(placesKey, places)) {
        history.adoptDropped(DroppedEvents.load(places.toString('latin1', CHECKSUM_LENGTH)))
      } else {
        this.damage('the places of dropped events have a wrong checksum')
        history.forgetUpTo(placesUpTo)
      }
    }
    const eventRecords = new Map<number, number>()
    const eventsTally = new Tally()
    let last = 0
    // Later records belong to a checkpoint that was never finished.
    const later = eventsKey(index + 1)
    await this.#engine.clear({ gte: later, lt: eventsKey(MAX_ID) })
    const range = { gte: rangeOf(KIND.events).gte, lt: later }
    for await (const [key, value] of this.#records(range)) {
      const events = decodeEvents(value)
      for (const event of events) {
        // A checkpoint that was tried again after a failure may have written the same events twice.
        if (event.index <= last) continue
        if (last === 0) this.#forgetBefore(history, event)
        last = event.index
        history.add(event)
      }
      const recordLast = events.at(-1)?.index ?? 0
      eventRecords.set(numberOf(key), recordLast)
      eventsTally.add(recordLast)
    }
    const { eventRecords: count, eventsSum: sum } = this.#meta
    if (eventsTally.count !== count || eventsTally.sum !== sum) {
      this.damage('a part of its history is missing')
    }
    if (last === 0) {
      if (index > placesUpTo) history.forgetUpTo(index)
      // A recovered state need not have events, but its history ends at its index.
      else history.endAt(index)
    }
    return { eventRecords, eventsTally }
  }

  /** Marks the events just before the first as lost if a crash has lost their places. */
  #forgetBefore(history: EventHistory, first: Event): void {
    if (first.index - 1 > this.#meta.placesUpTo) history.forgetUpTo(first.index - 1)
  }
}
