import type { Logger } from 'pino'
import type { Clock } from '../store/clock.ts'
import type { Store } from '../store/store.ts'
import { type ChangeSet, type Changes, isEmpty } from '../store/tree/changes.ts'
import { Checkpoint } from './checkpoint.ts'
import { areHeavy } from './checkpoint-due.ts'
import type { JournalPlace } from './copy-state.ts'
import type { DataHome } from './data-home.ts'
import { PersistenceError } from './errors.ts'
import { reasonOf } from './level.ts'
import type { Loaded } from './load.ts'

/** How long after a failure the disk is tried again, at first and at most. */
const RETRY_DELAY_MS = 1000
const MAX_RETRY_DELAY_MS = 30_000
/** The nodes of removed directories that are reclaimed at a time. */
const RECLAIM_NODES = 2000

export interface CheckpointLoopParts {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  /** Called before a checkpoint: opens the directory anew if it has been removed. */
  onPrepare(home: DataHome): Promise<readonly number[]>
  /** Called at the moment that a checkpoint shows: has the journal take everything up to now. */
  onBegin(): JournalPlace
  /** Called when a checkpoint has ended. @param isWritten whether it is on the disk */
  onEnd(isWritten: boolean, place: JournalPlace): Promise<void>
}

/** A caller of `save`. */
interface Waiter {
  /** The number of the checkpoint that it waits for. */
  readonly checkpoint: number
  resolve(): void
  reject(error: PersistenceError): void
}

/** Writes checkpoints, one at a time: when asked for, and again after a failure. */
export class CheckpointLoop {
  /** The directory that checkpoints go to. */
  home: DataHome | undefined
  /** True when the process is about to end: a failed checkpoint is then not tried again. */
  closing = false
  /** Why the checkpoint that runs is given up; undefined if it is not. */
  givenUp: PersistenceError | undefined

  readonly #parts: CheckpointLoopParts
  readonly #changes: Changes
  /** Whether the next checkpoint writes the whole tree. */
  #whole = false
  /** Changes that an earlier checkpoint failed to write, or that the last process left. */
  #unsaved: ChangeSet | undefined
  #failure: string | undefined
  #retryDelay = RETRY_DELAY_MS
  /** The number of the last checkpoint that was started. */
  #started = 0
  #running: Promise<void> | undefined
  /** Cancels the checkpoint that is scheduled. */
  #cancel: (() => void) | undefined
  #waiters: Waiter[] = []
  #isHurried = false
  #lastSave: number
  #lastDuration: number | undefined
  #lastBytes = 0
  #index = 0

  constructor(parts: CheckpointLoopParts, changes: Changes) {
    this.#parts = parts
    this.#changes = changes
    this.#lastSave = parts.clock.now()
  }

  /** Why the last checkpoint failed; undefined if it did not. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** The store's index as of the last checkpoint. */
  get index(): number {
    return this.#index
  }

  /** When the last checkpoint was on the disk, in Unix milliseconds. */
  get lastSave(): number {
    return this.#lastSave
  }

  /** How long the last checkpoint took, in milliseconds; undefined before the first. */
  get lastDuration(): number | undefined {
    return this.#lastDuration
  }

  /** What the last checkpoint has written, in bytes. */
  get lastBytes(): number {
    return this.#lastBytes
  }

  /** Whether changes remain from an earlier checkpoint that failed, or from the last process. */
  get hasUnsaved(): boolean {
    return this.#unsaved !== undefined
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** How many checkpoints have been started. */
  get count(): number {
    return this.#started
  }

  /**
   * Resolves when a checkpoint of this moment, or a later one, is on the disk.
   *
   * @throws PersistenceError if it cannot be written
   */
  save(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ checkpoint: this.#started + 1, resolve, reject })
      this.request()
    })
  }

  /** Like {@link save}, but writes the whole tree. No checkpoint may be running. */
  saveWhole(): Promise<void> {
    this.requireWhole()
    return this.save()
  }

  /** Has the next checkpoint write the whole tree. No checkpoint may be running. */
  requireWhole(): void {
    this.#whole = true
    this.#unsaved = undefined
  }

  /** Whether a checkpoint may begin by itself: none runs, and none has failed, which is tried again anyway. */
  get mayBegin(): boolean {
    return this.home !== undefined && this.#running === undefined && this.failure === undefined
  }

  /** Begins a checkpoint soon, unless one runs. */
  request(): void {
    // One that ends begins the next itself, if somebody waits.
    if (this.home === undefined || this.#running !== undefined) return
    this.#cancel?.()
    // setImmediate runs after all sockets have been read, so that their writes share the checkpoint.
    const immediate = setImmediate(() => this.#run())
    this.#cancel = () => clearImmediate(immediate)
  }

  /** Begins a checkpoint soon; it takes more of the time, and so does one that runs. */
  hurry(): void {
    this.#isHurried = true
    if (this.mayBegin) this.request()
  }

  /** Cancels the checkpoint that is scheduled, and waits for the one that runs. */
  async halt(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    await this.#running
  }

  /** Waits for the checkpoint that runs. */
  async finish(): Promise<void> {
    await this.#running
  }

  /** Begins where a loaded tree ends. */
  startFrom(loaded: Loaded | undefined): void {
    this.#index = loaded?.copy.index ?? 0
    if (loaded === undefined) return
    this.#unsaved = isEmpty(loaded.leftovers) ? undefined : loaded.leftovers
    this.#lastSave = loaded.savedAt
  }

  /** Lets go of the directory, and of what was still to be written. Must be halted. */
  forget(): void {
    this.home = undefined
    this.#failure = undefined
    this.#unsaved = undefined
  }

  rejectWaiters(reason: string): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(new PersistenceError(reason))
  }

  /** Whether the checkpoint that runs takes more of the time: somebody waits, or the notes for the next one grow large. */
  get #isUrgent(): boolean {
    if (this.closing || this.#isHurried || this.#waiters.length > 0) return true
    return areHeavy(this.#changes)
  }

  #run(): void {
    this.#cancel = undefined
    if (this.#running !== undefined || this.home === undefined) return
    this.#running = this.#write(this.home).finally(() => {
      this.#running = undefined
      this.#settle()
    })
  }

  /** Writes a checkpoint. Never rejects: a failure is kept in `#failure`, and tried again. */
  async #write(home: DataHome): Promise<void> {
    const { store } = this.#parts
    this.#started++
    const started = performance.now()
    let checkpoint: Checkpoint | undefined
    let place: JournalPlace = { id: '', position: 0 }
    try {
      const strayEvents = await this.#parts.onPrepare(home)
      if (home.isEmpty) this.#whole = true
      const { needsRemember } = store.history
      if (this.#whole || this.#changes.replaced || needsRemember) await this.#reclaim()
      place = this.#parts.onBegin()
      checkpoint = new Checkpoint(home.engine, store, this.#changes, home.copy, {
        whole: this.#whole,
        unsaved: this.#unsaved,
        strayEvents,
        journal: place,
      })
      this.#unsaved = undefined
      await checkpoint.write(() => {
        if (this.givenUp !== undefined) throw this.givenUp
        return this.#isUrgent
      })
      home.copy = checkpoint.copy
    } catch (error) {
      await this.#fail(home, error, checkpoint)
      await this.#parts.onEnd(false, place)
      return
    }
    this.#whole = false
    this.#index = checkpoint.index
    this.#lastSave = this.#parts.clock.now()
    this.#lastDuration = performance.now() - started
    this.#lastBytes = checkpoint.bytes
    if (checkpoint.whole) await home.clearFormer()
    try {
      await this.#parts.onEnd(true, place)
    } catch (error) {
      await this.#fail(home, error, undefined)
      return
    }
    this.#retryDelay = RETRY_DELAY_MS
    if (this.#failure === undefined) return
    this.#failure = undefined
    this.#parts.logger.warn({ directory: home.directory }, 'checkpoints can be written again')
  }

  /**
   * Takes back what directories that were removed have left, so that the whole tree is what is counted. Has the dropped
   * events remembered, so that they are written.
   */
  async #reclaim(): Promise<void> {
    while (this.#parts.store.reclaim(RECLAIM_NODES)) {
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  async #fail(home: DataHome, error: unknown, checkpoint: Checkpoint | undefined): Promise<void> {
    const reason = reasonOf(error)
    if (this.#failure !== reason && error !== this.givenUp) {
      this.#parts.logger.error(
        { err: error, directory: home.directory },
        'a checkpoint could not be written',
      )
    }
    this.#failure = reason
    if (checkpoint !== undefined) {
      checkpoint.undo()
      this.#unsaved = checkpoint.unsaved
      this.#whole = checkpoint.whole
    }
    // LevelDB takes no further write after one has failed.
    await home.close()
  }

  /** Ends a checkpoint: answers its waiters, and begins the next one if there is need. */
  #settle(): void {
    this.#isHurried = false
    const failure = this.#failure
    const waiters = this.#waiters
    this.#waiters = waiters.filter((waiter) => waiter.checkpoint > this.#started)
    for (const waiter of waiters) {
      if (waiter.checkpoint > this.#started) continue
      if (failure === undefined) waiter.resolve()
      else waiter.reject(new PersistenceError(failure))
    }
    if (failure !== undefined && this.closing) this.rejectWaiters(failure)
    if (this.#waiters.length > 0) {
      this.request()
      return
    }
    if (failure === undefined || this.closing || this.#isHurried || this.home === undefined) return
    this.#cancel?.()
    this.#cancel = this.#parts.clock.schedule(() => this.#run(), this.#retryDelay)
    this.#retryDelay = Math.min(2 * this.#retryDelay, MAX_RETRY_DELAY_MS)
  }
}
