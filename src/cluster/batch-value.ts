import { ClusterError } from './cluster-error.ts'

/**
 * What stands at the key of a batch:
 *
 *     value  = version 1 | kind 1 | body
 *     record = the entries, as log/entry.ts encodes them
 *     void   = nothing: the batch that was to stand here will never come
 *     parts  = count 4                       the record stands in that many keys of its own
 */
export const FORMAT_VERSION = 2
/** The format before, in which some entries did something else: see `format-upgrade.ts`. */
export const FORMER_VERSION = 1

const RECORD = 1
const VOID = 2
const PARTS = 3

/** The most bytes of a value or a part; etcd takes requests of 1.5 MB unless told otherwise. */
export const MAX_VALUE_BYTES = 1024 * 1024

export type BatchValue =
  | { kind: 'record'; record: Buffer }
  | { kind: 'void' }
  | { kind: 'parts'; count: number }

export function recordValue(record: readonly Uint8Array[]): Buffer {
  return Buffer.concat([header(RECORD), ...record])
}

export const VOID_VALUE = header(VOID)

export function partsValue(count: number): Buffer {
  const value = Buffer.concat([header(PARTS), Buffer.alloc(4)])
  value.writeUInt32LE(count, 2)
  return value
}

/** Whether this ktree can read what has a format. */
export function isReadable(format: number): boolean {
  return format === FORMAT_VERSION || format === FORMER_VERSION
}

/** @throws ClusterError if this ktree does not know the format */
export function readBatchValue(value: Buffer): BatchValue {
  const [version, kind] = value
  if (isReadable(version)) {
    if (kind === RECORD) return { kind: 'record', record: value.subarray(2) }
    if (kind === VOID) return { kind: 'void' }
    if (kind === PARTS && value.length === 6) return { kind: 'parts', count: value.readUInt32LE(2) }
  }
  throw new ClusterError(
    `a batch in etcd has format ${version}, kind ${kind}; this ktree knows format ${FORMAT_VERSION}`,
  )
}

function header(kind: number): Buffer {
  return Buffer.from([FORMAT_VERSION, kind])
}
