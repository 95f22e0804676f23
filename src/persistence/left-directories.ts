import { resolve } from 'node:path'
import type { Logger } from 'pino'
import type { Journal } from '../log/journal.ts'
import type { DataHome } from './data-home.ts'

/** What is known of a directory that was left. */
interface Left {
  /** The numbers that its last checkpoint may have. */
  readonly batches: readonly number[]
  /** Where its journal ends. */
  readonly position: number
}

/**
 * Directories that this process has left, and how: it may write over them as long as no other
 * process has written to them.
 */
export class LeftDirectories {
  readonly #logger: Logger
  readonly #left = new Map<string, Left>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  of(directory: string): Left | undefined {
    return this.#left.get(resolve(directory))
  }

  /**
   * Closes a directory and its journal, and unlocks it.
   *
   * @param isExact whether the journal has every acknowledged write
   */
  async leave(home: DataHome, journal: Journal | undefined, isExact = true): Promise<void> {
    let isSynced = isExact
    await journal?.close().catch((error: unknown) => {
      isSynced = false
      this.#logger.error({ err: error }, 'could not close the journal')
    })
    if (home.isOpen) await home.mark(isSynced, isExact)
    const { batches, directory } = home
    if (home.isTaken) this.#left.delete(directory)
    else this.#left.set(directory, { batches, position: journal?.written ?? 0 })
    await home.leave()
  }
}
