import { randomBytes } from 'node:crypto'
import {
  FORMAT_VERSION,
  FORMER_VERSION,
  MAX_VALUE_BYTES,
  partsValue,
  readBatchValue,
  recordValue,
  VOID_VALUE,
} from './batch-value.ts'
import { anotherLog, ClusterError, putBack } from './cluster-error.ts'
import type { Etcd } from './etcd/etcd.ts'
import { EtcdError, isNoSpace } from './etcd/etcd-error.ts'
import {
  type Compare,
  exists,
  hasValue,
  isAbsent,
  isPutAt,
  type KeyValue,
  type RangeResponse,
  type RequestOp,
  type TxnRequest,
  type TxnResponse,
} from './etcd/types.ts'
import { afterKey, type BatchName, type Keys } from './keys.ts'
import type { Membership } from './membership.ts'

/** A part is put in its own transaction, which may take this long, in milliseconds. */
const PART_MS = 5000
/** Parts are read this many at a time. */
const PARTS_PER_PAGE = 4

/** A batch, as the log has it. */
export interface LoggedBatch extends BatchName {
  readonly revision: number
  /** Undefined for a void: what was to stand here will never come. */
  readonly record: Buffer | undefined
}

/** What etcd tells in one answer of the log, and of those who write it. */
export interface Sight {
  /** The revision of the last batch. */
  readonly end: number
  /** The revision at which the log has been cut. */
  readonly cut: number
  /** What the nodes tell of themselves. */
  readonly nodes: readonly KeyValue[]
}

/**
 * What has become of an attempt to put a batch: it is in the log, or it never will be. `previous` is the
 * revision of the batch before it in the log; unknown if an earlier attempt has put it.
 */
export type PutOutcome =
  | { isThere: true; revision: number; previous: number | undefined }
  | { isThere: false }

/** Puts batches into the log that etcd keeps, and takes them apart. */
export class EtcdLog {
  readonly #etcd: Etcd
  readonly #keys: Keys
  #id = ''
  #isSame: Compare
  #isFormer = false

  constructor(etcd: Etcd, keys: Keys) {
    this.#etcd = etcd
    this.#keys = keys
    this.#isSame = hasValue(keys.id, Buffer.alloc(0))
  }

  /** The name of the log, which no other log has; empty until it is open. */
  get id(): string {
    return this.#id
  }

  /** Holds as long as the log in etcd is the one that was opened; never before that. */
  get isSame(): Compare {
    return this.#isSame
  }

  /** Whether it had the former format when it was opened. */
  get isFormer(): boolean {
    return this.#isFormer
  }

  /**
   * Makes the log if there is none.
   *
   * @param onNew called before that; may throw
   * @throws ClusterError if it has an unknown format
   */
  async open(onNew = (): void => {}): Promise<void> {
    const { format, id, tail } = this.#keys
    const version = Buffer.from(String(FORMAT_VERSION))
    const name = randomBytes(8).toString('hex')
    const read = [{ request_range: { key: format } }, { request_range: { key: id } }]
    // Only read first, because a full etcd refuses what might put something.
    let [found, own] = valuesIn(await this.#etcd.txnAgain({ compare: [], success: read }))
    if (found === undefined) {
      onNew()
      const answer = await this.#etcd.txnAgain({
        compare: [isAbsent(format)],
        success: [put(format, version), put(id, Buffer.from(name)), put(tail, Buffer.alloc(0))],
        failure: read,
      })
      ;[found, own] = valuesIn(answer)
    }
    this.#id = own?.toString('latin1') ?? name
    this.#isSame = hasValue(id, Buffer.from(this.#id, 'latin1'))
    this.#isFormer = found?.toString('latin1') === String(FORMER_VERSION)
    if (found === undefined || found.equals(version) || this.#isFormer) return
    throw new ClusterError(
      `etcd holds a log of format ${found.toString('latin1')}; this ktree knows format ${FORMAT_VERSION}`,
    )
  }

  /**
   * Has no tree come into the log any more, if none has come yet. To be called before the log is read: a tree is
   * brought along without a batch, so whoever has read the log before would never hear of it.
   */
  async claim(): Promise<void> {
    const { tail, snapshot } = this.#keys
    const { kvs } = await this.#etcd.range({ key: tail })
    if (kvs.length === 0 || kvs[0].mod_revision !== kvs[0].create_revision) return
    await this.#etcd.txnAgain({
      compare: [isPutAt(tail, kvs[0].mod_revision), isAbsent(snapshot)],
      success: [put(tail, Buffer.alloc(0))],
    })
  }

  /**
   * The revision of the last batch that anybody has put before this call.
   *
   * @throws EtcdError
   */
  async end(): Promise<number> {
    const { kvs } = await this.#etcd.rangeOnce({ key: this.#keys.tail })
    return kvs[0]?.mod_revision ?? 0
  }

  /**
   * The log's end and what else there is to be seen, if the log is the one that was opened, and has not lost what this node has of it.
   *
   * @param position the revision of the last batch that this node has
   * @param last its name; undefined if the node has it from a snapshot
   * @throws ClusterError if it is another log, or has been put back; EtcdError
   */
  async sight(position: number, last: BatchName | undefined): Promise<Sight> {
    const { id, tail, cut, nodes } = this.#keys
    const reads: RequestOp[] = [
      { request_range: { key: id } },
      { request_range: { key: tail, keys_only: true } },
      { request_range: { key: cut } },
      { request_range: nodes },
    ]
    if (last !== undefined) {
      reads.push({ request_range: { key: this.#keys.batch(last), keys_only: true } })
    }
    const { responses } = await this.#etcd.txn({ compare: [], success: reads })
    const [named, end, found, , batch] = responses.map((each) => each.response_range?.kvs[0])
    const cutAt = Number(found?.value.toString('latin1') ?? 0)
    if (named?.value.toString('latin1') !== this.#id) throw anotherLog(this.#etcd.isReplaced)
    // The batch may have been cut off.
    const isThere = position === 0 || batch?.mod_revision === position || cutAt >= position
    if (!isThere) throw putBack(position)
    const others = responses[3].response_range?.kvs ?? []
    return { end: end?.mod_revision ?? 0, cut: cutAt, nodes: others }
  }

  /** How many batches are in the log. @throws EtcdError */
  async count(): Promise<number> {
    return (await this.#etcd.range({ ...this.#keys.log, count_only: true })).count
  }

  /**
   * One attempt to put a batch; may be repeated with the same name. To be called for one batch at a time.
   *
   * @param record empty to put a void
   * @param onParts called when all parts of a long batch are in etcd, before the batch itself is put; may throw
   * @throws EtcdError if the batch may be there, may still come, or was refused
   */
  async put(
    { node }: Membership,
    number: number,
    record: readonly Uint8Array[],
    timeout: number,
    onParts: () => void = () => {},
  ): Promise<PutOutcome> {
    const name = { node, number }
    let value = record.length === 0 ? VOID_VALUE : recordValue(record)
    if (value.length > MAX_VALUE_BYTES) value = await this.#putParts(name, value)
    onParts()
    const key = this.#keys.batch(name)
    const request: TxnRequest = {
      // The one before must be there, too: a late attempt to put a batch that has been cut off fails. The name is only
      // in the log that it was taken in, so no other log takes the batch.
      compare: [
        isAbsent(key),
        exists(this.#keys.batch({ node, number: number - 1 })),
        exists(this.#keys.node(node)),
      ],
      success: [
        { request_range: { key: this.#keys.tail, keys_only: true } },
        put(key, value),
        put(this.#keys.tail, Buffer.alloc(0)),
      ],
      failure: [{ request_range: { key, keys_only: true } }],
    }
    try {
      return outcomeOf(await this.#etcd.txn(request, timeout))
    } catch (error) {
      if (!isNoSpace(error)) throw error
      // The batch that reaches the quota is made, and answered so all the same.
      const { kvs } = await this.#readAfter(error, key, timeout)
      if (kvs.length === 0) throw error
      return { isThere: true, revision: kvs[0].mod_revision, previous: undefined }
    }
  }

  /**
   * @param revision of etcd at which the batch is there, and so are its parts
   * @throws ClusterError if the batch has an unknown format, or is not whole; EtcdError if etcd has
   *   compacted what was there at the revision
   */
  async read(
    { key, value, mod_revision }: KeyValue,
    revision: number,
  ): Promise<LoggedBatch | undefined> {
    const batch = this.readNow({ key, value, mod_revision })
    if (batch !== 'parts') return batch
    const name = this.#keys.batchOf(key) as BatchName
    const record = await this.#readParts(name, value, revision)
    return { ...name, revision: mod_revision, record }
  }

  /** @returns `parts` if it has to be read from etcd first; undefined if it is no batch */
  readNow({
    key,
    value,
    mod_revision,
  }: Pick<KeyValue, 'key' | 'value' | 'mod_revision'>): LoggedBatch | 'parts' | undefined {
    const name = this.#keys.batchOf(key)
    if (name === undefined) return
    const content = readBatchValue(value)
    if (content.kind === 'parts') return 'parts'
    const record = content.kind === 'record' ? content.record : undefined
    return { ...name, revision: mod_revision, record }
  }

  /** Reads a batch that was refused. @throws EtcdError that leaves open whether the batch is there */
  async #readAfter({ code }: EtcdError, key: Buffer, timeout: number): Promise<RangeResponse> {
    try {
      return await this.#etcd.rangeOnce({ key, keys_only: true }, timeout)
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error
      throw new EtcdError(error.message, code, false)
    }
  }

  /** @returns the value that stands for the parts */
  async #putParts(name: BatchName, value: Buffer): Promise<Buffer> {
    const count = Math.ceil(value.length / MAX_VALUE_BYTES)
    const node = this.#keys.node(name.node)
    for (let i = 0; i < count; i++) {
      const part = value.subarray(i * MAX_VALUE_BYTES, (i + 1) * MAX_VALUE_BYTES)
      // Their keys need no condition, because putting the same part again changes nothing.
      await this.#etcd.txn(
        { compare: [exists(node)], success: [put(this.#keys.part(name, i), part)] },
        PART_MS,
      )
    }
    return partsValue(count)
  }

  async #readParts(name: BatchName, value: Buffer, revision: number): Promise<Buffer> {
    const { range_end } = this.#keys.parts(name)
    const content = readBatchValue(value)
    const count = content.kind === 'parts' ? content.count : 0
    const parts: Buffer[] = []
    let { key } = this.#keys.parts(name)
    while (parts.length < count) {
      // A longer batch that was refused may have left parts behind the last one.
      const limit = Math.min(PARTS_PER_PAGE, count - parts.length)
      const { kvs } = await this.#etcd.range({ key, range_end, revision, limit })
      if (kvs.length === 0) {
        throw new ClusterError(`batch ${name.number} of node ${name.node} lacks parts in etcd`)
      }
      for (const kv of kvs) parts.push(kv.value)
      key = afterKey(kvs[kvs.length - 1].key)
    }
    const whole = readBatchValue(Buffer.concat(parts))
    if (whole.kind === 'record') return whole.record
    throw new ClusterError(`batch ${name.number} of node ${name.node} is not a record`)
  }
}

function put(key: Buffer, value: Uint8Array): RequestOp {
  return { request_put: { key, value } }
}

/** What a transaction has read, key by key. */
function valuesIn({ responses }: TxnResponse): (Buffer | undefined)[] {
  return responses.map((each) => each.response_range?.kvs[0]?.value)
}

function outcomeOf({ succeeded, header, responses }: TxnResponse): PutOutcome {
  const found = responses[0].response_range?.kvs[0]
  if (succeeded) {
    return { isThere: true, revision: header.revision, previous: found?.mod_revision }
  }
  // Not there, so the node's name is not valid any more, and nothing can come under it.
  if (found === undefined) return { isThere: false }
  return { isThere: true, revision: found.mod_revision, previous: undefined }
}
