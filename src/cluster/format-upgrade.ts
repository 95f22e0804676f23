import { randomBytes } from 'node:crypto'
import { FORMAT_VERSION, FORMER_VERSION, VOID_VALUE } from './batch-value.ts'
import { ClusterError, putBack } from './cluster-error.ts'
import type { TreeAfterBatch } from './copies.ts'
import type { Etcd } from './etcd/etcd.ts'
import { hasValue, isEmpty, isPutAt } from './etcd/types.ts'
import type { Keys } from './keys.ts'
import { LEASE_SECONDS } from './membership.ts'
import type { NodeInfo } from './node-info.ts'
import type { Snapshots } from './snapshots.ts'

/** The most nodes that an error names. */
const MAX_NAMED = 8

export interface FormatUpgradeParts {
  readonly etcd: Etcd
  readonly keys: Keys
  readonly snapshots: Snapshots
  /** Runs all that is in the log. */
  load(): Promise<void>
  /** The state after it. */
  take(): Promise<TreeAfterBatch>
  /** Goes on from the snapshot in etcd instead. */
  restore(): Promise<void>
}

/**
 * Gives a log of the former format the present one, before this node serves anybody.
 *
 * Some entries do something else since, so no node of the former ktree may run the same log, and no two nodes
 * may begin at different places of what it has written. So the first node of this ktree loads the tree from its
 * own copy or from etcd, and puts it there as a snapshot of the present format, with which all others begin.
 * The transaction that names the snapshot also changes the log's format. It is made only while no node is
 * alive and nobody has written.
 */
export class FormatUpgrade {
  readonly #parts: FormatUpgradeParts

  constructor(parts: FormatUpgradeParts) {
    this.#parts = parts
  }

  /** @throws ClusterError if nodes of the former ktree are alive */
  async check(): Promise<void> {
    const { etcd, keys } = this.#parts
    const { kvs } = await etcd.range(keys.nodes)
    if (kvs.length === 0 || !(await this.#isFormer())) return
    const names = kvs.slice(0, MAX_NAMED).map(({ value }) => {
      const { name, address } = JSON.parse(value.toString()) as NodeInfo
      return `${name} at ${address}`
    })
    if (kvs.length > MAX_NAMED) names.push(`${kvs.length - MAX_NAMED} more`)
    throw new ClusterError(
      `etcd holds a log of format ${FORMER_VERSION}, and nodes of a former ktree serve it: ${names.join(', ')}. Stop all nodes, and then start them with this ktree. A node that was killed counts for ${LEASE_SECONDS} seconds.`,
    )
  }

  /** Returns when the log has the present format, and this node its tree. @throws ClusterError, EtcdError */
  async run(): Promise<void> {
    const { etcd, keys, snapshots } = this.#parts
    for (let before = ''; ; ) {
      await this.check()
      const { kvs } = await etcd.range({ key: keys.tail })
      const end = kvs[0]?.mod_revision ?? 0
      const cut = await snapshots.cutAt()
      await this.#parts.load()
      const { head, last, pieces } = await this.#parts.take()
      const format = Buffer.from(String(FORMAT_VERSION))
      // A former node that was only cut off, and comes back, stops at it.
      const first = { node: randomBytes(8).toString('hex'), number: 0 }
      const isDone = await snapshots.write({
        compare: [
          hasValue(keys.format, Buffer.from(String(FORMER_VERSION))),
          isEmpty(keys.nodes),
          isPutAt(keys.tail, end),
        ],
        ...{ cut, head, last, pieces },
        also: [
          { request_put: { key: keys.format, value: format } },
          { request_put: { key: keys.batch(first), value: VOID_VALUE } },
        ],
      })
      if (isDone) return
      // Another node of this ktree has come before; what this one made of the log may be something else.
      if (!(await this.#isFormer())) return this.#parts.restore()
      // Nobody has written, and it failed twice: the log lacks what the tree has.
      const found = `${end} ${cut.putAt} ${head.revision}`
      if (found === before) throw putBack(head.revision)
      before = found
    }
  }

  async #isFormer(): Promise<boolean> {
    const { etcd, keys } = this.#parts
    const { kvs } = await etcd.range({ key: keys.format })
    return kvs[0]?.value.toString('latin1') === String(FORMER_VERSION)
  }
}
