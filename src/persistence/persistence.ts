import { resolve } from 'node:path'
import type { Logger } from 'pino'
import type { Clock } from '../store/clock.ts'
import type { Store } from '../store/store.ts'
import { type ChangeSet, Changes, isEmpty } from '../store/tree/changes.ts'
import { Commit } from './commit.ts'
import { type CopyState, emptyCopy } from './copy-state.ts'
import { adviceOn, treeOf } from './data-directory.ts'
import { DamagedDataError, PersistenceError } from './errors.ts'
import { clearNodes, Engine, reasonOf } from './level.ts'
import { eventRecordsOf, load, peek } from './load.ts'
import { writeMarker } from './marker.ts'
import { letGo, preserve, putBack } from './preserve.ts'

export type Durability = 'always' | 'everysec' | 'no'

/** Under `everysec`, how long changes wait to be written together, in milliseconds. */
const INTERVAL = 100
/** How long after a failure the disk is tried again, in milliseconds. */
const RETRY = 1000
/** How often the places of dropped events are written at the most, in milliseconds. */
const PLACES_INTERVAL = 10_000
/** How often progress is logged, in milliseconds. */
const PROGRESS_INTERVAL = 1000

export interface PersistenceParts {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  /** How far the index goes on after a crash that may have cost writes; none without it. */
  crashIndexGap?(): number
  /** Called when a commit, and with it all earlier ones, is on the disk. */
  onCommit(number: number): void
  /** Called when a commit has failed; `holding` is then false until the disk works again. */
  onFailure(): void
}

interface Waiter {
  /** The commit that is waited for. */
  readonly commit: number
  resolve(): void
  reject(error: PersistenceError): void
}

/**
 * Keeps a copy of the store on disk. What changes is gathered and written in commits, one at a
 * time, each of which brings the copy from one moment of the store to a later one.
 */
export class Persistence {
  readonly #parts: PersistenceParts
  readonly #changes: Changes
  #durability: Durability = 'no'
  #engine: Engine | undefined
  #directory = ''
  #copy: CopyState = emptyCopy()
  /** The next commit has to write the whole tree. */
  #whole = false
  #unsaved: ChangeSet | undefined
  #failure: string | undefined
  /** The number of the commit that is being written, or was the last. */
  #started = 0
  #running: Promise<void> | undefined
  #commitNow: Commit | undefined
  #cancel: (() => void) | undefined
  #waiters: Waiter[] = []
  #placesAt = 0
  #closing = false
  #lastSave: number
  #lastDuration: number | undefined
  #durableIndex = 0
  #lostWrites = 0
  /** Directories that this process has left, and the last commit there: it may write over those. */
  readonly #own = new Map<string, number>()

  constructor(parts: PersistenceParts) {
    this.#parts = parts
    this.#lastSave = parts.clock.now()
    this.#changes = new Changes(() => this.#schedule())
  }

  get durability(): Durability {
    return this.#durability
  }

  /** The data directory, absolute; empty while nothing is kept. */
  get directory(): string {
    return this.#directory
  }

  /** Why writes are refused: the last commit has failed. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** Replies are to be held back until {@link coveringCommit} is on the disk. */
  get holding(): boolean {
    return (
      this.#durability === 'always' &&
      this.#failure === undefined &&
      // A tree that is still to be written whole has taken in the changes that were pending.
      (this.#changes.pending || this.#whole || this.#running !== undefined)
    )
  }

  /** The commit that brings all that has been written so far. */
  get coveringCommit(): number {
    const { pending } = this.#changes
    // Until it is sealed a commit takes in what changes.
    const next =
      this.#commitNow === undefined ? pending || this.#whole : pending && this.#commitNow.sealed
    return next ? this.#started + 1 : this.#started
  }

  /** Counts the writes to the store, while it is kept. */
  get writes(): number {
    return this.#changes.writes
  }

  get committing(): boolean {
    return this.#running !== undefined
  }

  /** How many commits have been begun. */
  get commits(): number {
    return this.#started
  }

  /** How many writes are not on the disk yet; 0 if nothing is kept. */
  get unsavedWrites(): number {
    if (this.#durability === 'no') return 0
    return Math.max(0, this.#parts.store.index - this.#durableIndex)
  }

  /** How many writes were to be put on disk when it was closed, and could not be. */
  get lostWrites(): number {
    return this.#lostWrites
  }

  /** When the last commit was on the disk, in Unix milliseconds. */
  get lastSave(): number {
    return this.#lastSave
  }

  /** How long the last commit took, in milliseconds; undefined before the first. */
  get lastDuration(): number | undefined {
    return this.#lastDuration
  }

  /**
   * Reads what the directory holds into the store, and keeps it there from now on.
   *
   * @throws PersistenceError if the directory is in use, or what it holds cannot be read
   */
  async start(directory: string, durability: Durability): Promise<void> {
    if (durability === 'no') return
    if (directory === '') throw new PersistenceError('dir must name a directory')
    const { store, clock } = this.#parts
    const tree = treeOf(directory)
    let exact = true
    try {
      await preserve(tree)
      this.#engine = await Engine.open(tree)
      exact = await this.#load(this.#engine)
      await letGo(tree)
    } catch (error) {
      await this.#closeEngine()
      if (error instanceof DamagedDataError) await putBack(tree)
      else await letGo(tree).catch(() => {})
      throw adviceOn(directory, error)
    }
    this.#begin(directory, durability)
    this.#durableIndex = store.index
    this.#placesAt = clock.now()
    // An empty tree is written at once: a directory that cannot be written shows at the start.
    if (this.#copy.rootId === 0) await this.#commitFirst()
    else if (!exact && this.#gap > 0) await this.#skipLost()
    else if (this.#unsaved !== undefined) this.#schedule()
    await this.#mark()
  }

  get #gap(): number {
    return this.#parts.crashIndexGap?.() ?? 0
  }

  /** The last writes before a crash were shown to clients, who must not take others for them. */
  async #skipLost(): Promise<void> {
    const { store, logger } = this.#parts
    const last = store.index
    store.skipTo(last + this.#gap)
    logger.warn(
      { from: last, index: store.index },
      'the last run did not end in order: what came after index ' +
        `${last}, if anything did, is lost, and the index goes on at ${store.index + 1}`,
    )
    await this.save()
  }

  /**
   * Changes the directory, or how safely is kept what is in it.
   *
   * @throws PersistenceError if that cannot be; all is then as it was
   */
  async change(directory: string, durability: Durability): Promise<void> {
    const moves = durability !== 'no' && resolve(directory) !== this.#directory
    const leaves = this.#durability !== 'no' && (durability === 'no' || moves)
    // From a disk that takes nothing one may go without.
    if (leaves && this.#failure === undefined) await this.save()
    if (durability === 'no') {
      await this.#stop()
    } else if (moves) {
      await this.#move(directory, durability)
    } else {
      await this.#harden(durability)
    }
  }

  /** Goes over to another durability in the same directory. */
  async #harden(durability: Durability): Promise<void> {
    const former = this.#durability
    // What the marker promises holds before it is promised, and until it is no longer.
    if (durability !== 'always') await this.#mark(false)
    this.#durability = durability
    if (durability !== 'always') return
    try {
      await this.save()
    } catch (error) {
      this.#durability = former
      throw error
    }
    await this.#mark()
  }

  /**
   * Resolves when all that has been written so far is on the disk.
   *
   * @throws PersistenceError if it cannot be
   */
  save(): Promise<void> {
    if (this.#durability === 'no') {
      return Promise.reject(new PersistenceError('durability is no: nothing is kept on disk'))
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ commit: this.#started + 1, resolve, reject })
      this.#schedule()
    })
  }

  /**
   * Writes what is still to be written, and lets go of the directory.
   *
   * @param save false leaves out what has not been written yet
   */
  async close(save: boolean): Promise<void> {
    this.#closing = true
    if (this.#durability !== 'no' && save) {
      try {
        await this.save()
      } catch (error) {
        this.#lostWrites = this.unsavedWrites
        this.#parts.logger.fatal(
          { err: error, writes: this.#lostWrites },
          'closing without the last writes: they could not be put on disk',
        )
      }
    }
    await this.#stop()
  }

  #begin(directory: string, durability: Durability): void {
    this.#directory = resolve(directory)
    this.#durability = durability
    this.#parts.store.changes = this.#changes
    this.#changes.firstId = Math.max(1, this.#copy.rootId)
    this.#changes.take(this.#parts.store.index)
  }

  async #stop(): Promise<void> {
    const wasAlways = this.#durability === 'always'
    this.#durability = 'no'
    this.#cancel?.()
    this.#cancel = undefined
    await this.#running
    const hasUnsaved = !wasAlways && this.#parts.store.index !== this.#durableIndex
    this.#rejectWaiters('nothing is kept on disk any more')
    this.#parts.store.changes = undefined
    if (this.#engine !== undefined) await this.#mark(!hasUnsaved)
    this.#own.set(this.#directory, this.#copy.batch)
    this.#failure = undefined
    this.#unsaved = undefined
    this.#directory = ''
    await this.#closeEngine()
    // Nobody waits for the disk any more.
    this.#parts.onCommit(Number.POSITIVE_INFINITY)
  }

  /** Opens another directory and writes the whole tree into it; the former keeps what it has. */
  async #move(directory: string, durability: Durability): Promise<void> {
    const engine = await Engine.open(treeOf(directory))
    let held: Awaited<ReturnType<typeof peek>>
    try {
      held = await peek(engine)
      if (held !== undefined && this.#own.get(resolve(directory)) !== held.copy.batch) {
        throw new PersistenceError(
          `${resolve(directory)} holds a tree that this server has not read; start a server on it, or choose another directory`,
        )
      }
    } catch (error) {
      await engine.close()
      throw error
    }
    await this.#running
    const former = { engine: this.#engine, copy: this.#copy, durability: this.#durability }
    const formerDirectory = this.#directory
    this.#engine = engine
    this.#copy = held?.copy ?? emptyCopy()
    this.#changes.nextId = Math.max(this.#changes.nextId, held?.nextId ?? 1)
    this.#begin(directory, durability)
    try {
      await this.#commitWhole()
    } catch (error) {
      await this.#moveBack(formerDirectory, former)
      throw error
    }
    await former.engine?.close()
    this.#own.set(formerDirectory, former.copy.batch)
    await this.#mark()
  }

  /**
   * What the former directory holds is older by what has been written since: the tree is written
   * whole. Until that is done the failure stands, and writes are refused.
   */
  async #moveBack(
    directory: string,
    former: { engine: Engine | undefined; copy: CopyState; durability: Durability },
  ): Promise<void> {
    if (former.durability === 'no') {
      await this.#stop()
      return
    }
    this.#cancel?.()
    this.#cancel = undefined
    await this.#running
    await this.#closeEngine()
    this.#engine = former.engine
    this.#copy = former.copy
    this.#unsaved = undefined
    this.#begin(directory, former.durability)
    await this.#commitWhole()
  }

  async #commitFirst(): Promise<void> {
    try {
      await this.#commitWhole()
    } catch (error) {
      const directory = this.#directory
      await this.#stop()
      throw new PersistenceError(`cannot write ${treeOf(directory)}: ${reasonOf(error)}`)
    }
  }

  #commitWhole(): Promise<void> {
    this.#whole = true
    return this.save()
  }

  /** @returns whether all that was ever acknowledged is there */
  async #load(engine: Engine): Promise<boolean> {
    const { store, logger } = this.#parts
    const started = performance.now()
    let loggedAt = started
    const loaded = await load(engine, {
      limits: store.history.limits,
      onProgress(nodes, total) {
        const now = performance.now()
        if (now - loggedAt < PROGRESS_INTERVAL) return
        loggedAt = now
        logger.info({ nodes, total }, `loading: ${nodes} of ${total} nodes`)
      },
    })
    this.#copy = loaded?.copy ?? emptyCopy()
    if (loaded === undefined) return true
    store.restore(loaded.state)
    this.#changes.tally = loaded.tally
    this.#changes.nextId = loaded.nextId
    this.#unsaved = isEmpty(loaded.leftovers) ? undefined : loaded.leftovers
    this.#lastSave = loaded.savedAt
    const took = Math.round(performance.now() - started)
    const { files, index } = store
    logger.info({ files, index, ms: took }, `loaded ${files} files up to index ${index}`)
    return loaded.exact
  }

  /** Sees to it that what has changed is written before long. */
  #schedule(): void {
    // A commit that ends looks what has come meanwhile.
    if (this.#durability === 'no' || this.#running !== undefined) return
    const urgent =
      this.#waiters.length > 0 || (this.#durability === 'always' && this.#failure === undefined)
    if (this.#cancel !== undefined) {
      if (!urgent) return
      this.#cancel()
    }
    if (urgent) {
      // After all that has been read from sockets by now, which then goes into the same commit.
      const immediate = setImmediate(() => this.#run())
      this.#cancel = () => clearImmediate(immediate)
    } else {
      this.#cancel = this.#parts.clock.schedule(() => this.#run(), INTERVAL)
    }
  }

  #run(): void {
    this.#cancel = undefined
    if (this.#running !== undefined) return
    this.#running = this.#commit().finally(() => {
      this.#running = undefined
      this.#settle()
    })
  }

  /** Never rejects: a failure is kept in `#failure`, and tried again. */
  async #commit(): Promise<void> {
    const { store, clock, logger } = this.#parts
    this.#started++
    const started = performance.now()
    let commit: Commit | undefined
    try {
      const strayEvents = await this.#reopen()
      const engine = this.#engine as Engine
      this.#commitNow = commit = new Commit(engine, store, this.#changes, this.#copy, {
        whole: this.#whole,
        unsaved: this.#unsaved,
        strayEvents,
        withPlaces: this.#waiters.length > 0 || clock.now() - this.#placesAt >= PLACES_INTERVAL,
      })
      await commit.write(true)
      if (commit.withPlaces) this.#placesAt = clock.now()
    } catch (error) {
      await this.#fail(error, commit)
      return
    } finally {
      this.#commitNow = undefined
    }
    this.#copy = commit.copy
    this.#unsaved = undefined
    this.#whole = false
    this.#durableIndex = commit.index
    this.#lastSave = clock.now()
    this.#lastDuration = performance.now() - started
    if (commit.whole) await this.#clearFormer()
    if (this.#failure === undefined) return
    this.#failure = undefined
    logger.warn({ directory: this.#directory }, 'the data directory can be written again')
  }

  /**
   * Opens the engine again if it was closed after a failure.
   *
   * @returns records of events that the failed commit may have left, to be taken away
   */
  async #reopen(): Promise<number[]> {
    if (this.#engine !== undefined) return []
    const engine = await Engine.open(treeOf(this.#directory))
    this.#engine = engine
    const found = await peek(engine)
    const { batch, eventRecords } = this.#copy
    if (found === undefined) {
      // Somebody has taken the directory away.
      this.#whole = true
      this.#copy = emptyCopy()
    } else if (found.copy.batch !== batch && found.copy.batch !== batch + 1) {
      throw new PersistenceError('the directory holds another tree now')
    }
    return (await eventRecordsOf(engine)).filter((first) => !eventRecords.has(first))
  }

  async #fail(error: unknown, commit: Commit | undefined): Promise<void> {
    const reason = reasonOf(error)
    if (this.#failure !== reason) {
      this.#parts.logger.error(
        { err: error, directory: this.#directory },
        'cannot write the data directory: writes are refused until it works',
      )
    }
    this.#failure = reason
    if (commit !== undefined) {
      this.#unsaved = commit.unsaved
      this.#whole = commit.whole
    }
    // LevelDB takes no further write after one has failed.
    await this.#closeEngine()
  }

  /** Without it a later loss may go unnoticed; nothing else is lost. */
  async #mark(exact = this.#durability === 'always'): Promise<void> {
    try {
      await writeMarker(treeOf(this.#directory), { batch: this.#copy.batch, exact })
    } catch (error) {
      this.#parts.logger.warn({ err: error }, 'could not note how far the data has come')
    }
  }

  async #closeEngine(): Promise<void> {
    const engine = this.#engine
    this.#engine = undefined
    try {
      await engine?.close()
    } catch (error) {
      this.#parts.logger.warn({ err: error }, 'could not close the data directory')
    }
  }

  /** What is left of an earlier tree takes up room and does no harm: the next start clears it. */
  async #clearFormer(): Promise<void> {
    try {
      if (this.#engine !== undefined) await clearNodes(this.#engine, 0, this.#copy.rootId)
    } catch (error) {
      this.#parts.logger.warn({ err: error }, 'could not clear an earlier tree')
    }
  }

  #rejectWaiters(reason: string): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(new PersistenceError(reason))
  }

  /** After a commit: tells those who wait for it, and goes on with what has come meanwhile. */
  #settle(): void {
    const failure = this.#failure
    const waiters = this.#waiters
    this.#waiters = waiters.filter((waiter) => waiter.commit > this.#started)
    for (const waiter of waiters) {
      if (waiter.commit > this.#started) continue
      if (failure === undefined) waiter.resolve()
      else waiter.reject(new PersistenceError(failure))
    }
    if (failure === undefined) {
      this.#parts.onCommit(this.#started)
      if (this.#changes.pending || this.#waiters.length > 0) this.#schedule()
      return
    }
    this.#parts.onFailure()
    if (this.#closing) this.#rejectWaiters(failure)
    if (this.#closing || this.#durability === 'no') return
    this.#cancel?.()
    this.#cancel = this.#parts.clock.schedule(() => this.#run(), RETRY)
  }
}
