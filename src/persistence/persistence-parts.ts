import type { Logger } from 'pino'
import type { JournalFiles } from '../log/journal-files.ts'
import type { Clock } from '../store/clock.ts'
import type { Store } from '../store/store.ts'

/** What a {@link Persistence} is given. */
export interface PersistenceParts {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  /** Applies a record of the journal to the store. */
  applyRecord(record: Buffer): void
  /** Called when a record, and with it all earlier ones, is kept as the durability promises. */
  onKept(number: number): void
  /** Called when the journal takes nothing; `holding` is then false until it does again. */
  onFailure(): void
  /** Called when a checkpoint is on the disk. */
  onCheckpoint?(): void
  /** Called when writers must wait for the disk, and when they may go on. */
  onMustWait?(mustWait: boolean): void
  /** How far the index skips ahead after a power cut that may have lost writes; 0 without it. */
  crashIndexGap?(): number
  /** A checkpoint begins when the journal has this length, in bytes. */
  journalMaxSize?(): number
  /** How long a start would take to apply what has been written so far, in milliseconds, beside the time for each entry. */
  writeWork?(): number
  /** For tests. */
  readonly files?: JournalFiles
}
