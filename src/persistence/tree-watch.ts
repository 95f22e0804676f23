import type { Changes } from '../store/tree/changes.ts'
import type { CheckpointLoop } from './checkpoint-loop.ts'
import { ANOTHER_TREE } from './data-home.ts'
import type { PersistenceParts } from './persistence-parts.ts'

/** How long after a look the next one comes, if there have been writes. */
const PAUSE_MS = 1000

/**
 * Notices that somebody has removed the tree, or moved it away, perhaps with another one in its place: the journal, which
 * is open, has gone with it, and the next start would not find what is written to it. Looks once a second while there
 * are writes, and at the first write after a pause, before its reply leaves.
 */
export class TreeWatch {
  readonly #parts: Pick<PersistenceParts, 'clock' | 'logger' | 'onFailure'>
  readonly #changes: Changes
  readonly #loop: Pick<CheckpointLoop, 'home' | 'mayBegin' | 'request'>
  #failure: string | undefined
  /** How many writes there were at the last look. */
  #seen = 0
  /** Cancels the next look. */
  #cancel: (() => void) | undefined

  constructor(
    parts: Pick<PersistenceParts, 'clock' | 'logger' | 'onFailure'>,
    changes: Changes,
    loop: Pick<CheckpointLoop, 'home' | 'mayBegin' | 'request'>,
  ) {
    this.#parts = parts
    this.#changes = changes
    this.#loop = loop
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
    const { home } = this.#loop
    if (home === undefined) {
      this.#failure = undefined
      return
    }
    const { clock, logger } = this.#parts
    const { directory, isTaken, isGone } = home
    if (isTaken && this.#failure === undefined) {
      logger.error({ directory }, `${ANOTHER_TREE}: writes are refused until its own is back`)
      this.#failure = ANOTHER_TREE
      this.#parts.onFailure()
    } else if (!isTaken && this.#failure !== undefined) {
      if (!isGone) logger.warn({ directory }, 'the directory holds its own tree again')
      this.#failure = undefined
    }
    if (isGone && this.#loop.mayBegin) {
      logger.error({ directory }, 'the tree has been removed: it is written anew')
      this.#loop.request()
    }
    this.#cancel = clock.schedule(() => this.#lookAgain(), PAUSE_MS)
  }

  #lookAgain(): void {
    this.#cancel = undefined
    if (this.#failure !== undefined || this.#changes.writes !== this.#seen) this.#look()
  }
}
