import type { Logger } from 'pino'
import { ClusterError } from './cluster-error.ts'
import type { TreeAfterBatch } from './copies.ts'
import type { Election } from './election.ts'
import type { LoggedBatch } from './etcd-log.ts'
import { type LengthSince, LogLength } from './log-length.ts'
import type { Cut, Snapshots } from './snapshots.ts'

/** After a failure, or if another node is to cut the log, this one looks again, in milliseconds. */
const LOOK_MS = 2000
/** A tree that is too long for a snapshot is not tried again before this time, in milliseconds. */
const HOPELESS_MS = 600_000
/** What a batch takes in etcd besides its bytes, about. */
const BATCH_BYTES = 256
/**
 * The log is not cut before it has this share of the snapshot's length, because etcd keeps both until it is
 * compacted: snapshots of a large tree would fill it.
 */
const SNAPSHOT_SHARE = 1 / 2

export interface KeeperParts {
  readonly snapshots: Snapshots
  readonly election: Election
  readonly logger: Logger
  /** The most entries of the log, and the most bytes. */
  limits(): { batches: number; bytes: number }
  /** Writes the node's own copy, unless that was done a short while ago. */
  keep(): Promise<void>
  /** The state after a batch of the log, to be read in pieces. @throws Error if the log cannot be run to there */
  take(): Promise<TreeAfterBatch>
}

/** Cuts the log when it has grown long, if this node is elected. */
export class Keeper {
  readonly #parts: KeeperParts
  readonly #length = new LogLength()
  #isBusy = false
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(parts: KeeperParts) {
    this.#parts = parts
  }

  /** What is in the log, about. */
  get log(): LengthSince {
    return this.#length.now
  }

  /** The node goes on from a copy of the tree. @param length of the log when it was taken @param revision of its last batch */
  beginWith(length: LengthSince, revision: number): void {
    this.#length.beginWith(length, revision)
  }

  /** To be called with what has been applied. Cheap. */
  note(batches: readonly LoggedBatch[]): void {
    for (const batch of batches) this.#length.add(batch)
    this.#lookIfLong()
  }

  /** To be called now and then with where the log has been cut, by whichever node. Cheap. */
  follow(cut: number): void {
    this.#length.cutAt(cut)
    this.#lookIfLong()
  }

  #lookIfLong(): void {
    if (!this.#isLong || this.#isBusy || this.#isClosed || this.#timer !== undefined) return
    // A node that starts would look again only after a pause.
    if (!this.#parts.election.mayStand) return
    void this.#look()
  }

  get #isLong(): boolean {
    const limits = this.#parts.limits()
    const { batches, bytes } = this.#length.now
    return batches > limits.batches || bytes > limits.bytes
  }

  async #isWorthIt(): Promise<boolean> {
    const { batches, bytes } = this.#length.now
    return bytes + batches * BATCH_BYTES >= (await this.#parts.snapshots.length()) * SNAPSHOT_SHARE
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #look(): Promise<void> {
    const { election, snapshots, logger } = this.#parts
    this.#isBusy = true
    let pause = LOOK_MS
    void this.#parts.keep()
    try {
      // Read before the state is taken: it is put only if this is the last cut until then.
      const cut = await snapshots.cutAt()
      this.#length.cutAt(cut.revision)
      if (this.#isLong && (await election.stand()) && (await this.#isWorthIt())) {
        await this.#cut(cut)
      }
    } catch (error) {
      logger.warn({ err: error }, 'could not put a snapshot into etcd')
      if (error instanceof ClusterError) pause = HOPELESS_MS
    }
    this.#isBusy = false
    if (this.#isClosed) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#lookIfLong()
    }, pause)
  }

  async #cut(cut: Cut): Promise<void> {
    const { election, snapshots, logger } = this.#parts
    const { elected } = election
    if (elected === undefined) return
    const { batches, bytes } = this.#length.now
    const { head, last, pieces } = await this.#parts.take()
    const compare = [election.holds(elected)]
    const snapshot = { compare, cut, head, last, pieces, removesLeft: true }
    if (!(await snapshots.write(snapshot))) {
      // Another node may have been elected.
      election.doubt()
      return
    }
    this.#length.cutAt(head.revision)
    logger.info({ revision: head.revision, batches, bytes }, 'cut the log in etcd after a snapshot')
  }
}
