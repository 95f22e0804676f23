import { existsSync } from 'node:fs'
import type { Logger } from 'pino'
import { Applier } from '../log/apply.ts'
import { nodeCopyOf, setAside, treeOf } from '../persistence/data-directory.ts'
import { withLock } from '../persistence/directory-lock.ts'
import { assertFinished } from '../persistence/interrupted.ts'
import { readDataDirectory } from '../persistence/offline.ts'
import { MAX_STATE_BYTES } from '../store/snapshot/snapshot.ts'
import { Store, type StoreOptions } from '../store/store.ts'
import { FORMAT_VERSION } from './batch-value.ts'
import { ClusterError } from './cluster-error.ts'
import type { Etcd } from './etcd/etcd.ts'
import { isAbsent, isPutAt } from './etcd/types.ts'
import type { EtcdLog } from './etcd-log.ts'
import type { BatchName, Keys } from './keys.ts'
import { type CopyHead, DamagedCopyError, LocalCopy } from './local-copy.ts'
import type { LengthSince } from './log-length.ts'
import { NEVER_CUT, type SnapshotHead, type Snapshots } from './snapshots.ts'
import { digestOf } from './state-digest.ts'
import { checkLoadable } from './state-length.ts'

export interface OwnDirectoryParts {
  /** `dir`; undefined if nothing is kept on disk. */
  readonly directory: string | undefined
  readonly etcd: Etcd
  readonly keys: Keys
  readonly log: EtcdLog
  readonly snapshots: Snapshots
  readonly logger: Logger
}

/** A copy that a node can go on from. */
export interface UsableCopy {
  readonly head: CopyHead
  readonly state: Buffer
  /** Of the log, when it was taken. */
  readonly length: LengthSince
}

/**
 * A node's own `dir`. A copy of the tree in it is only a cache: etcd has everything. What is not of this
 * node's log stays as it is, and the node does not start.
 */
export class OwnDirectory {
  readonly #parts: OwnDirectoryParts
  readonly #copy: LocalCopy | undefined
  /** What has been read, until it is used. */
  #found: Awaited<ReturnType<LocalCopy['read']>>

  constructor(parts: OwnDirectoryParts) {
    this.#parts = parts
    const { directory } = parts
    this.#copy = directory === undefined ? undefined : new LocalCopy(nodeCopyOf(directory))
  }

  /** Whether copies are kept in it. */
  get hasCopies(): boolean {
    return this.#copy !== undefined
  }

  /** @throws ClusterError if the directory holds the tree of a single process */
  check(): void {
    const { directory } = this.#parts
    if (directory === undefined || !existsSync(treeOf(directory))) return
    throw new ClusterError(
      `${treeOf(directory)} is the tree of a single process: to serve the tree of the group, choose another --dir or move it away; to bring it into a group, start one node with --etcd-bootstrap yes while the log in etcd is empty`,
    )
  }

  /**
   * Puts the tree of a single process into an empty log, and then sets it aside. Does nothing if there is
   * no such tree, and only sets it aside if an earlier start has put it there and died.
   *
   * @param options of a store to read it with @throws ClusterError if the log is not empty
   */
  async bootstrap(options: StoreOptions): Promise<void> {
    const { directory } = this.#parts
    if (directory === undefined) {
      throw new ClusterError(
        'etcd-bootstrap brings the tree in dir along; with durability no there is none',
      )
    }
    if (!existsSync(treeOf(directory))) {
      assertFinished(directory)
      return
    }
    await withLock(directory, () => this.#bringAlong(directory, options))
  }

  async #bringAlong(directory: string, options: StoreOptions): Promise<void> {
    const { etcd, keys, snapshots, logger } = this.#parts
    const { kvs } = await etcd.range({ key: keys.tail })
    const [tail] = kvs
    const store = new Store(options)
    const applier = new Applier(store)
    const applyRecord = (record: Buffer): void => applier.applyRecord(record)
    const onTorn = (what: string): void => logger.warn(what)
    await readDataDirectory(directory, store, { applyRecord, onTorn })
    const time = store.clock.now()
    const copy = store.snapshotCopy()
    const digest = await digestOf(copy)
    const isPut = await snapshots.write({
      // Nobody has written, nor has put a tree there.
      compare: [isPutAt(keys.tail, tail.create_revision), isAbsent(keys.snapshot)],
      cut: NEVER_CUT,
      head: { revision: tail.mod_revision, time, changes: 0, recent: [] },
      last: undefined,
      pieces: copy,
      also: [{ request_put: { key: keys.bootstrap, value: digest } }],
    })
    if (!isPut && !(await this.#hasBegunWith(digest))) {
      throw new ClusterError(
        `the log in etcd is not empty, so the tree in ${treeOf(directory)} cannot go into it: choose another --etcd-prefix; or, to serve the tree that is in etcd, another --dir`,
      )
    }
    const aside = await setAside(treeOf(directory), 'in-etcd')
    const { files, index } = store
    logger.info({ files, index, aside }, `put ${files} files up to index ${index} into etcd`)
  }

  /** Whether the log has begun with a tree, as it is. */
  async #hasBegunWith(digest: Buffer): Promise<boolean> {
    const { kvs } = await this.#parts.etcd.range({ key: this.#parts.keys.bootstrap })
    return kvs[0]?.value.equals(digest) === true
  }

  /** Reads the copy, before etcd is asked. @returns the cluster of etcd that it is of, if it tells */
  async read(): Promise<number | undefined> {
    try {
      this.#found = await this.#copy?.read()
    } catch (error) {
      if (!(error instanceof DamagedCopyError)) throw error
      this.leaveOut(error)
    }
    return this.#found?.head.cluster
  }

  /** To be called before a log is made. @throws ClusterError if there is a copy of one, with which this node would not start */
  checkNew(): void {
    if (this.#found?.head.format === FORMAT_VERSION) throw this.#ofAnotherLog(this.#found.head)
  }

  /** The copy that was read, if it is of this log and tells more than the snapshot in etcd. @throws ClusterError */
  async usable(): Promise<UsableCopy | undefined> {
    const { etcd, keys, log, snapshots, logger } = this.#parts
    const copy = this.#found
    this.#found = undefined
    if (copy === undefined) return
    if (copy.head.format !== FORMAT_VERSION && !log.isFormer) {
      // What was made of some entries then was something else, and may not be what the other nodes have.
      logger.warn(`${this.#copy?.path} is of a former ktree: reads etcd instead`)
      return
    }
    const { revision, batch } = copy.head
    if (copy.head.log !== log.id) throw this.#ofAnotherLog(copy.head)
    const { kvs } = await etcd.range({ key: keys.batch(batch), keys_only: true })
    if (kvs[0]?.mod_revision === revision) {
      return { ...copy, length: copy.head.length ?? (await this.#count()) }
    }
    // It may have been cut off.
    if ((await snapshots.cutAt()).revision >= revision) return
    throw this.#foreign('a copy of what is not in the log any more, as if etcd had been put back')
  }

  /** The length of a log of which etcd alone can tell something, and not how many bytes it has. */
  async #count(): Promise<LengthSince> {
    const { log, snapshots } = this.#parts
    return { cut: (await snapshots.cutAt()).revision, batches: await log.count(), bytes: 0 }
  }

  /** Tells that the copy cannot be used. @param error why */
  leaveOut(error: Error): void {
    this.#parts.logger.warn(
      { err: error },
      `cannot use ${this.#copy?.path}, and reads etcd instead`,
    )
  }

  /** Writes the copy. @param length of the log, as it was then @throws Error if it cannot */
  async keep(
    head: Omit<SnapshotHead, 'format' | 'id' | 'parts'>,
    { node, number }: BatchName,
    pieces: Parameters<LocalCopy['write']>[1],
    length: LengthSince,
  ): Promise<void> {
    if (this.#copy === undefined) return
    await checkLoadable(pieces, MAX_STATE_BYTES)
    const { id } = this.#parts.log
    const { cluster } = this.#parts.etcd
    await this.#copy.write(
      { format: FORMAT_VERSION, log: id, cluster, ...head, batch: { node, number }, length },
      pieces,
    )
  }

  #ofAnotherLog({ cluster }: CopyHead): ClusterError {
    const present = this.#parts.etcd.cluster
    if (cluster === undefined || cluster === present) return this.#foreign('a copy of another log')
    return new ClusterError(
      `${this.#copy?.path} is a copy of a log in another cluster of etcd: check --etcd-endpoints, and keep the file until that etcd is back, or known to be lost; or choose another --dir`,
    )
  }

  #foreign(what: string): ClusterError {
    const path = this.#copy?.path
    return new ClusterError(
      `${path} is ${what}: choose another --dir; or, to take the tree that is in etcd, remove the file`,
    )
  }
}
