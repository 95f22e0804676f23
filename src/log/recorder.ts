import type { Event } from '../store/event.ts'
import type { Store } from '../store/store.ts'
import type { Changes, DirectWrites } from '../store/tree/changes.ts'
import type { Value } from '../store/value.ts'
import { EntryWriter } from './entry.ts'

/**
 * Gathers the entries of one turn: what has changed the store since the last {@link clear}.
 *
 * A command is an entry if it has raised the index. Reads and failed writes raise only counters, which the
 * next entry brings along (`stats`). What changes the store while no command runs is an entry made of
 * its event: an expiry that a transaction makes room with, and what a program does with the store of its
 * server.
 */
export class Recorder implements DirectWrites {
  readonly #store: Store
  readonly #changes: Changes
  readonly #onDirect: () => void
  readonly #entries = new EntryWriter()
  /** The requests of the EXEC that is running, as far as they have changed something. */
  #transaction: (readonly Value[])[] | undefined
  /** How many entries there have been. */
  count = 0
  #active = false
  /** Of `changes` when the running command began. */
  #writesBefore = 0
  // When the counters were last recorded.
  #silentBefore = 0
  #recoveriesBefore = 0

  /** @param onDirect called when something has changed while no command was running */
  constructor(store: Store, changes: Changes, onDirect: () => void) {
    this.#store = store
    this.#changes = changes
    this.#onDirect = onDirect
  }

  /** Whether writes are recorded: something keeps the entries. */
  get active(): boolean {
    return this.#active
  }

  /** Begins to record, or stops. */
  set active(active: boolean) {
    this.#active = active
    this.#changes.direct = active ? this : undefined
    this.#silentBefore = silentCount(this.#store)
    this.#entries.clear(true)
  }

  /** Whether a command is running that may still change more. */
  get isRunning(): boolean {
    return this.#changes.covered
  }

  /** Whether there are entries. */
  get pending(): boolean {
    return !this.#entries.isEmpty
  }

  /** How many bytes the entries have. */
  get pendingBytes(): number {
    return this.#entries.length
  }

  /** Called before a command that may write. */
  begin(): void {
    this.#changes.covered = true
    this.#writesBefore = this.#changes.writes
  }

  /** Called after the command. @param time when it ran, in Unix milliseconds */
  end(args: readonly Value[], time: number): void {
    const changed = this.#changes.writes !== this.#writesBefore
    if (this.#transaction !== undefined) {
      if (changed) this.#transaction.push(args)
      return
    }
    this.#changes.covered = false
    if (!changed || !this.#active) return
    this.count++
    this.#entries.command(args, time)
  }

  /** Called before the requests of an EXEC, each of which has its {@link begin} and {@link end}. */
  beginTransaction(): void {
    this.#changes.covered = true
    this.#transaction = []
  }

  /** Called after the requests. */
  endTransaction(time: number): void {
    const requests = this.#transaction ?? []
    this.#transaction = undefined
    this.#changes.covered = false
    if (requests.length === 0 || !this.#active) return
    this.count += requests.length
    this.#entries.transaction(requests, time)
  }

  /** Called after {@link begin} and `deleteExpiredKeys`. @param count what that has returned */
  endExpiry(count: number, time: number): void {
    this.#changes.covered = false
    if (count === 0 || !this.#active) return
    this.count += count
    this.#entries.expire(count, time)
  }

  onEvent(event: Event): void {
    this.count++
    this.#entries.direct(event, this.#store.clock.now())
    this.#onDirect()
  }

  onRecovery(): void {
    this.#entries.command(['KRECOVER', this.#store.saveNoCopy()], this.#store.clock.now())
    this.#onDirect()
  }

  /** Records the counters, too, although nothing else may have changed: the last record is due. */
  finish(): void {
    this.#recordStats()
  }

  /** The entries as one record, which stays as it is until {@link clear}. */
  record(): readonly Uint8Array[] {
    this.#recordStats()
    return this.#entries.pieces(this.#store.index)
  }

  #recordStats(): void {
    const silent = silentCount(this.#store)
    const { recoveries } = this.#changes
    if (silent === this.#silentBefore && recoveries === this.#recoveriesBefore) return
    this.#silentBefore = silent
    this.#recoveriesBefore = recoveries
    this.#entries.stats(this.#store.stats, this.#store.clock.now())
  }

  /** Begins the next record. @param isKept whether somebody still reads the last one */
  clear(isKept: boolean): void {
    this.#entries.clear(isKept)
  }
}

/** How often the counters have been raised that no entry raises. */
function silentCount({ stats }: Store): number {
  return (
    stats.getsSuccess +
    stats.getsFail +
    stats.setsFail +
    stats.deleteFail +
    stats.updateFail +
    stats.createFail +
    stats.compareAndSwapFail +
    stats.compareAndDeleteFail
  )
}
