import { randomBytes } from 'node:crypto'
import { MAX_STATE_BYTES } from '../store/snapshot/snapshot.ts'
import { bytesOf, type Value } from '../store/value.ts'
import { FORMAT_VERSION, MAX_VALUE_BYTES } from './batch-value.ts'
import { ClusterError } from './cluster-error.ts'
import type { Etcd } from './etcd/etcd.ts'
import { type Compare, isAbsent, type RequestOp } from './etcd/types.ts'
import type { Keys } from './keys.ts'
import { nodesInLog } from './log-reader.ts'
import type { Change } from './recent-changes.ts'
import { checkLoadable } from './state-length.ts'

const PART_MS = 5000
const PAGE_KEYS = 1000

/** What a node needs to go on from a place in the log, besides the state of its store. */
export interface SnapshotHead {
  readonly format: number
  readonly id: string
  /** Of the last batch that it has. */
  readonly revision: number
  /** The log's time, in Unix milliseconds. */
  readonly time: number
  /** How many changes there have been, and the last of them. */
  readonly changes: number
  readonly recent: readonly Change[]
  readonly parts: number
}

export interface Snapshot extends SnapshotHead {
  /** As KSAVE writes it. */
  readonly state: Buffer
}

/** The part of a head that does not fit into the key that names the snapshot. */
type Recent = SnapshotHead['recent']

/** Keeps the state of a store in etcd, so that the log before it can be cut off. */
export class Snapshots {
  readonly #etcd: Etcd
  readonly #keys: Keys
  readonly #maxBytes: number

  /** @param maxBytes of a state that a node can load */
  constructor(etcd: Etcd, keys: Keys, maxBytes = MAX_STATE_BYTES) {
    this.#etcd = etcd
    this.#keys = keys
    this.#maxBytes = maxBytes
  }

  /** @returns undefined if there is none @throws ClusterError, EtcdError */
  async read(): Promise<Snapshot | undefined> {
    for (;;) {
      const { kvs } = await this.#etcd.range({ key: this.#keys.snapshot })
      if (kvs.length === 0) return
      const head = JSON.parse(kvs[0].value.toString()) as SnapshotHead
      if (head.format !== FORMAT_VERSION) {
        throw new ClusterError(
          `the snapshot in etcd has format ${head.format}; this ktree knows format ${FORMAT_VERSION}`,
        )
      }
      const whole = await this.#readParts(head)
      // Otherwise a later snapshot has replaced it meanwhile.
      if (whole !== undefined) return decode(head, whole)
    }
  }

  /**
   * Puts a snapshot into etcd, and cuts the log before it.
   *
   * @param compare must hold while it is put: that this node is elected, or that there is nothing yet
   * @param pieces of the state, made anew each time
   * @param also put together with it
   * @returns false if they do not
   * @throws EtcdError; ClusterError if the state is longer than a node can load
   */
  async write(
    compare: readonly Compare[],
    head: Omit<SnapshotHead, 'format' | 'id' | 'parts'>,
    pieces: Iterable<Value>,
    also: readonly RequestOp[] = [],
  ): Promise<boolean> {
    const id = randomBytes(8).toString('hex')
    const { recent, ...rest } = head
    let parts = 0
    await checkLoadable(pieces, this.#maxBytes)
    for (const part of partsOf(encodeRecent(recent), pieces)) {
      const { succeeded } = await this.#etcd.txn(
        {
          compare,
          success: [{ request_put: { key: this.#keys.snapshotPart(id, parts), value: part } }],
        },
        PART_MS,
      )
      if (!succeeded) return false
      parts++
    }
    const written = { format: FORMAT_VERSION, id, ...rest, recent: [], parts }
    const { snapshot, cut } = this.#keys
    // The cut is told before anything is cut off, so that nobody misses what is not there any more.
    const { succeeded } = await this.#etcd.txn({
      compare,
      success: [
        { request_put: { key: snapshot, value: Buffer.from(JSON.stringify(written)) } },
        { request_put: { key: cut, value: Buffer.from(String(head.revision)) } },
        ...also,
      ],
    })
    if (!succeeded) return false
    await this.#removeOthers(id)
    for (const node of await nodesInLog(this.#etcd, this.#keys))
      await this.#cut(node, head.revision)
    await this.#removeLeftParts()
    return true
  }

  /** How many bytes the snapshot in etcd has, about; 0 if there is none. @throws EtcdError */
  async length(): Promise<number> {
    const { kvs } = await this.#etcd.rangeOnce({ key: this.#keys.snapshot })
    if (kvs.length === 0) return 0
    const { parts } = JSON.parse(kvs[0].value.toString()) as SnapshotHead
    return (parts - 1) * MAX_VALUE_BYTES
  }

  /** The revision up to which the log has been cut. @throws EtcdError */
  async cutAt(): Promise<number> {
    const { kvs } = await this.#etcd.rangeOnce({ key: this.#keys.cut })
    return Number(kvs[0]?.value.toString('latin1') ?? 0)
  }

  async #readParts({ id, parts }: SnapshotHead): Promise<Buffer | undefined> {
    const whole = Buffer.allocUnsafeSlow(parts * MAX_VALUE_BYTES)
    let length = 0
    for (let i = 0; i < parts; i++) {
      const { kvs } = await this.#etcd.range({ key: this.#keys.snapshotPart(id, i) })
      if (kvs.length === 0) return
      length += kvs[0].value.copy(whole, length)
    }
    return whole.subarray(0, length)
  }

  /** Removes all snapshots but one, also those that were never finished. */
  async #removeOthers(id: string): Promise<void> {
    const { key, range_end } = this.#keys.snapshots
    const own = this.#keys.snapshotParts(id)
    await this.#etcd.txnAgain({
      compare: [],
      success: [
        { request_delete_range: { key, range_end: own.key } },
        { request_delete_range: { key: own.range_end, range_end } },
      ],
    })
  }

  /**
   * Removes the batches of a node up to a revision. Of a node that is alive the last one stays, because the
   * next depends on it: a late attempt to put one that was cut off must fail.
   */
  async #cut(node: string, revision: number): Promise<void> {
    const last = await this.#lastUntil(node, revision)
    if (last === undefined) return
    const until = (number: number): RequestOp[] => [
      {
        request_delete_range: {
          key: this.#keys.batchesOf(node).key,
          range_end: this.#keys.batch({ node, number }),
        },
      },
      {
        request_delete_range: {
          key: this.#keys.partsOf(node).key,
          range_end: this.#keys.parts({ node, number }).key,
        },
      },
    ]
    await this.#etcd.txnAgain({
      compare: [isAbsent(this.#keys.node(node))],
      success: until(last + 1),
      failure: until(last),
    })
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
      const name = this.#keys.node(node)
      const alive = await this.#etcd.range({ key: name, keys_only: true })
      if (alive.kvs.length > 0) continue
      const last = await this.#lastUntil(node, Number.POSITIVE_INFINITY)
      const from = last === undefined ? all : this.#keys.parts({ node, number: last + 1 })
      await this.#etcd.txnAgain({
        compare: [isAbsent(name)],
        success: [{ request_delete_range: { key: from.key, range_end: all.range_end } }],
      })
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
}

/** What stands before the state. */
function encodeRecent(recent: Recent): Buffer {
  const json = Buffer.from(JSON.stringify(recent))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(json.length)
  return Buffer.concat([length, json])
}

function decode(head: SnapshotHead, whole: Buffer): Snapshot {
  const end = 4 + whole.readUInt32LE(0)
  const recent = JSON.parse(whole.subarray(4, end).toString()) as Recent
  return { ...head, recent, state: whole.subarray(end) }
}

function* partsOf(first: Buffer, pieces: Iterable<Value>): Generator<Buffer> {
  let gathered: Buffer[] = [first]
  let length = first.length
  for (const piece of pieces) {
    const bytes = bytesOf(piece)
    gathered.push(bytes)
    length += bytes.length
    if (length < MAX_VALUE_BYTES) continue
    const whole = Buffer.concat(gathered)
    let at = 0
    for (; whole.length - at >= MAX_VALUE_BYTES; at += MAX_VALUE_BYTES) {
      yield whole.subarray(at, at + MAX_VALUE_BYTES)
    }
    gathered = [whole.subarray(at)]
    length = whole.length - at
  }
  yield Buffer.concat(gathered)
}
