import type { Etcd } from './etcd/etcd.ts'
import { type Compare, isAbsent, type RequestOp } from './etcd/types.ts'
import type { KeyRange, Keys } from './keys.ts'
import { nodesInLog } from './log-reader.ts'

const PAGE_KEYS = 1000

/**
 * Removes from etcd what a snapshot stands for: other snapshots, and the log before it. Each request holds
 * only as long as the snapshot is the present one, because a node may be stopped before any of them, for as
 * long as it takes the others to put a later one.
 */
export class CutLog {
  readonly #etcd: Etcd
  readonly #keys: Keys
  readonly #isPresent: Compare

  /** @param isPresent holds as long as the snapshot is the present one */
  constructor(etcd: Etcd, keys: Keys, isPresent: Compare) {
    this.#etcd = etcd
    this.#keys = keys
    this.#isPresent = isPresent
  }

  /** Ends early if there is a later snapshot. @param id of the snapshot @throws EtcdError */
  async remove(id: string, revision: number): Promise<void> {
    if (!(await this.#removeOthers(id, revision))) return
    for (const node of await nodesInLog(this.#etcd, this.#keys)) {
      if (!(await this.#removeBatches(node, revision))) return
    }
    await this.#removeLeftParts()
  }

  /** Removes all snapshots but one, also those that were never finished. */
  #removeOthers(id: string, revision: number): Promise<boolean> {
    return this.#transact(...removalOfOthers(this.#keys, id, revision))
  }

  /**
   * Removes the batches of a node up to a revision. Of a node that is alive the last one stays, because the
   * next depends on it: a late attempt to put one that was cut off must fail.
   */
  async #removeBatches(node: string, revision: number): Promise<boolean> {
    const last = await this.#lastUntil(node, revision)
    if (last === undefined) return true
    const until = (number: number): RequestOp[] => [
      remove({
        key: this.#keys.batchesOf(node).key,
        range_end: this.#keys.batch({ node, number }),
      }),
      remove({
        key: this.#keys.partsOf(node).key,
        range_end: this.#keys.parts({ node, number }).key,
      }),
    ]
    if (await this.#transact(...until(last))) {
      await this.#transactWithout(node, ...until(last + 1))
      return true
    }
    return false
  }

  /** Removes the parts of batches that a node was putting when it died, because they will never come. */
  async #removeLeftParts(): Promise<void> {
    let { key } = this.#keys.allParts
    const { range_end } = this.#keys.allParts
    for (;;) {
      const { kvs } = await this.#etcd.range({ key, range_end, limit: 1, keys_only: true })
      if (kvs.length === 0) return
      const node = this.#keys.nodeOfPart(kvs[0].key)
      const all = this.#keys.partsOf(node)
      key = all.range_end
      const alive = await this.#etcd.range({ key: this.#keys.node(node), keys_only: true })
      if (alive.kvs.length > 0) continue
      const last = await this.#lastUntil(node, Number.POSITIVE_INFINITY)
      const from = last === undefined ? all : this.#keys.parts({ node, number: last + 1 })
      await this.#transactWithout(node, remove({ key: from.key, range_end: all.range_end }))
    }
  }

  /** The number of a node's last batch up to a revision. */
  async #lastUntil(node: string, revision: number): Promise<number | undefined> {
    const { range_end } = this.#keys.batchesOf(node)
    let { key } = this.#keys.batchesOf(node)
    let last: number | undefined
    for (;;) {
      const page = { key, range_end, limit: PAGE_KEYS, keys_only: true }
      const { kvs, more } = await this.#etcd.range(page)
      for (const kv of kvs) {
        if (kv.mod_revision > revision) return last
        last = this.#keys.batchOf(kv.key)?.number ?? last
        key = Buffer.concat([kv.key, Buffer.alloc(1)])
      }
      if (!more || kvs.length === 0) return last
    }
  }

  /** May be made twice. @returns whether the snapshot is still the present one */
  #transact(...success: RequestOp[]): Promise<boolean> {
    return this.#insist([this.#isPresent], success)
  }

  /** Like {@link #transact}, if a node has gone. A name that has gone never comes back. */
  #transactWithout(node: string, ...success: RequestOp[]): Promise<boolean> {
    return this.#insist([this.#isPresent, isAbsent(this.#keys.node(node))], success)
  }

  async #insist(compare: readonly Compare[], success: readonly RequestOp[]): Promise<boolean> {
    return (await this.#etcd.txnAgain({ compare, success })).succeeded
  }
}

/**
 * Removes the parts of all snapshots but one. Parts of a next snapshot that is being put are among them, above all if etcd
 * makes the attempt late: so the cut is put again, and a snapshot is named only if that has not been done meanwhile.
 *
 * @param id of the one; empty to remove all
 * @param revision at which the log has been cut
 */
export function removalOfOthers(keys: Keys, id: string, revision: number): RequestOp[] {
  const cut = { key: keys.cut, value: Buffer.from(String(revision)) }
  return [...keys.snapshotsBut(id).map(remove), { request_put: cut }]
}

function remove({ key, range_end }: KeyRange): RequestOp {
  return { request_delete_range: { key, range_end } }
}
