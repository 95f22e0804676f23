import type { Logger } from 'pino'
import { ClusterError } from './cluster-error.ts'
import type { TreeAfterBatch } from './copies.ts'
import type { Election } from './election.ts'
import type { LoggedBatch } from './etcd-log.ts'
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
  /** Of the batches since the last cut, as far as this node has seen them. */
  #batches = 0
  #bytes = 0
  /** The revision of the first of them. */
  #first: number | undefined
  /** The last cut that this node knows of. */
  #cutAt = 0
  #isBusy = false
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(parts: KeeperParts) {
    this.#parts = parts
  }

  /** The length of the log since the last cut, as far as this node has seen it. */
  get log(): { readonly batches: number; readonly bytes: number } {
    return { batches: this.#batches, bytes: this.#bytes }
  }

  /** To be called with what has been applied. Cheap. */
  note(batches: readonly LoggedBatch[]): void {
    for (const { record, revision } of batches) {
      // A node that is behind runs what has been cut.
      if (revision <= this.#cutAt) continue
      if (this.#first === undefined) this.#first = revision
      this.#batches++
      this.#bytes += record?.length ?? 0
    }
    if (!this.#isLong || this.#isBusy || this.#isClosed || this.#timer !== undefined) return
    void this.#look()
  }

  /** Another node has cut the log. */
  restart(): void {
    this.#batches = this.#bytes = 0
    this.#first = undefined
  }

  get #isLong(): boolean {
    const limits = this.#parts.limits()
    return this.#batches > limits.batches || this.#bytes > limits.bytes
  }

  async #isWorthIt(): Promise<boolean> {
    const bytes = this.#bytes + this.#batches * BATCH_BYTES
    return bytes >= (await this.#parts.snapshots.length()) * SNAPSHOT_SHARE
  }

  /** Another node may have cut the log meanwhile. */
  #follow({ revision }: Cut): void {
    if (this.#first !== undefined && revision >= this.#first) this.restart()
    this.#cutAt = revision
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
      this.#follow(cut)
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
      this.note([])
    }, pause)
  }

  async #cut(cut: Cut): Promise<void> {
    const { election, snapshots, logger } = this.#parts
    const { elected } = election
    if (elected === undefined) return
    const before = { batches: this.#batches, bytes: this.#bytes }
    const { head, last, pieces } = await this.#parts.take()
    const compare = [election.holds(elected)]
    const snapshot = { compare, cut, head, last, pieces, removesLeft: true }
    if (!(await snapshots.write(snapshot))) {
      // Another node may have been elected.
      election.doubt()
      return
    }
    this.#cutAt = head.revision
    this.#first = head.revision + 1
    this.#batches = Math.max(0, this.#batches - before.batches)
    this.#bytes = Math.max(0, this.#bytes - before.bytes)
    logger.info({ revision: head.revision, ...before }, 'cut the log in etcd after a snapshot')
  }
}
