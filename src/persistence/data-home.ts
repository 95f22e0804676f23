import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Logger } from 'pino'
import type { Store } from '../store/store.ts'
import { bootId } from './boot.ts'
import { type CopyState, emptyCopy, type JournalPlace } from './copy-state.ts'
import { adviceOn, assertNoNode, treeOf } from './data-directory.ts'
import { DirectoryLock } from './directory-lock.ts'
import { DirectoryPlace } from './directory-place.ts'
import { PersistenceError } from './errors.ts'
import { asideIn, assertFinished } from './interrupted.ts'
import { clearNodes, Engine } from './level.ts'
import { eventRecordsOf, type Loaded, load, peek } from './load.ts'
import { hasMarker, writeMarker } from './marker.ts'
import { giveBack, keptOf, letGo, preserve } from './preserve.ts'
import { withReadingCopy } from './reading-copy.ts'
import { isThere, tighten } from './tree-files.ts'

/** How often progress is logged, in milliseconds. */
const PROGRESS_INTERVAL_MS = 1000

/** Why nothing is written any more: somebody has moved the tree away, and another one to its place. */
export const ANOTHER_TREE = 'the directory holds another tree now'

/**
 * A data directory in use: its LevelDB, locked by this process, and what the copy in it is like.
 */
export class DataHome {
  /** The data directory, absolute. */
  readonly directory: string
  /** The copy as of the last checkpoint. */
  copy: CopyState
  readonly #logger: Logger
  #lock: DirectoryLock
  /** Undefined after a failure, until {@link reopen}. */
  #engine: Engine | undefined
  /** Where the tree is that the journal belongs to. */
  #place: DirectoryPlace
  /** Resolves when the marker has been written as often as {@link mark} was called. */
  #marked = Promise.resolve()

  private constructor(lock: DirectoryLock, directory: string, engine: Engine, logger: Logger) {
    this.directory = resolve(directory)
    this.copy = emptyCopy()
    this.#lock = lock
    this.#engine = engine
    this.#place = new DirectoryPlace(engine.location)
    this.#logger = logger
  }

  /**
   * Opens a directory and reads the tree in it into the store, then the journal. On failure the files of the
   * directory are as they were.
   *
   * @returns also what was read besides the tree; undefined if the directory held no tree
   * @throws PersistenceError if the directory is in use, or its tree cannot be read
   */
  static async load(
    directory: string,
    store: Store,
    logger: Logger,
    readJournal: (home: DataHome, loaded: Loaded | undefined) => Promise<void>,
  ): Promise<{ home: DataHome; loaded: Loaded | undefined }> {
    assertNoNode(directory)
    const tree = treeOf(directory)
    const lock = await DirectoryLock.take(directory)
    let home: DataHome | undefined
    let links: string | undefined
    try {
      links = await preserve(tree)
      assertFinished(directory)
      if (!isThere(tree)) tellAside(directory, logger)
      home = new DataHome(lock, directory, await Engine.open(tree), logger)
      await tighten(tree, logger)
      const loaded = await home.#load(store)
      await readJournal(home, loaded)
      await letGo(tree)
      return { home, loaded }
    } catch (error) {
      await home?.close()
      if (links !== undefined) await giveBack(tree, links, error)
      if (home === undefined) await lock.release()
      else await home.leave()
      throw adviceOn(directory, error, await keptOf(tree))
    }
  }

  /**
   * Opens a directory to write a whole tree into it.
   *
   * @param lastBatches the last checkpoint of this process there is one of these: it may write over it
   * @returns also the first id that no directory in it has
   * @throws PersistenceError if the directory is in use, or holds a tree of another process
   */
  static async claim(
    directory: string,
    lastBatches: readonly number[] | undefined,
    logger: Logger,
  ): Promise<{ home: DataHome; nextId: number; journal: JournalPlace | undefined }> {
    assertNoNode(directory)
    const lock = await DirectoryLock.take(directory)
    let engine: Engine | undefined
    const tree = treeOf(directory)
    try {
      assertFinished(directory)
      // What is refused must not be opened.
      if (hasMarker(tree) || existsSync(join(tree, 'CURRENT'))) {
        const held = await withReadingCopy(tree, peek)
        if (held !== undefined && !lastBatches?.includes(held.copy.batch)) {
          throw new PersistenceError(
            `${resolve(directory)} holds a tree that this server has not read; start a server on it, or choose another directory`,
          )
        }
      }
      engine = await Engine.open(tree)
      await tighten(tree, logger)
      const held = await peek(engine)
      const home = new DataHome(lock, directory, engine, logger)
      if (held !== undefined) home.copy = held.copy
      return { home, nextId: held?.nextId ?? 1, journal: held?.journal }
    } catch (error) {
      await engine?.close()
      await lock.release()
      throw error
    }
  }

  /** Whether the tree has been moved away, and another one is in its place. Asks the system. */
  get isTaken(): boolean {
    return this.#place.isTaken
  }

  /** Whether the tree has been removed, or moved away. Asks the system. */
  get isGone(): boolean {
    return this.#place.isGone
  }

  /** Whether the database is open: it is closed after a failure, until {@link reopen}. */
  get isOpen(): boolean {
    return this.#engine !== undefined
  }

  /** The numbers that the last checkpoint may have: a failed one may have been written all the same. */
  get batches(): readonly number[] {
    const { batch } = this.copy
    return this.isOpen ? [batch] : [batch, batch + 1]
  }

  /** The open database. */
  get engine(): Engine {
    return this.#engine as Engine
  }

  /** Whether it holds no tree. */
  get isEmpty(): boolean {
    return this.copy.rootId === 0
  }

  /**
   * Opens the database again if a failure has closed it. It is empty afterwards if somebody has
   * removed the directory.
   *
   * @returns records of events that the failed checkpoint may have left, and that must be deleted
   * @throws PersistenceError if another tree is in its place, or another process has locked the directory
   */
  async reopen(): Promise<number[]> {
    // LevelDB would remove the files of the other tree.
    if (this.isTaken) throw new PersistenceError(ANOTHER_TREE)
    if (this.#engine !== undefined) return []
    if (this.#place.isGone && !this.#lock.holds) {
      await this.#lock.release()
      this.#lock = await DirectoryLock.take(this.directory)
    }
    const engine = await Engine.open(treeOf(this.directory))
    this.#engine = engine
    this.#place.close()
    this.#place = new DirectoryPlace(engine.location)
    const found = await peek(engine)
    const { batch, eventRecords } = this.copy
    if (found === undefined) {
      this.copy = emptyCopy()
    } else if (found.copy.batch !== batch && found.copy.batch !== batch + 1) {
      throw new PersistenceError(ANOTHER_TREE)
    }
    return (await eventRecordsOf(engine)).filter((first) => !eventRecords.has(first))
  }

  /** Closes the database, and unlocks the directory. A failure is logged. */
  async leave(): Promise<void> {
    await this.close()
    this.#place.close()
    await this.#lock.release()
  }

  /** Closes the database, until {@link reopen}. A failure is logged. */
  async close(): Promise<void> {
    const engine = this.#engine
    this.#engine = undefined
    await this.#marked
    try {
      await engine?.close()
    } catch (error) {
      this.#logger.warn({ err: error }, 'could not close the data directory')
    }
  }

  /**
   * Notes in the marker how far the copy has come. A failure is logged: without the marker a later
   * loss may go unnoticed, but nothing else is lost.
   *
   * @param exact whether every acknowledged write is on the disk, also if the power fails right now
   * @param outlives whether the system has every acknowledged write, also if the server ends right now
   */
  mark(exact: boolean, outlives = true): Promise<void> {
    // One after the other, because two would write into the same file.
    this.#marked = this.#marked.then(() => this.#mark(exact, outlives))
    return this.#marked
  }

  async #mark(exact: boolean, outlives: boolean): Promise<void> {
    if (this.isTaken) return
    try {
      const boot = outlives ? bootId() : ''
      await writeMarker(treeOf(this.directory), { batch: this.copy.batch, exact, boot })
    } catch (error) {
      this.#logger.warn({ err: error }, 'could not note how far the data has come')
    }
  }

  /**
   * Deletes the rest of an earlier tree. A failure is logged: the rest takes up room but does no
   * harm, and the next start deletes it.
   */
  async clearFormer(): Promise<void> {
    try {
      if (this.#engine !== undefined) await clearNodes(this.#engine, 0, this.copy.rootId)
    } catch (error) {
      this.#logger.warn({ err: error }, 'could not clear an earlier tree')
    }
  }

  async #load(store: Store): Promise<Loaded | undefined> {
    const logger = this.#logger
    const started = performance.now()
    let loggedAt = started
    const loaded = await load(this.engine, {
      limits: store.history.limits,
      onProgress(nodes, total) {
        const now = performance.now()
        if (now - loggedAt < PROGRESS_INTERVAL_MS) return
        loggedAt = now
        logger.info({ nodes, total }, `loading: ${nodes} of ${total} nodes`)
      },
    })
    if (loaded === undefined) return undefined
    this.copy = loaded.copy
    store.restore(loaded.state)
    const ms = Math.round(performance.now() - started)
    logger.info(
      { nodes: loaded.tally.count, ms },
      `read a checkpoint of ${loaded.tally.count} nodes`,
    )
    return loaded
  }
}

/** Tells who starts on a directory without a tree of those that were moved aside. */
function tellAside(directory: string, logger: Logger): void {
  const aside = asideIn(directory).at(-1)
  if (aside === undefined) return
  logger.warn({ directory, aside }, `begins an empty tree, because there is none beside ${aside}`)
}
