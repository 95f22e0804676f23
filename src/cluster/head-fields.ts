import { FORMAT_VERSION, isReadable } from './batch-value.ts'
import type { BatchName } from './keys.ts'
import { isTime } from './log-clock.ts'
import type { LengthSince } from './log-length.ts'
import { type Change, MAX_CHANGES } from './recent-changes.ts'

/**
 * A head is not what this ktree writes: of a copy on the disk, or of a snapshot in etcd. The message says what it has, and wants
 * a subject.
 */
export class HeadError extends Error {
  override name = 'HeadError'
}

/** What a head says of the state that it belongs to. */
export interface StateHead {
  readonly format: number
  /** Of the last batch that it has. */
  readonly revision: number
  /** The log's time, in Unix milliseconds. */
  readonly time: number
  /** How many changes there have been, and the last of them. */
  readonly changes: number
  readonly recent: readonly Change[]
}

type Fields = Readonly<Record<string, unknown>>

/** A head has the paths of the last changes, 4 MB of them at most, each byte of which may take six in JSON. */
export const MAX_HEAD_BYTES = 64 * 1024 * 1024
/** A change has a brace and two commas; and there are some other fields. */
const MAX_MARKS = 3 * MAX_CHANGES + 100
const [QUOTE, BACKSLASH, COMMA, BRACKET, BRACE] = Buffer.from('"\\,[{')

/** What can be a part of a key in etcd. */
const NAME = /^[!-.0-~]+$/

/** @throws HeadError if it is no JSON of an object, or has an unknown format, whose fields would be others */
export function fieldsOf(json: string): Fields {
  const fields = parsed(json)
  if (!isFields(fields)) throw new HeadError('has a head that is no object')
  const { format } = fields
  if (typeof format !== 'number') throw wrong('format')
  if (isReadable(format)) return fields
  throw new HeadError(`has format ${format}; this ktree knows format ${FORMAT_VERSION}`)
}

/** @throws HeadError if a field is not what it has to be */
export function stateHeadOf(fields: Fields): StateHead {
  const { time } = fields
  // One that is no number would stay in the clocks of all nodes.
  if (!isTime(time)) throw wrong('time')
  const changes = countIn(fields, 'changes')
  const recent = changesOf(fields.recent, changes)
  const format = countIn(fields, 'format')
  return { format, revision: countIn(fields, 'revision'), time, changes, recent }
}

/** The last changes, the oldest first. @param count of all changes @throws HeadError */
export function changesOf(recent: unknown, count: number): readonly Change[] {
  if (!Array.isArray(recent) || recent.length > Math.min(count, MAX_CHANGES)) throw wrong('recent')
  return recent.map((change: unknown) => {
    if (!isFields(change)) throw wrong('recent')
    const { path, removes } = change
    if (typeof path !== 'string' || !path.startsWith('/')) throw wrong('recent')
    if (typeof removes !== 'boolean') throw wrong('recent')
    return { path, removes }
  })
}

/**
 * The text of a head, or of a part of it, if it has no more than one that ktree has written: what is longer, or has more
 * values, would take more memory than there is.
 *
 * @throws HeadError
 */
export function headText(bytes: Buffer): string {
  if (bytes.length > MAX_HEAD_BYTES) throw new HeadError('has a head that is longer than any')
  if (countMarks(bytes) > MAX_MARKS) throw new HeadError('has a head with more values than any')
  return bytes.toString('utf8')
}

/** Counts what begins or parts the values of JSON, until it is more than any head has. */
function countMarks(json: Buffer): number {
  let count = 0
  let inText = false
  for (let i = 0; i < json.length && count <= MAX_MARKS; i++) {
    const byte = json[i]
    if (byte === QUOTE) inText = !inText
    else if (inText) i += byte === BACKSLASH ? 1 : 0
    else if (byte === COMMA || byte === BRACKET || byte === BRACE) count++
  }
  return count
}

/** @throws HeadError if it is not JSON */
export function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    throw new HeadError('has a head that is no JSON')
  }
}

/** @throws HeadError if a field is no whole number from 0 on, and up to a limit */
export function countIn(fields: Fields, name: string, most = Number.MAX_SAFE_INTEGER): number {
  const { [name]: value } = fields
  if (Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= most)
    return Number(value)
  throw wrong(name)
}

/** @throws HeadError if a field is not a name in etcd's keys */
export function nameIn(fields: Fields, name: string): string {
  const { [name]: value } = fields
  if (typeof value === 'string' && NAME.test(value)) return value
  throw wrong(name)
}

/** @throws HeadError if a field does not name a batch */
export function batchIn(fields: Fields, name: string): BatchName {
  const { [name]: value } = fields
  if (!isFields(value)) throw wrong(name)
  return { node: nameIn(value, 'node'), number: countIn(value, 'number') }
}

/** How long the log was; undefined if the head does not say. @throws HeadError if a field is no length of a log */
export function lengthIn(fields: Fields, name: string): LengthSince | undefined {
  const { [name]: value } = fields
  if (value === undefined) return
  if (!isFields(value)) throw wrong(name)
  const [cut, batches, bytes] = ['cut', 'batches', 'bytes'].map((each) => countIn(value, each))
  return { cut, batches, bytes }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function wrong(field: string): HeadError {
  return new HeadError(`has a head with a wrong field: ${field}`)
}
