import type { Logger } from 'pino'
import { type Clock, elapsedOf } from '../store/clock.ts'
import type { Store } from '../store/store.ts'
import { type ChangeSet, type Changes, isEmpty } from '../store/tree/changes.ts'
import { Commit } from './commit.ts'
import type { DataHome } from './data-home.ts'
import { PersistenceError } from './errors.ts'
import { reasonOf } from './level.ts'
import type { Loaded } from './load.ts'

export type Durability = 'always' | 'everysec' | 'no'

/** Under `everysec`, how long changes wait to be written together. */
const COMMIT_INTERVAL_MS = 100
/** How long after a failure the disk is tried again. */
const RETRY_DELAY_MS = 1000
/** How often the places of dropped events are written at most. */
const PLACES_INTERVAL_MS = 10_000

export interface CommitLoopParts {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  /** Called when a commit, and with it all earlier ones, is on the disk. */
  onCommit(number: number): void
  /** Called when a commit has failed; `holding` is then false until the disk works again. */
  onFailure(): void
}

/** A caller of `save`. */
interface Waiter {
  /** The number of the commit that it waits for. */
  readonly commit: number
  resolve(): void
  reject(error: PersistenceError): void
}

/**
 * Runs commits, one at a time: soon after a change, at once when somebody waits, and again after a
 * failure.
 */
export class CommitLoop {
  /** Commits run unless it is `no`. */
  durability: Durability = 'no'
  /** The directory that commits go to. Must be set unless {@link durability} is `no`. */
  home: DataHome | undefined
  /** True when the process is about to end: a failed commit is then not tried again. */
  closing = false

  readonly #parts: CommitLoopParts
  readonly #changes: Changes
  /** Whether the next commit writes the whole tree. */
  #whole = false
  /** Changes that an earlier commit failed to write, or that the last process left. */
  #unsaved: ChangeSet | undefined
  #failure: string | undefined
  /** The number of the last commit that was started. */
  #started = 0
  #running: Promise<void> | undefined
  /** What runs, once it is past opening the database. */
  #commit: Commit | undefined
  /** Cancels the commit that is scheduled. */
  #cancel: (() => void) | undefined
  #waiters: Waiter[] = []
  /** When the places of dropped events were last written, on the scale of `Clock.elapsed`. */
  #placesAt = 0
  #lastSave: number
  #lastDuration: number | undefined
  #durableIndex = 0

  constructor(parts: CommitLoopParts, changes: Changes) {
    this.#parts = parts
    this.#changes = changes
    this.#lastSave = parts.clock.now()
  }

  /** Why the last commit failed; undefined if it did not. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** The store's index as of the last commit. */
  get durableIndex(): number {
    return this.#durableIndex
  }

  /** When the last commit was on the disk, in Unix milliseconds. */
  get lastSave(): number {
    return this.#lastSave
  }

  /** How long the last commit took, in milliseconds; undefined before the first. */
  get lastDuration(): number | undefined {
    return this.#lastDuration
  }

  /** Whether replies must be held back until {@link coveringCommit} is on the disk. */
  get holding(): boolean {
    return (
      this.durability === 'always' &&
      this.#failure === undefined &&
      // A tree that is still to be written whole has taken in the changes that were pending.
      (this.#changes.pending || this.#whole || this.#running !== undefined)
    )
  }

  /** The number of the commit that covers all writes so far. */
  get coveringCommit(): number {
    const { pending } = this.#changes
    // A commit takes in further changes until it is sealed.
    const next =
      this.#commit === undefined ? pending || this.#whole : pending && this.#commit.sealed
    return next ? this.#started + 1 : this.#started
  }

  /** Whether changes remain from an earlier commit that failed, or from the last process. */
  get hasUnsaved(): boolean {
    return this.#unsaved !== undefined
  }

  get committing(): boolean {
    return this.#running !== undefined
  }

  /** How many commits have been started. */
  get commits(): number {
    return this.#started
  }

  /**
   * Resolves when all writes so far are on the disk.
   *
   * @throws PersistenceError if they cannot be written
   */
  save(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ commit: this.#started + 1, resolve, reject })
      this.schedule()
    })
  }

  /** Like {@link save}, but writes the whole tree. No commit may be running. */
  saveWhole(): Promise<void> {
    this.#whole = true
    this.#unsaved = undefined
    return this.save()
  }

  /** Schedules a commit, unless one runs or is scheduled soon enough. */
  schedule(): void {
    // A commit that ends schedules the next one itself.
    if (this.durability === 'no' || this.#running !== undefined) return
    const urgent =
      this.#waiters.length > 0 || (this.durability === 'always' && this.#failure === undefined)
    if (this.#cancel !== undefined) {
      if (!urgent) return
      this.#cancel()
    }
    if (urgent) {
      // setImmediate runs after all sockets have been read, so that their writes share the commit.
      const immediate = setImmediate(() => this.#run())
      this.#cancel = () => clearImmediate(immediate)
    } else {
      this.#cancel = this.#parts.clock.schedule(() => this.#run(), COMMIT_INTERVAL_MS)
    }
  }

  /** Cancels the commit that is scheduled, and waits for the one that runs. */
  async halt(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    await this.#running
  }

  /** Waits for the commit that runs. */
  async finish(): Promise<void> {
    await this.#running
  }

  /** Begins where a loaded tree ends. */
  startFrom(loaded: Loaded | undefined): void {
    const { store, clock } = this.#parts
    this.#durableIndex = store.index
    this.#placesAt = elapsedOf(clock)
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

  #run(): void {
    this.#cancel = undefined
    if (this.#running !== undefined) return
    this.#running = this.#write(this.home as DataHome).finally(() => {
      this.#running = undefined
      this.#settle()
    })
  }

  /** Writes one commit. Never rejects: a failure is kept in `#failure`, and tried again. */
  async #write(home: DataHome): Promise<void> {
    const { store, clock, logger } = this.#parts
    this.#started++
    const started = performance.now()
    let commit: Commit | undefined
    try {
      const strayEvents = await home.reopen()
      if (home.isEmpty) this.#whole = true
      this.#commit = commit = new Commit(home.engine, store, this.#changes, home.copy, {
        whole: this.#whole,
        unsaved: this.#unsaved,
        strayEvents,
        withPlaces:
          this.#waiters.length > 0 || elapsedOf(clock) - this.#placesAt >= PLACES_INTERVAL_MS,
      })
      await commit.write(true)
      if (commit.withPlaces) this.#placesAt = elapsedOf(clock)
    } catch (error) {
      await this.#fail(home, error, commit)
      return
    } finally {
      this.#commit = undefined
    }
    home.copy = commit.copy
    this.#unsaved = undefined
    this.#whole = false
    this.#durableIndex = commit.index
    this.#lastSave = clock.now()
    this.#lastDuration = performance.now() - started
    if (commit.whole) await home.clearFormer()
    if (this.#failure === undefined) return
    this.#failure = undefined
    logger.warn({ directory: home.directory }, 'the data directory can be written again')
  }

  async #fail(home: DataHome, error: unknown, commit: Commit | undefined): Promise<void> {
    const reason = reasonOf(error)
    if (this.#failure !== reason) {
      this.#parts.logger.error(
        { err: error, directory: home.directory },
        'cannot write the data directory: writes are refused until it works',
      )
    }
    this.#failure = reason
    if (commit !== undefined) {
      this.#unsaved = commit.unsaved
      this.#whole = commit.whole
    }
    // LevelDB takes no further write after one has failed.
    await home.close()
  }

  /** Ends a commit: answers its waiters, and schedules the next one if there is need. */
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
      if (this.#changes.pending || this.#waiters.length > 0) this.schedule()
      return
    }
    this.#parts.onFailure()
    if (this.closing) this.rejectWaiters(failure)
    if (this.closing || this.durability === 'no') return
    this.#cancel?.()
    this.#cancel = this.#parts.clock.schedule(() => this.#run(), RETRY_DELAY_MS)
  }
}
