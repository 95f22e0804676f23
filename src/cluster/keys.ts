/** Digits of a batch's number, so that keys are in the order of numbers. */
const NUMBER_DIGITS = 16
const PART_DIGITS = 6

/** The range of etcd's keys that begin with a prefix. */
export interface KeyRange {
  readonly key: Buffer
  readonly range_end: Buffer
}

/** Names a batch: the node that has made it, and its number there, from 1 on. */
export interface BatchName {
  readonly node: string
  readonly number: number
}

/** Where a group keeps what in etcd: see docs/decisions/0018. */
export class Keys {
  readonly format: Buffer
  /** Holds the name of the log, which no other log has. */
  readonly id: Buffer
  readonly tail: Buffer
  /** The revision up to which the log has been cut. */
  readonly cut: Buffer
  /** Holds the name of the elected node. */
  readonly elected: Buffer
  /** Names the present snapshot. */
  readonly snapshot: Buffer
  /** Holds the digest of the tree of a single process that the group began with, if it did. */
  readonly bootstrap: Buffer
  readonly snapshots: KeyRange
  readonly nodes: KeyRange
  readonly log: KeyRange
  readonly allParts: KeyRange
  readonly #prefix: string
  readonly #logPrefix: string

  /** @param prefix begins all keys; a slash is added if it does not end in one */
  constructor(prefix: string) {
    this.#prefix = prefix.endsWith('/') ? prefix : `${prefix}/`
    this.#logPrefix = `${this.#prefix}log/`
    this.format = this.#key('format')
    this.id = this.#key('id')
    this.tail = this.#key('tail')
    this.cut = this.#key('cut')
    this.elected = this.#key('elected')
    this.snapshot = this.#key('snapshot')
    this.bootstrap = this.#key('bootstrap')
    this.snapshots = this.#range('snapshots/')
    this.nodes = this.#range('nodes/')
    this.log = this.#range('log/')
    this.allParts = this.#range('parts/')
  }

  node(node: string): Buffer {
    return this.#key(`nodes/${node}`)
  }

  /** The id in a key of {@link nodes}. */
  nodeOf(key: Buffer): string {
    return key.toString('latin1').slice(this.#prefix.length + 'nodes/'.length)
  }

  batch({ node, number }: BatchName): Buffer {
    return this.#key(`log/${node}/${padded(number, NUMBER_DIGITS)}`)
  }

  /** All batches of a node. */
  batchesOf(node: string): KeyRange {
    return this.#range(`log/${node}/`)
  }

  /** @returns undefined if it is no key of a batch */
  batchOf(key: Buffer): BatchName | undefined {
    const text = key.toString('latin1')
    if (!text.startsWith(this.#logPrefix)) return
    const [node, digits, ...rest] = text.slice(this.#logPrefix.length).split('/')
    if (digits === undefined || rest.length > 0 || !/^\d+$/.test(digits)) return
    return { node, number: Number(digits) }
  }

  part(batch: BatchName, part: number): Buffer {
    return this.#key(`${partsOf(batch)}${padded(part, PART_DIGITS)}`)
  }

  /** All parts of a batch. */
  parts(batch: BatchName): KeyRange {
    return this.#range(partsOf(batch))
  }

  /** The node in a key of {@link parts}. */
  nodeOfPart(key: Buffer): string {
    return key
      .toString('latin1')
      .slice(this.#prefix.length + 'parts/'.length)
      .split('/')[0]
  }

  /** All parts of the batches of a node. */
  partsOf(node: string): KeyRange {
    return this.#range(`parts/${node}/`)
  }

  snapshotPart(id: string, part: number): Buffer {
    return this.#key(`snapshots/${id}/${padded(part, PART_DIGITS)}`)
  }

  /** All parts of a snapshot. */
  snapshotParts(id: string): KeyRange {
    return this.#range(`snapshots/${id}/`)
  }

  /** All parts of all snapshots but one. @param id empty for all */
  snapshotsBut(id: string): readonly [KeyRange, KeyRange] {
    const { key, range_end } = this.snapshots
    const own = this.snapshotParts(id)
    return [
      { key, range_end: own.key },
      { key: own.range_end, range_end },
    ]
  }

  #key(name: string): Buffer {
    return Buffer.from(this.#prefix + name, 'latin1')
  }

  #range(name: string): KeyRange {
    const key = this.#key(name)
    return { key, range_end: afterPrefix(key) }
  }
}

/** The first key after all those that begin with a prefix. */
export function afterPrefix(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix)
  end[end.length - 1]++
  return end
}

/** The first key after another one. */
export function afterKey(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.alloc(1)])
}

function partsOf({ node, number }: BatchName): string {
  return `parts/${node}/${padded(number, NUMBER_DIGITS)}/`
}

function padded(number: number, digits: number): string {
  return String(number).padStart(digits, '0')
}
