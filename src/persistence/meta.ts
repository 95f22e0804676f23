import { STAT_NAMES, Stats } from '../store/stats.ts'
import { CHECKSUM_LENGTH, isSealed, seal } from './checksum.ts'
import { DamagedDataError } from './errors.ts'
import { assertKnownFormat, FORMAT } from './format.ts'
import { metaKey } from './keys.ts'

/** The head: numbers of the whole tree, written with every checkpoint. */
export interface Meta {
  /** Counts the checkpoints. */
  readonly batch: number
  /** The store's index. */
  readonly index: number
  /** The id of `/`. Directories and files with smaller ids belong to an earlier tree. */
  readonly rootId: number
  /** The id that the next directory will get. */
  readonly nextId: number
  /** The number of nodes, and the sum of their versions, to detect missing and old nodes. */
  readonly nodes: number
  readonly nodesSum: number
  /** The number of records of events, and the sum of their last indexes. */
  readonly eventRecords: number
  readonly eventsSum: number
  /** Up to this index, the paths of all dropped events are recorded. */
  readonly placesUpTo: number
  readonly stats: Stats
  /** Ranges of indexes whose events are lost: `[first, last, first, last, ...]`. */
  readonly lost: readonly number[]
  /** When it was written, in Unix milliseconds. */
  readonly savedAt: number
  /** The id of the journal that goes on from here, in hexadecimal digits; empty if there is none. */
  readonly journal: string
  /** The position in the journal up to which everything is in the copy. */
  readonly position: number
  /** The sequence number of the journal's segment that holds the position; undefined if it was not noted. */
  readonly segment?: number | undefined
}

type MetaNumbers = Omit<Meta, 'stats' | 'lost' | 'journal' | 'segment'>

const NUMBERS: readonly (keyof MetaNumbers)[] = [
  'batch',
  'index',
  'rootId',
  'nextId',
  'nodes',
  'nodesSum',
  'eventRecords',
  'eventsSum',
  'placesUpTo',
  'savedAt',
]

export function encodeMeta(meta: Meta): Buffer {
  const json = JSON.stringify({ format: FORMAT, ...meta })
  const value = Buffer.allocUnsafe(CHECKSUM_LENGTH + json.length)
  value.write(json, CHECKSUM_LENGTH, 'latin1')
  seal(metaKey, value)
  return value
}

/**
 * @throws PersistenceError if a newer ktree has written it
 * @throws DamagedDataError if it is not readable
 */
export function decodeMeta(value: Buffer): Meta {
  if (!isSealed(metaKey, value)) throw new DamagedDataError('its head has a wrong checksum')
  const saved = JSON.parse(value.toString('latin1', CHECKSUM_LENGTH)) as Record<string, unknown>
  assertKnownFormat(asNumber(saved.format, 'format'))
  const numbers: Record<string, number> = {}
  for (const name of NUMBERS) numbers[name] = asNumber(saved[name], name)
  // Format 1 had no journal.
  numbers.position = asNumber(saved.position ?? 0, 'position')
  const journal = typeof saved.journal === 'string' ? saved.journal : ''
  const segment = saved.segment === undefined ? undefined : asNumber(saved.segment, 'segment')
  const stats = new Stats()
  const counters = (saved.stats ?? {}) as Record<string, unknown>
  for (const name of STAT_NAMES) stats[name] = asNumber(counters[name] ?? 0, name)
  const lost = Array.isArray(saved.lost) ? saved.lost.map((each) => asNumber(each, 'lost')) : []
  return { ...(numbers as unknown as MetaNumbers), stats, lost, journal, segment }
}

function asNumber(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new DamagedDataError(`its head has no ${name}`)
}
