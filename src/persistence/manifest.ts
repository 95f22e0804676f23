import { BLOCK_BYTES, HEADER_BYTES } from './log-format.ts'

/** The types of records: a whole one, and the pieces of one that was cut. */
const FULL = 1
const FIRST = 2
const LAST = 4

/** The fields of a record of a MANIFEST, by their tags; `s` is a string, `n` a number. */
const FIELDS: Readonly<Record<number, string>> = {
  1: 's', // comparator
  2: 'n', // the first log that counts
  3: 'n', // the next file's number
  4: 'n', // the last sequence number
  5: 'ns', // level, and where its next compaction begins
  6: 'nn', // level and number of a table that is removed
  7: 'nnnss', // level, number, size, first and last key of a table
  9: 'n', // a log of a former LevelDB
}
const NEW_TABLE = 7

/**
 * The numbers of all tables that a MANIFEST names. LevelDB writes over none of them, because each record has the number
 * from which on new files are named; all other tables it removes, or writes over, when it opens.
 *
 * @returns undefined if anything is not as LevelDB writes it. Checksums are not looked at, because LevelDB refuses what does
 *   not match before it writes anything
 */
export function tablesIn(manifest: Buffer): Set<number> | undefined {
  const tables = new Set<number>()
  try {
    for (const record of recordsIn(manifest)) addTables(record, tables)
    return tables
  } catch {
    return undefined
  }
}

/** The whole records; one that ends beyond the end is left out, as LevelDB does. */
function* recordsIn(manifest: Buffer): Generator<Buffer> {
  let pieces: Buffer[] = []
  let at = 0
  for (;;) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (left < HEADER_BYTES) at += left
    if (at + HEADER_BYTES > manifest.length) return
    const end = at + HEADER_BYTES + manifest.readUInt16LE(at + 4)
    const type = manifest[at + 6]
    if (end > manifest.length) return
    const begins = type === FULL || type === FIRST
    if (type < FULL || type > LAST || begins !== (pieces.length === 0)) throw new RangeError()
    pieces.push(manifest.subarray(at + HEADER_BYTES, end))
    at = end
    if (type !== FULL && type !== LAST) continue
    yield pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
    pieces = []
  }
}

/** @throws RangeError if the record is none of LevelDB's */
function addTables(record: Buffer, tables: Set<number>): void {
  let at = 0
  const next = (): number => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = record.readUInt8(at++)
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  while (at < record.length) {
    const tag = next()
    const numbers: number[] = []
    for (const kind of FIELDS[tag]) {
      const value = next()
      if (kind === 'n') numbers.push(value)
      else at += value
    }
    if (tag === NEW_TABLE) tables.add(numbers[1])
  }
  if (at > record.length) throw new RangeError()
}
