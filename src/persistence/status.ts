import type { Journal } from '../log/journal.ts'
import type { WriteLog } from '../log/write-log.ts'
import type { Store } from '../store/store.ts'
import type { CheckpointLoop } from './checkpoint-loop.ts'

/** How checkpoints are going. */
export type CheckpointStatus = Pick<
  CheckpointLoop,
  'isRunning' | 'lastSave' | 'lastDuration' | 'failure' | 'count' | 'lastBytes'
>

/** How the journal and the checkpoints are doing. */
export class PersistenceStatus {
  readonly checkpoints: CheckpointStatus
  readonly #store: Store
  readonly #log: WriteLog
  readonly #loop: CheckpointLoop
  readonly #journal: () => Journal | undefined

  constructor(
    store: Store,
    log: WriteLog,
    loop: CheckpointLoop,
    journal: () => Journal | undefined,
  ) {
    this.#store = store
    this.#log = log
    this.#loop = loop
    this.checkpoints = loop
    this.#journal = journal
  }

  /** How many writes the last checkpoint lacks; 0 while nothing is kept on disk. */
  get unsavedWrites(): number {
    if (this.#log.durability === 'no') return 0
    return Math.max(0, this.#store.index - this.#loop.index)
  }

  /** The journal's files, in bytes. */
  get journalSize(): number {
    return this.#journal()?.size ?? 0
  }

  /** What of the journal is not known to be on the disk, in bytes. */
  get unsyncedBytes(): number {
    const journal = this.#journal()
    return journal === undefined ? 0 : journal.written - journal.synced
  }

  /** How long the last fsync of the journal took, in milliseconds; undefined before the first. */
  get syncDuration(): number | undefined {
    return this.#journal()?.lastSyncDuration
  }

  /** How often writers had to wait for the disk. */
  get delays(): number {
    return this.#log.delays
  }
}
