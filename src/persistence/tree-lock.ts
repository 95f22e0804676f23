import { link, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { InUseError } from './errors.ts'
import { Engine } from './level.ts'
import { assertOwnFiles } from './tree-files.ts'

/**
 * Holds a tree's own lock, the only one that a former ktree knows, while the tree is copied or moved.
 *
 * Problem: LevelDB locks only what it opens, and opening a damaged tree makes it worse.
 * Trick: the system locks a file, whatever its name. An empty database beside the tree has the tree's file LOCK as its own, by a
 * hard link.
 * Price: nobody may open the tree's LOCK meanwhile, not even to copy it, because the system releases a process's lock when
 * that closes the file under any name.
 * Can be deleted when no ktree without the lock beside the tree (docs/decisions/0020) is in use any more.
 */
export class TreeLock {
  readonly #engine: Engine | undefined

  private constructor(engine?: Engine) {
    this.#engine = engine
  }

  /**
   * Locks a tree, which need not be one that can be opened. The caller has the lock beside it. Where there are no hard links,
   * or nothing to lock, that one has to do.
   *
   * @throws InUseError if another process has it
   * @throws PersistenceError if it holds anything but files
   */
  static async take(tree: string): Promise<TreeLock> {
    assertOwnFiles(tree)
    const path = `${tree}.locking`
    try {
      await rm(path, { recursive: true, force: true })
      await mkdir(path, { mode: 0o700 })
      await link(join(tree, 'LOCK'), join(path, 'LOCK'))
    } catch {
      await rm(path, { recursive: true, force: true }).catch(() => {})
      return new TreeLock()
    }
    try {
      return new TreeLock(await Engine.open(path))
    } catch (error) {
      await rm(path, { recursive: true, force: true })
      throw error instanceof InUseError ? new InUseError(tree) : error
    }
  }

  async release(): Promise<void> {
    if (this.#engine === undefined) return
    await this.#engine.close()
    await rm(this.#engine.location, { recursive: true, force: true })
  }
}
