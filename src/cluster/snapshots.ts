import { randomBytes } from 'node:crypto'
import { MAX_STATE_BYTES } from '../store/snapshot/snapshot.ts'
import { bytesOf, type Value } from '../store/value.ts'
import { FORMAT_VERSION, MAX_VALUE_BYTES } from './batch-value.ts'
import { ClusterError } from './cluster-error.ts'
import { CutLog, removalOfOthers } from './cut-log.ts'
import type { Etcd } from './etcd/etcd.ts'
import { isNoSpace } from './etcd/etcd-error.ts'
import {
  type Compare,
  hasValue,
  isPutAt,
  type KeyValue,
  type RequestOp,
  type TxnResponse,
} from './etcd/types.ts'
import {
  changesOf,
  countIn,
  fieldsOf,
  HeadError,
  headText,
  nameIn,
  parsed,
  type StateHead,
  stateHeadOf,
} from './head-fields.ts'
import type { BatchName, Keys } from './keys.ts'
import { checkLoadable } from './state-length.ts'

const PART_MS = 5000
/** More than the longest state has, with its last changes. */
const MAX_PARTS = 2 * Math.ceil(MAX_STATE_BYTES / MAX_VALUE_BYTES)
/** A snapshot that lacks parts is read again after this time, in milliseconds. */
const MISSING_MS = 1000

/** What a node needs to go on from a place in the log, besides the state of its store. */
export interface SnapshotHead extends StateHead {
  readonly id: string
  readonly parts: number
}

export interface Snapshot extends SnapshotHead {
  /** As KSAVE writes it. */
  readonly state: Buffer
}

/** Where the log has been cut: what is up to a revision is not there any more. */
export interface Cut {
  readonly revision: number
  /** The revision of etcd at which this was put; 0 if the log has never been cut. */
  readonly putAt: number
}

export const NEVER_CUT: Cut = { revision: 0, putAt: 0 }

export interface NewSnapshot {
  /** Must hold while it is put: that this node is elected, or that there is nothing yet. */
  readonly compare: readonly Compare[]
  /** The log's cut before the state was taken. */
  readonly cut: Cut
  readonly head: Omit<SnapshotHead, 'format' | 'id' | 'parts'>
  /** The batch at the head's revision; undefined if the state is that of a snapshot, or no batch has come. */
  readonly last: BatchName | undefined
  /** Of the state, made anew each time. */
  readonly pieces: Iterable<Value>
  /** Done in the transaction that names it. */
  readonly also?: readonly RequestOp[]
  /**
   * Whether what others have left of theirs is removed first, and none of theirs is named any more that is being put: only
   * if nobody else may put one.
   */
  readonly removesLeft?: boolean
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

  /**
   * @param onMissing called before each pause while the snapshot lacks parts
   * @returns undefined if there is none
   * @throws ClusterError, EtcdError
   */
  async read(onMissing: (what: string) => void = () => {}): Promise<Snapshot | undefined> {
    for (let last = ''; ; ) {
      const { kvs } = await this.#etcd.range({ key: this.#keys.snapshot })
      if (kvs.length === 0) return
      const head = headOf(kvs[0])
      const whole = await this.#readParts(head)
      if (whole !== undefined) return decode(head, whole)
      // A later snapshot may have replaced it meanwhile.
      if (head.id === last) {
        onMissing(`the snapshot ${head.id} in etcd lacks parts`)
        await new Promise((resolve) => setTimeout(resolve, MISSING_MS))
      }
      last = head.id
    }
  }

  /**
   * Puts a snapshot into etcd, and cuts the log before it, if nobody has cut the log meanwhile. One that cannot be put
   * leaves nothing; what a node leaves that dies within is removed by the next one.
   *
   * @returns false if the conditions do not hold
   * @throws EtcdError; ClusterError if the state is longer than a node can load
   */
  async write(snapshot: NewSnapshot): Promise<boolean> {
    const { head } = snapshot
    await checkLoadable(snapshot.pieces, this.#maxBytes)
    // The log between them is not there any more.
    if (head.revision < snapshot.cut.revision) return false
    const cutPutAt = await this.#removeLeft(snapshot)
    if (cutPutAt === undefined) return false
    const isCutSame = isPutAt(this.#keys.cut, cutPutAt)
    const conditions = [...snapshot.compare, isCutSame, ...this.#haveLast(snapshot)]
    const id = randomBytes(8).toString('hex')
    const { recent, ...rest } = head
    const parts = await this.#putParts(
      id,
      partsOf(encodeRecent(recent), snapshot.pieces),
      conditions,
    )
    if (parts === undefined) return false
    const written = { format: FORMAT_VERSION, id, ...rest, recent: [], parts }
    const value = Buffer.from(JSON.stringify(written))
    // The cut is told before anything is cut off, so that nobody misses what is not there any more.
    const success = [
      { request_put: { key: this.#keys.snapshot, value } },
      { request_put: { key: this.#keys.cut, value: Buffer.from(String(head.revision)) } },
      ...(snapshot.also ?? []),
    ]
    if (!(await this.#name(id, conditions, success))) {
      await this.#removeParts(id)
      return false
    }
    const isPresent = hasValue(this.#keys.snapshot, value)
    try {
      await new CutLog(this.#etcd, this.#keys, isPresent).remove(id, head.revision)
    } catch (error) {
      // The next one removes it.
      if (!isNoSpace(error)) throw error
    }
    return true
  }

  /** How many bytes the snapshot in etcd has, about; 0 if there is none. @throws EtcdError */
  async length(): Promise<number> {
    const { kvs } = await this.#etcd.rangeOnce({ key: this.#keys.snapshot })
    if (kvs.length === 0) return 0
    const { parts } = headOf(kvs[0])
    return (parts - 1) * MAX_VALUE_BYTES
  }

  /** Where the log has been cut. @throws EtcdError */
  async cutAt(): Promise<Cut> {
    const { kvs } = await this.#etcd.range({ key: this.#keys.cut })
    const [found] = kvs
    if (found === undefined) return NEVER_CUT
    return { revision: Number(found.value.toString('latin1')), putAt: found.mod_revision }
  }

  /** Holds as long as the log has what the state has last: etcd may have been put back to an earlier day. */
  #haveLast({ cut, head: { revision }, last }: NewSnapshot): Compare[] {
    // It may have been cut off.
    if (revision === cut.revision) return []
    return [isPutAt(last === undefined ? this.#keys.tail : this.#keys.batch(last), revision)]
  }

  /** @returns how many there are; undefined if the conditions do not hold, and no part is left @throws EtcdError; likewise */
  async #putParts(
    id: string,
    parts: Iterable<Buffer>,
    compare: readonly Compare[],
  ): Promise<number | undefined> {
    let count = 0
    let isWhole = false
    try {
      for (const value of parts) {
        const key = this.#keys.snapshotPart(id, count)
        const put = { compare, success: [{ request_put: { key, value } }] }
        if (!(await this.#etcd.txn(put, PART_MS)).succeeded) return undefined
        count++
      }
      isWhole = true
      return count
    } finally {
      // An etcd that has become full would have no room for the next snapshot.
      if (!isWhole) await this.#removeParts(id)
    }
  }

  /** Removes the parts of a snapshot that will never be named; if that fails, the next one does it. */
  async #removeParts(id: string): Promise<void> {
    const success = [{ request_delete_range: this.#keys.snapshotParts(id) }]
    await this.#etcd.txn({ compare: [], success }, PART_MS).catch(() => {})
  }

  /**
   * Removes all parts but those of the present snapshot, if there are any.
   *
   * @returns the revision at which the cut is put then; undefined if the conditions do not hold
   */
  async #removeLeft({ compare, cut, removesLeft }: NewSnapshot): Promise<number | undefined> {
    if (removesLeft !== true) return cut.putAt
    const { kvs } = await this.#etcd.range({ key: this.#keys.snapshot })
    const present = kvs[0] === undefined ? '' : headOf(kvs[0]).id
    const look = this.#keys
      .snapshotsBut(present)
      .map((range) => ({ request_range: { ...range, keys_only: true, limit: 1 } }))
    const { responses } = await this.#etcd.txnAgain({ compare: [], success: look })
    if (responses.every((each) => each.response_range?.kvs.length === 0)) return cut.putAt
    const { succeeded, header } = await this.#etcd.txnAgain({
      compare: [
        ...compare,
        isPutAt(this.#keys.cut, cut.putAt),
        isPutAt(this.#keys.snapshot, kvs[0]?.mod_revision ?? 0),
      ],
      success: removalOfOthers(this.#keys, present, cut.revision),
    })
    return succeeded ? header.revision : undefined
  }

  /** Puts what names a snapshot. @returns whether it is there @throws EtcdError */
  async #name(
    id: string,
    compare: readonly Compare[],
    success: readonly RequestOp[],
  ): Promise<boolean> {
    const read = { request_range: { key: this.#keys.snapshot } }
    try {
      const answer = await this.#etcd.txnAgain({ compare, success, failure: [read] })
      // An attempt whose answer was lost may have put it.
      return answer.succeeded || names(answer, id)
    } catch (error) {
      // The transaction that reaches the quota is made, and answered so all the same.
      if (!isNoSpace(error)) throw error
      if (names(await this.#etcd.txnAgain({ compare: [], success: [read] }), id)) return true
      await this.#removeParts(id)
      throw error
    }
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
}

/** @throws ClusterError if it is not one that this ktree knows */
function headOf({ value }: Pick<KeyValue, 'value'>): SnapshotHead {
  return checked(() => {
    const fields = fieldsOf(headText(value))
    const parts = countIn(fields, 'parts', MAX_PARTS)
    return { ...stateHeadOf(fields), id: nameIn(fields, 'id'), parts }
  })
}

/** @throws ClusterError if the snapshot is not what this ktree writes */
function checked<Result>(read: () => Result): Result {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof HeadError)) throw error
    throw new ClusterError(`the snapshot in etcd ${error.message}`)
  }
}

/** Whether the snapshot in etcd has an id. @param answer of a transaction that has read its name instead */
function names({ responses }: TxnResponse, id: string): boolean {
  const found = responses[0]?.response_range?.kvs[0]
  return found?.value.includes(`"id":"${id}"`) === true
}

/** What stands before the state. */
function encodeRecent(recent: Recent): Buffer {
  const json = Buffer.from(JSON.stringify(recent))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(json.length)
  return Buffer.concat([length, json])
}

function decode(head: SnapshotHead, whole: Buffer): Snapshot {
  return checked(() => {
    const end = 4 + (whole.length < 4 ? 0 : whole.readUInt32LE(0))
    const recent = changesOf(parsed(headText(whole.subarray(4, end))), head.changes)
    return { ...head, recent, state: whole.subarray(end) }
  })
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
