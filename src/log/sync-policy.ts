import { type Clock, systemClock } from '../store/clock.ts'
import type { Journal } from './journal.ts'

/** When the disk has a write: before its reply, about a second later, or when the system likes. */
export type Durability = 'always' | 'everysec' | 'no'

/**
 * The time between two syncs under `everysec`. Later writes are held up once a write has waited
 * twice as long: for its sync to begin, then to end. So a power cut loses the writes of at most
 * twice this time.
 */
const PERIOD_MS = 500
/**
 * Under `always`, the thread that serves clients waits for a sync itself, as Redis does. If it has waited
 * longer than this on average, syncs run on another thread for a while.
 */
const MAX_WAIT_MS = 5
const SLOW_DISK_MS = 200
/** The share of the last wait in that average: one slow sync among fast ones does not count. */
const LAST_WAIT_SHARE = 1 / 8
/**
 * Under `no`, the journal syncs above this many unsynced bytes, so that segments can be dropped.
 */
const MAX_UNSYNCED_BYTES = 64 * 1024 ** 2

export interface SyncPolicyOptions {
  readonly clock?: Clock
  /** Gets the error of a sync that nobody waits for; the journal takes nothing more then. */
  readonly onFailure: (error: unknown) => void
  /** Called when {@link SyncPolicy.mustWait} changes. */
  readonly onMustWait?: (mustWait: boolean) => void
}

/** Decides when a journal syncs, and whether writers wait for it. */
export class SyncPolicy {
  readonly #journal: Journal
  readonly #clock: Clock
  readonly #onFailure: (error: unknown) => void
  readonly #onMustWait: ((mustWait: boolean) => void) | undefined
  #durability: Durability
  #cancelTick: (() => void) | undefined
  #syncing: Promise<void> | undefined
  #mustWait = false
  /** How long {@link syncNow} has waited, in milliseconds. */
  #averageWait = 0
  /** Until when syncs run on another thread, in milliseconds since the process began. */
  #slowUntil = 0

  constructor(journal: Journal, durability: Durability, options: SyncPolicyOptions) {
    this.#journal = journal
    this.#clock = options.clock ?? systemClock
    this.#onFailure = options.onFailure
    this.#onMustWait = options.onMustWait
    this.#durability = durability
    this.#schedule()
  }

  /** May change at any time; what was written before is synced at once. */
  set durability(durability: Durability) {
    this.#durability = durability
    this.#schedule()
    this.#sync()
  }

  get durability(): Durability {
    return this.#durability
  }

  /** Whether new writes wait because the disk is too slow for the promise of `everysec`. */
  get mustWait(): boolean {
    return this.#mustWait
  }

  /** While {@link mustWait}: resolves when writes may go on, or the sync has failed. */
  get ready(): Promise<void> | undefined {
    return this.#mustWait ? this.#syncing : undefined
  }

  /**
   * Whether {@link syncNow} is due at the end of the turn, instead of {@link appended} after each append:
   * under `always`, on a disk that is fast. One sync then covers all writes of the turn, and their replies
   * need not wait for another turn.
   */
  get syncsAtTurnEnd(): boolean {
    if (this.#durability !== 'always' || this.#journal.isSyncing) return false
    return performance.now() >= this.#slowUntil
  }

  /** Syncs, and waits for it. @throws JournalError if it fails */
  syncNow(): void {
    const started = performance.now()
    this.#journal.syncNow()
    const ended = performance.now()
    this.#averageWait += (ended - started - this.#averageWait) * LAST_WAIT_SHARE
    if (this.#averageWait < MAX_WAIT_MS) return
    this.#averageWait = MAX_WAIT_MS / 2
    this.#slowUntil = ended + SLOW_DISK_MS
  }

  /**
   * To be called after each append.
   *
   * @returns under `always`, resolves when the replies may leave and rejects if the sync fails;
   *   otherwise undefined, because they may leave now
   */
  appended(): Promise<void> | undefined {
    if (this.#durability === 'always') return this.#journal.sync()
    const unsynced = this.#journal.written - this.#journal.synced
    if (this.#durability === 'no' && unsynced > MAX_UNSYNCED_BYTES) this.#sync()
    return undefined
  }

  /** Ends the timer. */
  close(): void {
    this.#cancelTick?.()
    this.#cancelTick = undefined
  }

  #schedule(): void {
    this.close()
    if (this.#durability !== 'everysec') return
    this.#cancelTick = this.#clock.schedule(() => {
      if (this.#syncing !== undefined) this.#setMustWait(true)
      else this.#sync()
      this.#schedule()
    }, PERIOD_MS)
  }

  #setMustWait(mustWait: boolean): void {
    if (mustWait === this.#mustWait) return
    this.#mustWait = mustWait
    this.#onMustWait?.(mustWait)
  }

  #sync(): void {
    const { written, synced, failure } = this.#journal
    if (this.#syncing !== undefined || written === synced || failure !== undefined) return
    this.#syncing = this.#journal
      .sync()
      .catch(this.#onFailure)
      .then(() => {
        this.#syncing = undefined
        const isLate = this.#mustWait
        this.#setMustWait(false)
        // What was written meanwhile has waited for a period already.
        if (isLate) this.#sync()
      })
  }
}
