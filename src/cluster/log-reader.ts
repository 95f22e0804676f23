import type { Etcd } from './etcd/etcd.ts'
import type { KeyValue } from './etcd/types.ts'
import { afterKey, type KeyRange, type Keys } from './keys.ts'

/** Pages have about this many bytes, as long as batches are as long as those before. */
const PAGE_BYTES = 1024 * 1024
/** Bounds a page whose batches are longer than those before: one has a megabyte at most. */
const MAX_PAGE_KEYS = 128
const FIRST_PAGE_KEYS = 8

/** Reads the batches of one node, in order, page by page. */
class NodeBatches {
  readonly #etcd: Etcd
  readonly #range: KeyRange
  readonly #revision: number
  #next: Buffer
  #page: readonly KeyValue[] = []
  #at = 0
  #more = true
  #limit = FIRST_PAGE_KEYS

  constructor(etcd: Etcd, range: KeyRange, revision: number) {
    this.#etcd = etcd
    this.#range = range
    this.#revision = revision
    this.#next = range.key
  }

  /** The batch that comes next; undefined at the end, and before {@link fill}. */
  get first(): KeyValue | undefined {
    return this.#page[this.#at]
  }

  get isEmpty(): boolean {
    return this.first === undefined && this.#more
  }

  skip(): void {
    this.#at++
  }

  async fill(): Promise<void> {
    const { kvs, more } = await this.#etcd.range({
      key: this.#next,
      range_end: this.#range.range_end,
      revision: this.#revision,
      limit: this.#limit,
    })
    this.#page = kvs
    this.#at = 0
    this.#more = more && kvs.length > 0
    if (kvs.length === 0) return
    this.#next = afterKey(kvs[kvs.length - 1].key)
    let bytes = 0
    for (const { value } of kvs) bytes += value.length
    this.#limit = Math.ceil(
      Math.min(MAX_PAGE_KEYS, this.#limit * 2, PAGE_BYTES / (bytes / kvs.length)),
    )
  }
}

/**
 * The batches that are in etcd at one of its revisions, in the order of the log: a merge of the nodes'
 * batches, because those of one node are in order by their keys.
 */
export async function* readLog(
  etcd: Etcd,
  keys: Keys,
  revision: number,
  after: number,
): AsyncGenerator<KeyValue, void> {
  const nodes: NodeBatches[] = []
  for (const node of await nodesInLog(etcd, keys, revision)) {
    nodes.push(new NodeBatches(etcd, keys.batchesOf(node), revision))
  }
  for (;;) {
    let next: NodeBatches | undefined
    for (const node of nodes) {
      while (node.isEmpty) await node.fill()
      const { first } = node
      if (first === undefined) continue
      const least = next?.first?.mod_revision ?? Number.POSITIVE_INFINITY
      if (first.mod_revision < least) next = node
    }
    const batch = next?.first
    if (next === undefined || batch === undefined) return
    next.skip()
    if (batch.mod_revision > after) yield batch
  }
}

/** The nodes that have batches in the log. @param revision of etcd; 0 for the present one */
export async function nodesInLog(etcd: Etcd, keys: Keys, revision = 0): Promise<string[]> {
  const nodes: string[] = []
  let { key } = keys.log
  for (;;) {
    const { kvs } = await etcd.range({
      key,
      range_end: keys.log.range_end,
      revision,
      limit: 1,
      keys_only: true,
    })
    const batch = kvs[0] === undefined ? undefined : keys.batchOf(kvs[0].key)
    if (kvs[0] === undefined) return nodes
    if (batch === undefined) {
      key = afterKey(kvs[0].key)
      continue
    }
    nodes.push(batch.node)
    key = keys.batchesOf(batch.node).range_end
  }
}
