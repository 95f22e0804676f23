import { resolve } from 'node:path'
import type { Journal } from '../log/journal.ts'
import type { Recorder } from '../log/recorder.ts'
import type { Durability } from '../log/sync-policy.ts'
import { WriteLog } from '../log/write-log.ts'
import { Changes } from '../store/tree/changes.ts'
import { areHeavy, CheckpointDue } from './checkpoint-due.ts'
import { CheckpointLoop } from './checkpoint-loop.ts'
import type { JournalPlace } from './copy-state.ts'
import { treeOf } from './data-directory.ts'
import { DataHome } from './data-home.ts'
import { PersistenceError } from './errors.ts'
import { openJournal } from './journal-home.ts'
import { LeftDirectories } from './left-directories.ts'
import { reasonOf } from './level.ts'
import type { PersistenceParts } from './persistence-parts.ts'
import { noteChanges, readDirectory } from './read-directory.ts'
import { skipLost } from './skip-lost.ts'
import { PersistenceStatus } from './status.ts'
import { TreeWatch } from './tree-watch.ts'

export type { Durability } from '../log/sync-policy.ts'

/** A checkpoint begins when the journal has this length, in bytes, unless the parts say otherwise. */
const MAX_JOURNAL_BYTES = 64 * 1024 ** 2
/** A record of this length gets no further clients' writes; one that is longer than 4 GB cannot be written. */
export const LONG_RECORD_BYTES = 256 * 1024 ** 2

/**
 * Keeps the store on disk: every write in the journal, before anything tells of it, and now and then
 * a checkpoint, which makes the journal before it needless.
 */
export class Persistence {
  readonly #parts: PersistenceParts
  readonly #changes = new Changes()
  readonly #log: WriteLog
  readonly #loop: CheckpointLoop
  readonly #watch: TreeWatch
  /** What INFO tells of it. */
  readonly status: PersistenceStatus
  #journal: Journal | undefined
  /** The journal of the directory that is about to become the data directory. */
  #nextJournal: Journal | undefined
  readonly #due: CheckpointDue
  #isAppendScheduled = false
  #ending = false
  #lostWrites = 0
  readonly #left: LeftDirectories

  constructor(parts: PersistenceParts) {
    this.#parts = parts
    this.#left = new LeftDirectories(parts.logger)
    this.#due = new CheckpointDue(parts.writeWork)
    this.#log = new WriteLog({
      ...parts,
      clock: parts.clock,
      changes: this.#changes,
      onDirect: () => this.#scheduleAppend(),
      onKept: (number) => parts.onKept(number),
      onFailure: () => this.#onFailure(),
      onRecovered: () => void this.#loop.home?.mark(this.#keepsAll),
      onStuck: () => this.#loop.request(),
      onMustWait: (mustWait) => parts.onMustWait?.(mustWait),
    })
    this.#loop = new CheckpointLoop(
      {
        ...parts,
        onPrepare: (home) => this.#prepareCheckpoint(home),
        onBegin: () => this.#beginCheckpoint(),
        onEnd: (isWritten, place) => this.#endCheckpoint(isWritten, place),
      },
      this.#changes,
    )
    this.#watch = new TreeWatch(parts, this.#changes, this.#loop)
    this.status = new PersistenceStatus(parts.store, this.#log, this.#loop, () => this.#journal)
  }

  get durability(): Durability {
    return this.#log.durability
  }

  /** Records what commands change. */
  get recorder(): Recorder {
    return this.#log.recorder
  }

  /** The data directory, absolute; empty while nothing is kept on disk. */
  get directory(): string {
    return this.#loop.home?.directory ?? ''
  }

  /** Why writes are refused: the journal takes nothing, or its tree has been moved away. */
  get failure(): string | undefined {
    return this.#log.failure ?? this.#watch.failure
  }

  /** Whether output must be held back until {@link covering} is kept. */
  get holding(): boolean {
    return this.#log.holding
  }

  /** The number of the record that covers all writes so far. */
  get covering(): number {
    return this.#log.covering
  }

  /** Whether replies wait for the disk. */
  get waitsForDisk(): boolean {
    return this.#log.durability === 'always'
  }

  /** Counts the writes to the store, while it is kept on disk. */
  get writes(): number {
    return this.#changes.writes
  }

  /**
   * Whether the server is about to end. A change that has not yet taken effect is then given up, and no other begins, because
   * the next start finds what is acknowledged meanwhile only in the directory that the server ends with.
   */
  get ending(): boolean {
    return this.#ending
  }

  set ending(ending: boolean) {
    this.#ending = ending
    this.#loop.givenUp = ending && this.#nextJournal !== undefined ? endsError() : undefined
  }

  /** How many writes {@link close} was to put on disk, and could not. */
  get lostWrites(): number {
    return this.#lostWrites
  }

  /**
   * Hands what has changed to the journal. Must be called before anything leaves that tells of it.
   * Cheap if nothing has changed.
   */
  append(): void {
    this.#log.append()
  }

  /** Like {@link append}, but only if much has been recorded: clients together may write more than a record holds. */
  appendIfLong(): void {
    if (this.recorder.pendingBytes > LONG_RECORD_BYTES) this.#log.append()
  }

  /** Like {@link append}, at the end of a turn: under `always` the disk then has the writes, or soon will. */
  commit(): void {
    this.#watch.look()
    this.#log.commit()
    const journal = this.#journal
    if (journal === undefined || this.failure !== undefined) return
    const { lastBytes } = this.#loop
    if (this.#due.isLong(lastBytes)) this.#loop.hurry()
    if (!this.#loop.mayBegin) return
    const max = this.#parts.journalMaxSize?.() ?? MAX_JOURNAL_BYTES
    const isDue = this.#due.isDue(journal.written, this.recorder.count, max, lastBytes)
    if (isDue || areHeavy(this.#changes)) this.#loop.request()
  }

  /** Hurries to a checkpoint, because memory is short: what is noted for it takes some, and so does what has been removed since. */
  relieve(): void {
    if (this.failure === undefined && this.#changes.hasNotes) this.#loop.hurry()
  }

  /**
   * Reads the tree in the directory into the store, and keeps the store there from now on.
   *
   * @throws PersistenceError if the directory is in use, or its tree cannot be read
   */
  async start(directory: string, durability: Durability): Promise<void> {
    if (durability === 'no') return
    if (directory === '') throw new PersistenceError('dir must name a directory')
    const { store, logger } = this.#parts
    const { home, loaded, journal } = await readDirectory(directory, this.#changes, this.#parts)
    this.#journal = journal
    this.#due.position = loaded?.journal?.position ?? 0
    this.#loop.home = home
    const { files, index } = store
    if (loaded !== undefined)
      logger.info({ files, index }, `loaded ${files} files up to index ${index}`)
    this.#loop.startFrom(loaded)
    this.#log.start(journal, durability)
    const gap = this.#parts.crashIndexGap?.() ?? 0
    const skips = loaded?.exact === false && gap > 0
    if (skips) skipLost(store, this.#changes, gap, logger)
    // An empty tree is written at once, because a directory that cannot be written must show now.
    const isNew = home.isEmpty || loaded?.journal === undefined
    if (isNew || skips) await this.#writeFirst(home)
    else if (this.#loop.hasUnsaved) this.#loop.request()
    await home.mark(this.#keepsAll)
    this.commit()
  }

  /**
   * Changes the directory, or how safely the store is kept in it.
   *
   * @throws PersistenceError if that is not possible; everything is then as it was
   */
  async change(directory: string, durability: Durability): Promise<void> {
    this.#assertGoesOn()
    const moves = durability !== 'no' && resolve(directory) !== this.directory
    const leaves = this.durability !== 'no' && (durability === 'no' || moves)
    // A disk that takes no writes can be left without a last checkpoint.
    if (leaves && this.failure === undefined) await this.save()
    this.#assertGoesOn()
    if (durability === 'no') {
      await this.#stop()
    } else if (moves) {
      await this.#move(directory, durability)
    } else {
      await this.#harden(durability)
    }
  }

  /**
   * Resolves when a checkpoint of this moment, or a later one, is on the disk.
   *
   * @throws PersistenceError if it cannot be written
   */
  save(): Promise<void> {
    if (this.durability === 'no') {
      return Promise.reject(new PersistenceError('durability is no: nothing is kept on disk'))
    }
    return this.#loop.save()
  }

  /**
   * Puts the last writes on disk, and unlocks the directory.
   *
   * @param save write a checkpoint, so that the next start need not apply the journal
   */
  async close(save: boolean): Promise<void> {
    this.#loop.closing = true
    if (this.durability !== 'no') {
      this.append()
      if (save) await this.#saveLast()
    }
    await this.#stop()
  }

  async #saveLast(): Promise<void> {
    const { logger, store } = this.#parts
    try {
      await this.save()
    } catch (error) {
      if (this.#log.failure === undefined) {
        logger.warn({ err: error }, 'closing without a checkpoint: the journal has all writes')
        return
      }
      this.#lostWrites = store.index - this.#log.index
      logger.fatal(
        { err: error, writes: this.#lostWrites },
        'closing without the last writes: they could not be put on disk',
      )
    }
  }

  #assertGoesOn(): void {
    if (this.#ending) throw endsError()
  }

  /** Whether every acknowledged write is on the disk. */
  get #keepsAll(): boolean {
    return this.durability === 'always'
  }

  #keepIn(home: DataHome): void {
    this.#loop.home = home
    noteChanges(this.#parts.store, this.#changes, home)
  }

  #scheduleAppend(): void {
    // A program may write much before it returns.
    this.appendIfLong()
    if (this.#isAppendScheduled) return
    this.#isAppendScheduled = true
    setImmediate(() => {
      this.#isAppendScheduled = false
      this.commit()
    })
  }

  /** @returns records of events that must be deleted, because a checkpoint has failed */
  async #prepareCheckpoint(home: DataHome): Promise<readonly number[]> {
    const journal = this.#nextJournal ?? this.#journal
    if (journal?.isThere === false) await home.close()
    const strayEvents = await home.reopen()
    if (journal?.isThere !== false) return strayEvents
    // Somebody has removed the directory, or is about to.
    const { files, logger } = this.#parts
    const fresh = await openJournal(home.directory, 'new', { apply() {}, logger, files })
    await journal.close().catch(() => {})
    if (this.#nextJournal !== undefined)
      throw new PersistenceError('the directory has been removed')
    this.#journal = fresh
    this.#log.replace(fresh)
    return strayEvents
  }

  #beginCheckpoint(): JournalPlace {
    this.#log.cover()
    this.#due.begin(this.recorder.count)
    const journal = this.#nextJournal ?? (this.#journal as Journal)
    const { id, written: position, segment } = journal
    return { id: id.toString('hex'), position, segment }
  }

  async #endCheckpoint(isWritten: boolean, { position, segment = 0 }: JournalPlace): Promise<void> {
    const journal = this.#nextJournal ?? this.#journal
    await this.#log.covered(isWritten, position)
    if (!isWritten) return
    this.#due.position = position
    await journal?.drop(segment)
    this.#parts.onCheckpoint?.()
  }

  /** Notes that what watchers are shown from now on may be lost, even if only the process ends. */
  #onFailure(): void {
    void this.#loop.home?.mark(false, false)
    this.#parts.onFailure()
  }

  async #writeFirst(home: DataHome): Promise<void> {
    try {
      if (home.isEmpty) await this.#loop.saveWhole()
      else await this.#loop.save()
    } catch (error) {
      await this.#stop()
      throw new PersistenceError(`cannot write ${treeOf(home.directory)}: ${reasonOf(error)}`)
    }
  }

  /** Changes the durability in the same directory. */
  async #harden(durability: Durability): Promise<void> {
    const home = this.#loop.home as DataHome
    const former = this.durability
    // The marker's promise must hold before it is made, and until it is withdrawn.
    if (durability !== 'always') await home.mark(false)
    this.#log.durability = durability
    if (durability !== 'always') return
    try {
      if (this.failure !== undefined) throw new PersistenceError(this.failure)
      await this.#journal?.sync()
    } catch (error) {
      this.#log.durability = former
      throw error
    }
    await home.mark(true)
  }

  /** Opens another directory and writes the whole tree into it; the former keeps its tree. */
  async #move(directory: string, durability: Durability): Promise<void> {
    const loop = this.#loop
    const { logger, files, store } = this.#parts
    const left = this.#left.of(directory)
    const { home, nextId, journal: place } = await DataHome.claim(directory, left?.batches, logger)
    await loop.finish()
    const former = { home: loop.home, journal: this.#journal, position: this.#due.position }
    try {
      const from = home.isEmpty
        ? 'new'
        : place && { ...place, position: left?.position ?? place.position }
      this.#nextJournal = await openJournal(home.directory, from, {
        apply: () => {
          throw new PersistenceError(`${home.directory} has been written to by another process`)
        },
        logger,
        files,
      })
      this.#assertGoesOn()
      this.#changes.nextId = Math.max(this.#changes.nextId, nextId)
      if (former.home === undefined) this.#changes.count(store.root)
      this.#keepIn(home)
      if (former.home === undefined) {
        this.#journal = this.#nextJournal
        this.#log.start(this.#journal, durability)
      } else this.#log.alsoTo(this.#nextJournal)
      await loop.saveWhole()
      await this.#nextJournal.sync()
      this.#assertGoesOn()
      if (former.home !== undefined) this.#log.switchTo(this.#nextJournal, durability)
    } catch (error) {
      await this.#moveBack(home, former)
      throw error
    }
    this.#journal = this.#nextJournal
    this.#nextJournal = undefined
    const told = { directory: home.directory, former: former.home?.directory }
    logger.info(told, `the data is kept in ${home.directory} from now on`)
    if (former.home !== undefined) await this.#left.leave(former.home, former.journal)
    await home.mark(this.#keepsAll)
  }

  /**
   * Returns to the directory that was to be left. Its copy can only be brought up to date whole; its journal
   * has gone on.
   */
  async #moveBack(
    failed: DataHome,
    former: { home: DataHome | undefined; journal: Journal | undefined; position: number },
  ): Promise<void> {
    const loop = this.#loop
    await loop.halt()
    const journal = this.#nextJournal
    this.#nextJournal = undefined
    if (former.home === undefined) {
      this.#log.stop()
      this.#parts.store.changes = undefined
      loop.forget()
    } else {
      this.#log.alsoTo(undefined)
      loop.forget()
      this.#keepIn(former.home)
    }
    this.#journal = former.journal
    this.#due.position = former.position
    await journal?.close().catch(() => {})
    loop.givenUp = undefined
    await failed.leave()
    if (former.home === undefined) return
    // A server that ends writes its last checkpoint anyway, or wants none.
    if (this.#ending) loop.requireWhole()
    else loop.saveWhole().catch(() => {})
  }

  /** Stops keeping the store on disk. */
  async #stop(): Promise<void> {
    const loop = this.#loop
    const { home } = loop
    const journal = this.#journal
    await loop.halt()
    this.#log.finish()
    const isExact = this.failure === undefined
    this.#log.stop()
    this.#watch.stop()
    this.#parts.store.changes = undefined
    this.#journal = undefined
    loop.forget()
    loop.rejectWaiters('nothing is kept on disk any more')
    if (home !== undefined) await this.#left.leave(home, journal, isExact)
    // Nobody waits for the disk any more.
    this.#parts.onKept(Number.POSITIVE_INFINITY)
  }
}

function endsError(): PersistenceError {
  return new PersistenceError('the server is being shut down')
}
