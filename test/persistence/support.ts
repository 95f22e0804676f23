import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { onTestFinished, vi } from 'vitest'
import { Applier } from '../../src/log/apply.ts'
import { type JournalFiles, systemFiles } from '../../src/log/journal-files.ts'
import { SyncPolicy } from '../../src/log/sync-policy.ts'
import { treeOf } from '../../src/persistence/data-directory.ts'
import { KIND, numberOf } from '../../src/persistence/keys.ts'
import { type Batch, Engine, type RawRecord } from '../../src/persistence/level.ts'
import { type Durability, Persistence } from '../../src/persistence/persistence.ts'
import { ServerClock } from '../../src/request/clock.ts'
import { ManualClock } from '../../src/store/clock.ts'
import type { Event, NodeExtern } from '../../src/store/event.ts'
import { Store, type StoreOptions } from '../../src/store/store.ts'
import { textOfValue } from '../../src/store/value.ts'

/** A directory that is removed with the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'ktree-persistence-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A put or a deletion of a record. A deletion has no value. */
export interface Operation {
  readonly kind: number
  readonly key: Buffer
  readonly value: Buffer | undefined
}

/**
 * Intercepts what goes to the disk in a test, to record, hold up or refuse it: the writes of all
 * engines, and the appends and syncs of all journals.
 */
export class Disk {
  /** The operations of each write of an engine, in turn, including failed writes. */
  readonly writes: Operation[][] = []
  /** The number of writes of heads: each ends a checkpoint. */
  commits = 0
  /** The number of finished syncs of journals, and of appends to them. */
  syncs = 0
  appends = 0
  /** While it is set, all fails with it. */
  failure: Error | undefined
  /** Whether a failing write fails only after it has reached the disk. */
  failsLate = false
  #held: (() => void)[] | undefined

  /** How many writes and syncs are held. */
  get waiting(): number {
    return this.#held?.length ?? 0
  }

  /** Holds writes and syncs from now on. */
  hold(): void {
    this.#held ??= []
  }

  /** Releases what is held, and holds no more. */
  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const resume of held) resume()
  }

  /** Releases what is held, and holds what comes later. */
  step(): void {
    this.release()
    this.hold()
  }

  /** The puts of one kind of record in the last checkpoint. */
  puts(kind: keyof typeof KIND): Operation[] {
    return this.#last(kind).filter(({ value }) => value !== undefined)
  }

  /** The deletions of one kind of record in the last checkpoint. */
  deletions(kind: keyof typeof KIND): Operation[] {
    return this.#last(kind).filter(({ value }) => value === undefined)
  }

  #last(kind: keyof typeof KIND): Operation[] {
    const last = this.writes.length - 1
    let first = last
    while (first > 0 && !isHead(this.writes[first - 1])) first--
    return this.writes
      .slice(first, last + 1)
      .flat()
      .filter((operation) => operation.kind === KIND[kind])
  }

  async pass(): Promise<void> {
    const held = this.#held
    if (held !== undefined) await new Promise<void>((resolve) => held.push(resolve))
  }
}

const isHead = (write: readonly Operation[]): boolean =>
  write.some(({ kind }) => kind === KIND.meta)

/**
 * Installs a {@link Disk} until the test has finished. It must be called after all servers have
 * been started, because it must be removed before they are closed.
 */
export function useDisk(): Disk {
  const disk = new Disk()
  const operations = new WeakMap<Batch, Operation[]>()
  const { batch, write } = Engine.prototype
  const { sync, write: append } = systemFiles
  const spies = [
    vi.spyOn(Engine.prototype, 'batch').mockImplementation(function (this: Engine) {
      const made = batch.call(this)
      record(made, operations)
      return made
    }),
    vi.spyOn(Engine.prototype, 'write').mockImplementation(async function (
      this: Engine,
      made,
      isSynced,
    ) {
      await disk.pass()
      const written = operations.get(made) ?? []
      disk.writes.push(written)
      if (disk.failure !== undefined && !disk.failsLate) throw disk.failure
      await write.call(this, made, isSynced)
      if (disk.failure !== undefined) throw disk.failure
      if (isHead(written)) disk.commits++
    }),
    // A sync on the server's own thread could not be held up.
    vi.spyOn(SyncPolicy.prototype, 'syncsAtTurnEnd', 'get').mockReturnValue(false),
    vi.spyOn(systemFiles, 'sync').mockImplementation(async (file) => {
      await disk.pass()
      if (disk.failure !== undefined) throw disk.failure
      await sync(file)
      disk.syncs++
    }),
    vi.spyOn(systemFiles, 'write').mockImplementation((file, pieces, position) => {
      if (disk.failure !== undefined) throw disk.failure
      disk.appends++
      return append(file, pieces, position)
    }),
  ]
  onTestFinished(() => {
    disk.failure = undefined
    disk.release()
    for (const spy of spies) spy.mockRestore()
  })
  return disk
}

function record(batch: Batch, into: WeakMap<Batch, Operation[]>): void {
  const operations: Operation[] = []
  into.set(batch, operations)
  const { put, del } = batch
  batch.put = (key: Buffer, value: Buffer) => {
    // The memory is used again for the next record.
    operations.push({ kind: key[0], key, value: Buffer.from(value) })
    return put.call(batch, key, value)
  }
  batch.del = (key: Buffer) => {
    operations.push({ kind: key[0], key, value: undefined })
    return del.call(batch, key)
  }
}

/** A store that is kept on disk. */
export interface Kept {
  readonly store: Store
  readonly clock: ManualClock
  readonly persistence: Persistence
  readonly directory: string
}

export interface KeepOptions extends StoreOptions {
  writeWork?: () => number
  clock?: ManualClock
  durability?: Durability
  directory?: string
  onKept?: (number: number) => void
  onFailure?: () => void
  onMustWait?: (mustWait: boolean) => void
  files?: JournalFiles
  logger?: Logger
}

/** Opens a store on a directory, by default a new one. It is closed with the test. */
export async function keep(options: KeepOptions = {}): Promise<Kept> {
  const { clock = new ManualClock(), durability = 'everysec' } = options
  const directory = options.directory ?? temporaryDirectory()
  const store = new Store({ ...options, clock: new ServerClock(clock) })
  const applier = new Applier(store)
  const persistence = new Persistence({
    store,
    clock,
    logger: options.logger ?? pino({ level: 'silent' }),
    applyRecord: (record) => applier.applyRecord(record),
    writeWork: options.writeWork ?? (() => 0),
    onKept: options.onKept ?? (() => {}),
    onFailure: options.onFailure ?? (() => {}),
    onMustWait: options.onMustWait ?? (() => {}),
    ...(options.files && { files: options.files }),
  })
  await persistence.start(directory, durability)
  onTestFinished(() => persistence.close(false))
  return { store, clock, persistence, directory }
}

/** All records in a closed directory. */
export async function recordsOf(directory: string): Promise<RawRecord[]> {
  const engine = await Engine.open(treeOf(directory))
  try {
    const all: RawRecord[] = []
    const everything = { gte: Buffer.from([0]), lt: Buffer.from([255]) }
    for await (const records of engine.read(everything)) all.push(...records)
    return all
  } finally {
    await engine.close()
  }
}

/** Writes raw records into a closed directory. */
export async function putRecords(directory: string, records: readonly RawRecord[]): Promise<void> {
  const engine = await Engine.open(treeOf(directory))
  try {
    const batch = engine.batch()
    for (const [key, value] of records) batch.put(key, value)
    await engine.write(batch, true)
  } finally {
    await engine.close()
  }
}

/** The number of records of a kind. */
export function countOf(records: readonly RawRecord[], kind: keyof typeof KIND): number {
  return records.filter(([key]) => key[0] === KIND[kind]).length
}

/** The ids of the directories that have a record. */
export function directoryIds(records: readonly RawRecord[]): number[] {
  return records.filter(([key]) => key[0] === KIND.directory).map(([key]) => numberOf(key))
}

/** The content of a store, for comparison. Children have no order. */
export function contentOf(store: Store): object {
  const document = JSON.parse(Buffer.from(store.saveNoCopy(), 'latin1').toString('utf8'))
  const { watchers, ...stats } = store.statsMap()
  const { index, files } = store
  return {
    root: document.Root,
    stats,
    history: Array.from(store.history, fieldsOf),
    lastIndex: store.history.lastIndex,
    index,
    files,
    nodes: store.root.nodes,
    ...countNodes(store),
  }
}

/** An event in full, whatever form the history keeps it in. */
function fieldsOf({ action, node, prevNode, index, refresh }: Event): object {
  return { action, node: inText(node), prevNode: prevNode && inText(prevNode), index, refresh }
}

/** Large values as text, because comparing Buffers takes ten times as long. */
function inText(node: NodeExtern): object {
  const { value } = node
  return value === undefined ? node : { ...node, value: textOfValue(value) }
}

/** Counts nodes without the counters of the store. `/` counts as a directory. */
export function countNodes(store: Store) {
  const counted = { countedFiles: 0, countedDirectories: 1, countedLeases: 0 }
  const open = [store.root]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const child of at.children.values()) {
      if (child.lease !== null) counted.countedLeases++
      if (child.dir) {
        counted.countedDirectories++
        open.push(child)
      } else {
        counted.countedFiles++
      }
    }
  }
  return counted
}
