import { describe, expect, test } from 'vitest'
import { JournalError } from '../../src/log/journal-errors.ts'
import { JournalReader } from '../../src/log/journal-reader.ts'
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../../src/log/segment.ts'
import { MemoryDisk } from './memory-disk.ts'
import { openJournal, payloadOf } from './support.ts'

const SMALL_SEGMENTS = { segmentBytes: 150, maxSyncBehindWriterBytes: 150 }

interface Made {
  readonly disk: MemoryDisk
  readonly payloads: readonly Buffer[]
  readonly ends: readonly number[]
}

/** A journal in some segments, closed in good order or left as a killed process leaves it. */
async function make(count: number, isClosed: boolean): Promise<Made> {
  const disk = new MemoryDisk()
  const { journal } = await openJournal('/', { files: disk, ...SMALL_SEGMENTS })
  const payloads: Buffer[] = []
  const ends: number[] = []
  for (let i = 0; i < count; i++) {
    await new Promise(setImmediate)
    payloads.push(payloadOf(i, 20 + i))
    ends.push(journal.append([payloads[i]]))
    await journal.sync()
  }
  await new Promise(setImmediate)
  if (isClosed) await journal.close()
  return { disk: disk.afterKill(), payloads, ends }
}

/** The name of the last segment that has records. */
function lastWritten(disk: MemoryDisk): string {
  return disk.names.findLast((name) => disk.content(name).length > SEGMENT_HEADER_BYTES)!
}

/** Buffers as text, which is compared faster than they are. */
const hexOf = (buffers: readonly Buffer[]): string[] => buffers.map((each) => each.toString('hex'))

/** All files of a disk, as text. */
const filesOf = (disk: MemoryDisk): string[] =>
  disk.names.map((name) => `${name}: ${disk.content(name).toString('hex')}`)

async function refusal(disk: MemoryDisk, options = {}): Promise<string> {
  const before = filesOf(disk)
  const error = await openJournal('/data', { files: disk, ...options }).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(JournalError)
  expect(filesOf(disk)).toEqual(before)
  return (error as JournalError).message
}

describe('an end cut off', () => {
  test('at any byte of the last record loses that record only, and is told', async () => {
    const { disk, payloads } = await make(5, false)
    const name = lastWritten(disk)
    const whole = disk.content(name)
    const record = 32 + payloads[4].length
    for (let missing = 1; missing <= record; missing++) {
      const cut = disk.afterKill()
      cut.put(name, whole.subarray(0, -missing))
      const opened = await openJournal('/data', { files: cut })
      expect(opened.payloads).toEqual(payloads.slice(0, 4))
      const offset = whole.length - record
      expect(opened.torn).toEqual(
        missing === record ? undefined : { path: `/data/${name}`, offset, bytes: record - missing },
      )
      // It is cut off: the journal grows, and nothing is torn any more.
      opened.journal.append([Buffer.from('next')])
      const again = await openJournal('/data', { files: cut.afterKill() })
      expect(again.payloads).toEqual([...payloads.slice(0, 4), Buffer.from('next')])
      expect(again.torn).toBeUndefined()
    }
  })

  test('by zeros that the file system has put there loses nothing', async () => {
    for (const zeros of [1, 31, 32, 33, 5000]) {
      const { disk, payloads } = await make(5, false)
      const name = lastWritten(disk)
      disk.put(name, Buffer.concat([disk.content(name), Buffer.alloc(zeros)]))
      const opened = await openJournal('/data', { files: disk })
      expect(opened.payloads).toEqual(payloads)
      expect(opened.torn?.bytes).toBe(zeros)
    }
  })

  test('in the making of a segment loses nothing', async () => {
    for (let length = 0; length < SEGMENT_HEADER_BYTES; length++) {
      const { disk, payloads } = await make(3, false)
      const name = disk.names.at(-1)!
      disk.put(name, disk.content(name).subarray(0, length))
      const { journal, payloads: read } = await openJournal('/data', { files: disk })
      expect(read).toEqual(payloads)
      journal.append([Buffer.from('next')])
      expect((await openJournal('/data', { files: disk.afterKill() })).payloads).toHaveLength(4)
    }
  })
})

describe('a flipped bit', () => {
  test('anywhere in a journal that was closed is told: as damage, or as a torn last mark', async () => {
    const { disk, payloads } = await make(6, true)
    const last = lastWritten(disk)
    const mark = disk.content(last).length - 32
    for (const name of disk.names) {
      const content = disk.content(name)
      for (let bit = 0; bit < content.length * 8; bit++) {
        const flipped = disk.afterKill()
        const changed = Buffer.from(content)
        changed[bit >> 3] ^= 1 << (bit & 7)
        flipped.put(name, changed)
        if (name === last && bit >> 3 >= mark) {
          const opened = await openJournal('/data', { files: flipped })
          expect(hexOf(opened.payloads)).toEqual(hexOf(payloads))
          expect(opened.torn?.bytes).toBe(32)
        } else if (name === disk.names.at(-1) && content.length === SEGMENT_HEADER_BYTES) {
          // A segment that was never used is made again.
          const opened = await openJournal('/data', { files: flipped })
          expect(hexOf(opened.payloads)).toEqual(hexOf(payloads))
        } else {
          const message = await refusal(flipped)
          expect(message).toContain(name)
          expect(message).toMatch(/is damaged|is missing/)
        }
      }
    }
  })

  test('in a journal that was not closed is told, too; only the last record can be torn', async () => {
    const { disk, payloads } = await make(4, false)
    const last = lastWritten(disk)
    const begin = disk.content(last).length - 32 - payloads[3].length
    for (const name of disk.names) {
      const content = disk.content(name)
      if (content.length === SEGMENT_HEADER_BYTES) continue
      for (let byte = 0; byte < content.length; byte++) {
        const flipped = disk.afterKill()
        const changed = Buffer.from(content)
        changed[byte] ^= 0x10
        flipped.put(name, changed)
        if (name === last && byte >= begin) {
          const opened = await openJournal('/data', { files: flipped })
          expect(opened.payloads).toEqual(payloads.slice(0, 3))
          expect(opened.torn?.bytes).toBe(content.length - begin)
        } else {
          expect(await refusal(flipped)).toContain('ktree repair')
        }
      }
    }
  })
})

describe('segments that do not belong together are refused, and left as they are', () => {
  test('one missing in the middle', async () => {
    const { disk } = await make(12, true)
    for (const name of disk.names.slice(1, -2)) {
      const missing = disk.afterKill()
      missing.delete(name)
      expect(await refusal(missing)).toMatch(
        new RegExp(`/data is damaged: ${name} is missing before .*ktree repair`),
      )
    }
  })

  test('the first one missing', async () => {
    const { disk, ends } = await make(12, true)
    disk.delete(disk.names[0])
    expect(await refusal(disk)).toMatch(/the journal from position 0 to \d+ is missing before/)
    // A checkpoint that has everything in it does not need it.
    const { ends: read } = await openJournal('/data', { files: disk, from: ends[8] })
    expect(read).toEqual(ends.slice(9))
  })

  test('all of them missing, where a checkpoint knows of some', async () => {
    expect(await refusal(new MemoryDisk(), { from: 10 })).toMatch(/it has no journal/)
  })

  test('those with records missing, the empty one after them left, where a checkpoint has noted which', async () => {
    for (const count of [2, 12]) {
      const { disk, ends } = await make(count, false)
      const written = disk.names.filter((name) => disk.content(name).length > SEGMENT_HEADER_BYTES)
      expect(disk.names.length).toBeGreaterThan(written.length)
      for (const [from, noted] of [
        [0, 0],
        [ends.at(-1), written.length - 1],
      ] as const) {
        const missing = disk.afterKill()
        for (const name of written.slice(noted)) missing.delete(name)
        const message = await refusal(missing, { from, segment: noted + 1 })
        expect(message).toContain(`/data is damaged: ${written[noted]} is missing`)
      }
    }
  })

  test('all of them missing, or those after one that a checkpoint has taken whole', async () => {
    expect(await refusal(new MemoryDisk(), { segment: 1 })).toContain(
      '0000000001.journal is missing',
    )
    const { disk } = await make(12, false)
    const [first, second] = disk.names
    const reader = new JournalReader('/', { files: disk })
    const from = reader.segments[1].start!
    for (const name of disk.names.slice(1, -1)) disk.delete(name)
    expect(await refusal(disk, { from, segment: 1 })).toContain(`${second} is missing`)
    // An older checkpoint has noted none, and then nothing is missed.
    await openJournal('/data', { files: disk, from })
    expect(first).toBe('0000000001.journal')
  })

  test('two of the same', async () => {
    const { disk } = await make(12, true)
    const [first, second] = disk.names
    disk.put(second, disk.content(first))
    expect(await refusal(disk)).toMatch(new RegExp(`${second} is a copy of ${first}`))
  })

  test('a copy under the next name', async () => {
    const { disk } = await make(5, true)
    const last = disk.names.at(-1)!
    const next = `${String(Number(last.slice(0, 10)) + 1).padStart(10, '0')}.journal`
    disk.put(next, disk.content(last))
    expect(await refusal(disk)).toContain('copy')
  })

  test('two that have changed places', async () => {
    const { disk } = await make(12, true)
    const [first, second] = disk.names
    const content = disk.content(first)
    disk.put(first, disk.content(second))
    disk.put(second, content)
    expect(await refusal(disk)).toContain('under another name')
  })

  test('one of another journal, or a whole other journal', async () => {
    const [ours, theirs] = [await make(12, true), await make(12, true)]
    const { journal } = await openJournal('/data', { files: theirs.disk.afterKill() })
    expect(await refusal(ours.disk.afterKill(), { id: journal.id })).toContain('another journal')
    ours.disk.put(ours.disk.names[1], theirs.disk.content(ours.disk.names[1]))
    expect(await refusal(ours.disk)).toMatch(/0000000002.journal belongs to another journal/)
  })

  test('one of a newer format', async () => {
    const { disk } = await make(3, true)
    const name = disk.names[0]
    const header = encodeSegmentHeader(Buffer.alloc(16), 1, 7)
    disk.put(name, Buffer.concat([header, disk.content(name).subarray(SEGMENT_HEADER_BYTES)]))
    expect(await refusal(disk)).toMatch(/was written by a newer ktree, in format 7/)
  })

  test('one that was cut between two records, where the disk had more', async () => {
    const { disk, payloads } = await make(12, true)
    const name = disk.names[0]
    const content = disk.content(name)
    // Its last record is the one that ended it.
    const records: number[] = []
    for (let at = SEGMENT_HEADER_BYTES, i = 0; at < content.length; i++) {
      records.push(at)
      at += 32 + payloads[i].length
    }
    disk.put(name, content.subarray(0, records.at(-1)))
    expect(await refusal(disk)).toMatch(/is missing or changed, but the disk had it up to \d+/)
  })

  test('a record twice', async () => {
    const { disk, payloads } = await make(3, true)
    const name = disk.names[0]
    const content = disk.content(name)
    const first = content.subarray(
      SEGMENT_HEADER_BYTES,
      SEGMENT_HEADER_BYTES + 32 + payloads[0].length,
    )
    disk.put(name, Buffer.concat([content, first]))
    expect(await refusal(disk)).toContain('0000000001.journal')
  })

  test('other files do not matter', async () => {
    const { disk, payloads } = await make(3, true)
    disk.put('0000000001.journal.bak', disk.content(disk.names[0]))
    disk.put('notes.txt', Buffer.from('mine'))
    expect((await openJournal('/data', { files: disk })).payloads).toEqual(payloads)
  })
})

test('what a client has written does not pass for a record', async () => {
  const { disk, payloads } = await make(4, false)
  const name = lastWritten(disk)
  const bytes = disk.content(name)
  const { journal } = await openJournal('/data', { files: disk })
  // A copy of this journal's own files, in a record that is torn later.
  journal.append([bytes, ...disk.names.map((other) => disk.content(other))])
  const written = lastWritten(disk)
  disk.put(written, disk.content(written).subarray(0, -1))
  const opened = await openJournal('/data', { files: disk.afterKill() })
  expect(hexOf(opened.payloads)).toEqual(hexOf(payloads))
  expect(opened.torn).toBeDefined()
})
