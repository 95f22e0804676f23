import { accessSync, constants, existsSync } from 'node:fs'
import { chown, readdir, realpath, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { lockOf, makeDirectory, treeOf } from './data-directory.ts'
import { DirectoryPlace } from './directory-place.ts'
import { InUseError, PersistenceError } from './errors.ts'
import { Engine, reasonOf } from './level.ts'
import { isThere, NOT_WRITABLE } from './tree-files.ts'

/**
 * Keeps a data directory to one process, from its first look at the tree until it needs it no more
 * (docs/decisions/0020). The tree's own lock moves away with the tree; this one stays beside it.
 *
 * It is an empty LevelDB, because LevelDB's lock is the only one that Node.js reaches which the system itself
 * releases, however the process ends.
 */
export class DirectoryLock {
  readonly #engine: Engine | undefined
  /** Undefined when it has been released, and where there is no lock. */
  #place: DirectoryPlace | undefined

  private constructor(engine?: Engine) {
    this.#engine = engine
    this.#place = engine && new DirectoryPlace(engine.location)
  }

  /**
   * Locks a directory, which is made if it does not exist.
   *
   * @throws InUseError if another process has locked it
   * @throws PersistenceError if the system refuses
   */
  static async take(directory: string): Promise<DirectoryLock> {
    const tree = treeOf(directory)
    try {
      await makeDirectory(lockOf(directory))
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException
      if (NOT_WRITABLE.has(code) && existsSync(tree)) return new DirectoryLock()
      if (isInTheWay(lockOf(directory))) throw unusable(lockOf(directory), error)
      throw new PersistenceError(`cannot open ${tree}: ${message}`, { cause: error })
    }
    try {
      // By its real path, because LevelDB knows by their names which databases this process has open. Not all have one.
      const path = await realpath(directory).catch(() => directory)
      const engine = await openLock(lockOf(path))
      await giveToOwner(engine.location, resolve(directory))
      return new DirectoryLock(engine)
    } catch (error) {
      if (error instanceof InUseError) throw new InUseError(tree)
      if (!isWritable(directory) && existsSync(tree)) return new DirectoryLock()
      throw error
    }
  }

  /** Whether others still find the lock: who removes a directory removes its lock. */
  get holds(): boolean {
    return this.#place?.isGone === false && !this.#place.isTaken
  }

  async release(): Promise<void> {
    this.#place?.close()
    this.#place = undefined
    await this.#engine?.close()
  }
}

/**
 * Does something while no other process uses a data directory.
 *
 * @throws InUseError if one does
 */
export async function withLock<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const lock = await DirectoryLock.take(directory)
  try {
    return await work()
  } finally {
    await lock.release()
  }
}

/** Whether something is at a path, be it a link that leads nowhere; false where the system does not say. */
function isInTheWay(path: string): boolean {
  try {
    return isThere(path)
  } catch {
    return false
  }
}

/** Who cannot write to a directory can move nothing in it, and so needs no lock. */
function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Nothing is in it that could be lost, so damage must not keep anybody from the tree. */
async function openLock(path: string): Promise<Engine> {
  let failure: unknown
  try {
    return await Engine.open(path)
  } catch (error) {
    if (error instanceof InUseError) throw error
    failure = error
  }
  try {
    await Engine.repair(path)
    return await Engine.open(path)
  } catch (error) {
    if (error instanceof InUseError) throw error
    throw unusable(path, failure)
  }
}

function unusable(path: string, error: unknown): PersistenceError {
  return new PersistenceError(
    `cannot lock the data directory: ${reasonOf(error)}. Nothing is kept in ${path}: it may be removed while no ktree uses the directory`,
    { cause: error },
  )
}

/** Has the directory's owner, too, open a lock that root has made. */
async function giveToOwner(lock: string, directory: string): Promise<void> {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = await stat(directory)
  if (uid === 0) return
  for (const path of [lock, ...(await readdir(lock)).map((name) => join(lock, name))])
    await chown(path, uid, gid)
}
