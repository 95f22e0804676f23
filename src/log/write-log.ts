import type { Logger } from 'pino'
import type { Clock } from '../store/clock.ts'
import type { Store } from '../store/store.ts'
import type { Changes } from '../store/tree/changes.ts'
import { systemReason } from '../text/system-reason.ts'
import type { Journal } from './journal.ts'
import { Recorder } from './recorder.ts'
import { type Durability, SyncPolicy } from './sync-policy.ts'

/** How long after a failure the disk is tried again. */
const RETRY_DELAY_MS = 1000
/**
 * Under `always`, a turn with more writes is synced on another thread, because the next requests are work
 * enough for that time; but not if it has as many bytes as {@link MAX_SMALL_BYTES}, because then the disk
 * is what all wait for.
 */
const MAX_WRITES_BEFORE_SYNC = 200
const MAX_SMALL_BYTES = 256 * 1024

export interface WriteLogParts {
  readonly store: Store
  readonly changes: Changes
  readonly clock: Clock
  readonly logger: Logger
  /** Called when something has been recorded that no request will have appended. */
  onDirect(): void
  /** Called when a record, and with it all earlier ones, is kept as the durability promises. */
  onKept(number: number): void
  /** Called when the journal takes nothing; `holding` is then false until it does again. */
  onFailure(): void
  /** Called when the journal takes everything again. */
  onRecovered(): void
  /** Called while the journal takes nothing: a checkpoint would make it needless. */
  onStuck(): void
  /** Called when writers must wait for the disk, and when they may go on. */
  onMustWait(mustWait: boolean): void
}

/**
 * Hands what has been recorded to the journal, and says when the replies may leave.
 *
 * While the journal does not take a record, it waits here, in order. It is kept by the next append that
 * works, or by a checkpoint (`cover`).
 */
export class WriteLog {
  readonly recorder: Recorder
  readonly #parts: WriteLogParts
  #journal: Journal | undefined
  #policy: SyncPolicy | undefined
  /** A second journal that gets every record, too, while the data directory changes. */
  #also: Journal | undefined
  #alsoFailure: unknown
  /** The number of records handed to the journal. */
  #appended = 0
  /** The number of records that are kept. */
  #kept = 0
  /** Records have been appended that the disk is to have when the turn ends. */
  #isSyncDue = false
  #isCommitScheduled = false
  /** Output is held that waits for the end of a command, rather than for a record. */
  #isHeldAhead = false
  /** The records that the journal has not taken. */
  #waiting: (readonly Uint8Array[])[] = []
  /** How many of them the checkpoint under way has. */
  #covered = 0
  #failure: string | undefined
  #cancelRetry: (() => void) | undefined
  /** The store's index after the last record that the journal has taken. */
  #index = 0
  /** The same when the last sync began at the end of a turn. */
  #indexAtSync = 0
  /** How often writers had to wait. */
  delays = 0

  constructor(parts: WriteLogParts) {
    this.#parts = parts
    this.recorder = new Recorder(parts.store, parts.changes, () => parts.onDirect())
  }

  /** Keeps entries in a journal from now on. */
  start(journal: Journal, durability: Durability): void {
    this.#policy?.close()
    this.#journal = journal
    this.#also = undefined
    this.#index = this.#parts.store.index
    this.#policy = this.#policyOf(journal, durability)
    this.recorder.active = true
  }

  #policyOf(journal: Journal, durability: Durability): SyncPolicy {
    return new SyncPolicy(journal, durability, {
      clock: this.#parts.clock,
      onFailure: (error) => this.#fail(error),
      onMustWait: (mustWait) => {
        if (mustWait) this.delays++
        this.#parts.onMustWait(mustWait)
      },
    })
  }

  /** Goes on in another journal, because somebody has removed the files of the first. */
  replace(journal: Journal): void {
    const { durability } = this
    this.#policy?.close()
    this.#journal = journal
    this.#policy = this.#policyOf(journal, durability)
  }

  /** Stops; what has not been taken is forgotten. */
  stop(): void {
    this.#policy?.close()
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    this.#policy = undefined
    this.#journal = undefined
    this.#also = undefined
    this.#waiting = []
    this.#failure = undefined
    this.recorder.active = false
  }

  /** Goes on in another journal, which has been given each record since `alsoTo`. */
  switchTo(journal: Journal, durability: Durability): void {
    if (this.#alsoFailure !== undefined) throw this.#alsoFailure
    this.append()
    const isPending = this.recorder.pending || this.#waiting.length > 0
    if (isPending) throw new Error(this.#failure ?? 'a command is running')
    this.start(journal, durability)
  }

  /** Gives each record to a second journal, too, or no longer. */
  alsoTo(journal: Journal | undefined): void {
    this.append()
    this.#also = journal
    this.#alsoFailure = undefined
  }

  get durability(): Durability {
    return this.#policy?.durability ?? 'no'
  }

  set durability(durability: Durability) {
    if (this.#policy !== undefined) this.#policy.durability = durability
  }

  /** Why the journal takes nothing: writes are refused. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** The store's index after the last record that the journal has taken. */
  get index(): number {
    return this.#index
  }

  /** The number of records handed to the journal. */
  get appended(): number {
    return this.#appended
  }

  /** Whether output must be held back until {@link covering} is kept. */
  get holding(): boolean {
    if (this.#failure !== undefined) return false
    const { recorder } = this
    if (recorder.isRunning) return recorder.active
    return this.durability === 'always' && (recorder.pending || this.#kept < this.#appended)
  }

  /** The number of the record that covers all writes so far. */
  get covering(): number {
    const { pending, isRunning } = this.recorder
    if (isRunning && !pending) this.#isHeldAhead = true
    return pending || isRunning ? this.#appended + 1 : this.#appended
  }

  /** Hands what has been recorded to the journal. Must be called before anything tells of it. */
  append(): void {
    const { recorder } = this
    if (recorder.isRunning) return
    if (!recorder.pending) {
      if (this.#isHeldAhead && this.#kept === this.#appended) this.#keep(this.#appended)
      return
    }
    const record = recorder.record()
    if (this.#failure === undefined) {
      try {
        this.#appendRecord(record)
        recorder.clear(false)
        this.#index = this.#parts.store.index
        this.#awaitKept()
        return
      } catch (error) {
        this.#fail(error)
      }
    }
    this.#waiting.push(record)
    recorder.clear(true)
  }

  /**
   * Like {@link append}, and puts the records on the disk if the durability asks for it and that is quick.
   * Called at the end of a turn, before its replies leave.
   */
  commit(): void {
    this.append()
    if (!this.#isSyncDue) return
    this.#isSyncDue = false
    if (this.#failure !== undefined || this.#policy === undefined) return
    const writes = this.#index - this.#indexAtSync
    this.#indexAtSync = this.#index
    // Meanwhile somebody may have begun a sync that does not cover all records, or another journal.
    const isMuchWork = writes > MAX_WRITES_BEFORE_SYNC && this.#unsynced < MAX_SMALL_BYTES
    if (!this.#policy.syncsAtTurnEnd || isMuchWork) {
      this.#awaitSync()
      return
    }
    try {
      this.#policy.syncNow()
    } catch (error) {
      this.#fail(error)
      return
    }
    this.#keep(this.#appended)
  }

  /** Bytes that the journal has not synced. */
  get #unsynced(): number {
    const journal = this.#journal
    return journal === undefined ? 0 : journal.written - journal.synced
  }

  /** Has {@link commit} called, in case what has been appended is no request's. */
  #scheduleCommit(): void {
    this.#isSyncDue = true
    if (this.#isCommitScheduled) return
    this.#isCommitScheduled = true
    setImmediate(() => {
      this.#isCommitScheduled = false
      this.commit()
    })
  }

  /** Hands over everything that is left, and tries once more what the journal has not taken. */
  finish(): void {
    if (this.#journal === undefined) return
    this.recorder.finish()
    this.append()
    if (this.#waiting.length > 0 && this.#covered === 0 && this.#journal.failure === undefined) {
      if (this.#appendWaiting()) this.#recover()
    }
  }

  /** @returns whether the journal has everything */
  #appendWaiting(): boolean {
    try {
      for (; this.#waiting.length > 0; this.#waiting.shift()) this.#appendRecord(this.#waiting[0])
    } catch (error) {
      this.#fail(error)
      return false
    }
    this.#index = this.#parts.store.index
    this.#awaitKept()
    return true
  }

  #appendRecord(record: readonly Uint8Array[]): void {
    const journal = this.#journal as Journal
    journal.append(record)
    this.#appended++
    if (this.#also === undefined || this.#alsoFailure !== undefined) return
    try {
      this.#also.append(record)
    } catch (error) {
      this.#alsoFailure = error
    }
  }

  #awaitKept(): void {
    if (this.#also === undefined && this.#policy?.syncsAtTurnEnd === true) {
      this.#scheduleCommit()
      return
    }
    this.#awaitSync()
  }

  #awaitSync(): void {
    const number = this.#appended
    const kept = this.#policy?.appended()
    if (kept === undefined) this.#keep(number)
    else if (this.#also === undefined) {
      kept.then(
        () => this.#keep(number),
        (error: unknown) => this.#fail(error),
      )
    } else {
      const also = this.#also.sync().catch((error: unknown) => {
        this.#alsoFailure ??= error
      })
      Promise.all([kept, also]).then(
        () => this.#keep(number),
        (error: unknown) => this.#fail(error),
      )
    }
  }

  #keep(number: number): void {
    if (number < this.#kept) return
    this.#kept = number
    const isAhead = this.#isHeldAhead && number === this.#appended && !this.recorder.pending
    if (isAhead) this.#isHeldAhead = false
    this.#parts.onKept(isAhead ? number + 1 : number)
  }

  #fail(error: unknown): void {
    const reason = systemReason(error)
    const isNew = this.#failure !== reason
    this.#failure = reason
    if (isNew) {
      this.#parts.logger.error(
        { err: error },
        'cannot write the journal: writes are refused until it works',
      )
    }
    // What waited for the record has been told that it is not kept.
    this.#kept = this.#appended
    this.#isHeldAhead = false
    this.#parts.onFailure()
    this.#scheduleRetry()
  }

  #scheduleRetry(): void {
    this.#cancelRetry?.()
    this.#cancelRetry = this.#parts.clock.schedule(() => this.#retry(), RETRY_DELAY_MS)
  }

  #retry(): void {
    this.#cancelRetry = undefined
    if (this.#failure === undefined || this.#journal === undefined) return
    // The checkpoint under way has some of what waits, which must not be there twice.
    if (this.#covered > 0) {
      this.#scheduleRetry()
      return
    }
    if (this.#journal.failure === undefined && this.#appendWaiting()) this.#recover()
    else {
      this.#scheduleRetry()
      this.#parts.onStuck()
    }
  }

  #recover(): void {
    if (this.#failure === undefined) return
    this.#failure = undefined
    this.#parts.logger.warn('the journal can be written again')
    this.#parts.onRecovered()
  }

  /** A checkpoint of this moment begins: it has all that waits. */
  cover(): void {
    this.append()
    this.#covered = this.#waiting.length
  }

  /**
   * The checkpoint has ended.
   *
   * @param isWritten whether it is on the disk
   * @param position the place of the checkpoint in the journal
   * @throws the system's error if the journal cannot be begun anew after a failure
   */
  async covered(isWritten: boolean, position: number): Promise<void> {
    const count = this.#covered
    this.#covered = 0
    if (!isWritten || this.#journal === undefined) return
    this.#waiting.splice(0, count)
    if (this.#failure === undefined) return
    if (this.#journal.failure !== undefined) {
      // It has failed since the moment of the checkpoint, so another one is needed.
      if (position < this.#journal.written) return
      await this.#journal.reset(position)
    }
    if (this.#waiting.length === 0) this.#index = this.#parts.store.index
    if (this.#appendWaiting()) this.#recover()
  }
}
