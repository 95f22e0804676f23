import { resolve } from 'node:path'
import { INDEX_CEILING } from '../store/index-ceiling.ts'
import { Changes } from '../store/tree/changes.ts'
import { CommitLoop, type CommitLoopParts, type Durability } from './commit-loop.ts'
import { treeOf } from './data-directory.ts'
import { DataHome } from './data-home.ts'
import { PersistenceError } from './errors.ts'
import { reasonOf } from './level.ts'

export type { Durability } from './commit-loop.ts'

export interface PersistenceParts extends CommitLoopParts {
  /** How far the index skips ahead after a crash that may have lost writes; 0 without it. */
  crashIndexGap?(): number
}

/**
 * Keeps a copy of the store on disk. Changes are gathered and written in commits, one at a time;
 * each brings the copy from one moment of the store to a later one.
 */
export class Persistence {
  readonly #parts: PersistenceParts
  readonly #changes: Changes
  readonly #loop: CommitLoop
  #lostWrites = 0
  /**
   * Directories that this process has left, with its last commit there: it may write over them as
   * long as no other process has written to them.
   */
  readonly #left = new Map<string, number>()

  constructor(parts: PersistenceParts) {
    this.#parts = parts
    this.#changes = new Changes(() => this.#loop.schedule())
    this.#loop = new CommitLoop(parts, this.#changes)
  }

  get durability(): Durability {
    return this.#loop.durability
  }

  /** The data directory, absolute; empty while nothing is kept on disk. */
  get directory(): string {
    return this.#loop.home?.directory ?? ''
  }

  /** Why writes are refused: the last commit has failed. */
  get failure(): string | undefined {
    return this.#loop.failure
  }

  /** Whether replies must be held back until {@link coveringCommit} is on the disk. */
  get holding(): boolean {
    return this.#loop.holding
  }

  /** The number of the commit that covers all writes so far. */
  get coveringCommit(): number {
    return this.#loop.coveringCommit
  }

  /** Counts the writes to the store, while it is kept on disk. */
  get writes(): number {
    return this.#changes.writes
  }

  get committing(): boolean {
    return this.#loop.committing
  }

  /** How many commits have been started. */
  get commits(): number {
    return this.#loop.commits
  }

  /** How many writes are not on the disk yet; 0 while nothing is kept on disk. */
  get unsavedWrites(): number {
    if (this.durability === 'no') return 0
    return Math.max(0, this.#parts.store.index - this.#loop.durableIndex)
  }

  /** How many writes {@link close} was to put on disk, and could not. */
  get lostWrites(): number {
    return this.#lostWrites
  }

  /** When the last commit was on the disk, in Unix milliseconds. */
  get lastSave(): number {
    return this.#loop.lastSave
  }

  /** How long the last commit took, in milliseconds; undefined before the first. */
  get lastDuration(): number | undefined {
    return this.#loop.lastDuration
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
    const { home, loaded } = await DataHome.load(directory, store, logger)
    if (loaded !== undefined) {
      this.#changes.tally = loaded.tally
      this.#changes.nextId = loaded.nextId
    }
    this.#keepIn(home, durability)
    this.#loop.startFrom(loaded)
    const gap = this.#parts.crashIndexGap?.() ?? 0
    // An empty tree is written at once, because a directory that cannot be written must show now.
    if (home.isEmpty) await this.#writeFirst(home)
    else if (loaded?.exact === false && gap > 0) await this.#skipLost(gap)
    else if (this.#loop.hasUnsaved) this.#loop.schedule()
    await home.mark(this.#keepsAll)
  }

  /**
   * Changes the directory, or how safely the store is kept in it.
   *
   * @throws PersistenceError if that is not possible; everything is then as it was
   */
  async change(directory: string, durability: Durability): Promise<void> {
    const moves = durability !== 'no' && resolve(directory) !== this.directory
    const leaves = this.durability !== 'no' && (durability === 'no' || moves)
    // A disk that takes no writes can be left without a last commit.
    if (leaves && this.failure === undefined) await this.save()
    if (durability === 'no') {
      await this.#stop()
    } else if (moves) {
      await this.#move(directory, durability)
    } else {
      await this.#harden(durability)
    }
  }

  /**
   * Resolves when all writes so far are on the disk.
   *
   * @throws PersistenceError if they cannot be written
   */
  save(): Promise<void> {
    if (this.durability === 'no') {
      return Promise.reject(new PersistenceError('durability is no: nothing is kept on disk'))
    }
    return this.#loop.save()
  }

  /**
   * Writes the last changes, and unlocks the directory.
   *
   * @param save false drops the changes that are not on the disk yet
   */
  async close(save: boolean): Promise<void> {
    this.#loop.closing = true
    if (this.durability !== 'no' && save) {
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

  /** Whether every acknowledged write is on the disk. */
  get #keepsAll(): boolean {
    return this.durability === 'always'
  }

  #keepIn(home: DataHome, durability: Durability): void {
    const { store } = this.#parts
    this.#loop.home = home
    this.#loop.durability = durability
    store.changes = this.#changes
    this.#changes.firstId = Math.max(1, home.copy.rootId)
    this.#changes.take(store.index)
  }

  async #writeFirst(home: DataHome): Promise<void> {
    try {
      await this.#loop.saveWhole()
    } catch (error) {
      await this.#stop()
      throw new PersistenceError(`cannot write ${treeOf(home.directory)}: ${reasonOf(error)}`)
    }
  }

  /**
   * Skips the indexes of writes that a crash may have lost: clients have seen them, and must not
   * take later writes for them.
   */
  async #skipLost(gap: number): Promise<void> {
    const { store, logger } = this.#parts
    const last = store.index
    // Above the ceiling no write follows, and none was lost.
    if (last >= INDEX_CEILING) return
    store.skipTo(Math.min(last + gap, INDEX_CEILING))
    logger.warn(
      { from: last, index: store.index },
      'the last run did not end in order: what came after index ' +
        `${last}, if anything did, is lost, and the index goes on at ${store.index + 1}`,
    )
    await this.save()
  }

  /** Changes the durability in the same directory. */
  async #harden(durability: Durability): Promise<void> {
    const loop = this.#loop
    const home = loop.home as DataHome
    const former = loop.durability
    // The marker's promise must hold before it is made, and until it is withdrawn.
    if (durability !== 'always') await home.mark(false)
    loop.durability = durability
    if (durability !== 'always') return
    try {
      await this.save()
    } catch (error) {
      loop.durability = former
      throw error
    }
    await home.mark(true)
  }

  /** Opens another directory and writes the whole tree into it; the former keeps its tree. */
  async #move(directory: string, durability: Durability): Promise<void> {
    const loop = this.#loop
    const lastBatch = this.#left.get(resolve(directory))
    const { home, nextId } = await DataHome.claim(directory, lastBatch, this.#parts.logger)
    await loop.finish()
    const former = { home: loop.home, durability: loop.durability }
    this.#changes.nextId = Math.max(this.#changes.nextId, nextId)
    this.#keepIn(home, durability)
    try {
      await loop.saveWhole()
    } catch (error) {
      if (former.home === undefined) await this.#stop()
      else await this.#moveBack(former.home, former.durability)
      throw error
    }
    if (former.home !== undefined) await this.#leave(former.home)
    await home.mark(this.#keepsAll)
  }

  /**
   * Returns to the directory that was to be left. It lacks the changes since, so the whole tree is
   * written; until then the failure stands, and writes are refused.
   */
  async #moveBack(home: DataHome, durability: Durability): Promise<void> {
    await this.#loop.halt()
    await this.#loop.home?.close()
    this.#keepIn(home, durability)
    await this.#loop.saveWhole()
  }

  /** Stops keeping the store on disk. */
  async #stop(): Promise<void> {
    const loop = this.#loop
    const { home } = loop
    const keptAll = this.#keepsAll
    loop.durability = 'no'
    await loop.halt()
    const exact = keptAll || this.#parts.store.index === loop.durableIndex
    loop.rejectWaiters('nothing is kept on disk any more')
    this.#parts.store.changes = undefined
    if (home?.isOpen) await home.mark(exact)
    loop.forget()
    if (home !== undefined) await this.#leave(home)
    // Nobody waits for the disk any more.
    this.#parts.onCommit(Number.POSITIVE_INFINITY)
  }

  async #leave(home: DataHome): Promise<void> {
    this.#left.set(home.directory, home.copy.batch)
    await home.close()
  }
}
