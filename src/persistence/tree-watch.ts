import type { Changes } from '../store/tree/changes.ts'
import { ANOTHER_TREE, type DataHome } from './data-home.ts'
import type { PersistenceParts } from './persistence-parts.ts'

/** How long after a look the next one comes, if there have been writes. */
const PAUSE_MS = 1000

/**
 * Notices that somebody has moved the tree away and another one to its place: the journal, which is open, has moved
 * with it, and the next start would not find what is written to it. Looks once a second while there are writes, and
 * at the first write after a pause, before its reply leaves.
 */
export class TreeWatch {
  readonly #parts: Pick<PersistenceParts, 'clock' | 'logger' | 'onFailure'>
  readonly #changes: Changes
  readonly #home: () => DataHome | undefined
  #failure: string | undefined
  /** How many writes there were at the last look. */
  #seen = 0
  /** Cancels the next look. */
  #cancel: (() => void) | undefined

  constructor(
    parts: Pick<PersistenceParts, 'clock' | 'logger' | 'onFailure'>,
    changes: Changes,
    home: () => DataHome | undefined,
  ) {
    this.#parts = parts
    this.#changes = changes
    this.#home = home
  }

  /** Why writes are refused; undefined while the tree is at its place. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** Looks, unless nothing has been written or a look is due soon. */
  look(): void {
    if (this.#cancel === undefined && this.#changes.writes !== this.#seen) this.#look()
  }

  /** Stops; the directory has been left. */
  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#failure = undefined
  }

  #look(): void {
    this.#seen = this.#changes.writes
    const home = this.#home()
    if (home === undefined) {
      this.#failure = undefined
      return
    }
    const { clock, logger } = this.#parts
    const { directory, isTaken } = home
    if (isTaken && this.#failure === undefined) {
      logger.error({ directory }, `${ANOTHER_TREE}: writes are refused until its own is back`)
      this.#failure = ANOTHER_TREE
      this.#parts.onFailure()
    } else if (!isTaken && this.#failure !== undefined) {
      logger.warn({ directory }, 'the directory holds its own tree again')
      this.#failure = undefined
    }
    this.#cancel = clock.schedule(() => this.#lookAgain(), PAUSE_MS)
  }

  #lookAgain(): void {
    this.#cancel = undefined
    if (this.#failure !== undefined || this.#changes.writes !== this.#seen) this.#look()
  }
}
