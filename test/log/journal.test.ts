import { cpSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { systemFiles } from '../../src/log/journal-files.ts'
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from '../../src/log/segment.ts'
import { temporaryDirectory } from '../persistence/data-server.ts'
import { MemoryDisk, systemError } from './memory-disk.ts'
import { openJournal, payloadOf } from './support.ts'

const SMALL_SEGMENTS = { segmentBytes: 200, maxSyncBehindWriterBytes: 120 }

describe('what was appended is applied at the next start', () => {
  test('in order, each append as one record, on the real file system', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, SMALL_SEGMENTS)
    const appended: Buffer[] = []
    const ends: number[] = []
    for (let i = 0; i < 50; i++) {
      const payload = payloadOf(i, 1 + ((i * 37) % 300))
      ends.push(journal.append([payload.subarray(0, i % 5), payload.subarray(i % 5)]))
      appended.push(payload)
      if (i % 3 === 0) await journal.sync()
    }
    await journal.close()

    const again = await openJournal(directory)
    expect(again.payloads).toEqual(appended)
    expect(again.ends).toEqual(ends)
    expect(again.torn).toBeUndefined()
    expect(again.journal.id).toEqual(journal.id)
  })

  test('for any pieces', async () => {
    const sizes = fc.oneof(fc.nat(20), fc.constantFrom(4095, 4096, 4097, 300_000))
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(sizes, { maxLength: 6 }), { maxLength: 8 }),
        async (all) => {
          const disk = new MemoryDisk()
          const { journal } = await openJournal('/', { files: disk })
          const expected: Buffer[] = []
          for (const pieces of all.map((some) => some.map((size, i) => payloadOf(i, size)))) {
            journal.append(pieces)
            if (pieces.some(({ length }) => length > 0)) expected.push(Buffer.concat(pieces))
          }
          const { payloads } = await openJournal('/', { files: disk.afterKill() })
          expect(payloads.length).toBe(expected.length)
          // Much faster than toEqual.
          expect(payloads.every((payload, n) => payload.equals(expected[n]))).toBe(true)
        },
      ),
      { numRuns: 30 },
    )
  })

  test('without a sync, when the process is killed', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory)
    journal.append([Buffer.from('a')])
    journal.append([Buffer.from('b')])
    // The next process finds the files as they are, while this one still has them open.
    const found = temporaryDirectory()
    cpSync(directory, found, { recursive: true })
    const { payloads, torn } = await openJournal(found)
    expect(payloads.map(String)).toEqual(['a', 'b'])
    expect(torn).toBeUndefined()
  })

  test('from a position on', async () => {
    const disk = new MemoryDisk()
    const { journal } = await openJournal('/', { files: disk, ...SMALL_SEGMENTS })
    const ends: number[] = []
    for (let i = 0; i < 20; i++) {
      ends.push(journal.append([payloadOf(i, 50)]))
      await journal.sync()
    }
    for (let i = 0; i < 20; i++) {
      const opened = await openJournal('/', { files: disk.afterKill(), from: ends[i] })
      expect(opened.ends).toEqual(ends.slice(i + 1))
    }
    const opening = openJournal('/', { files: disk, from: ends[3] - 1 })
    await expect(opening).rejects.toThrow(/no record of .* begins at position/)
  })

  test('and starts that write nothing leave no more files', async () => {
    const disk = new MemoryDisk()
    const first = await openJournal('/', { files: disk })
    first.journal.append([Buffer.from('a')])
    const names: string[][] = []
    for (let i = 0; i < 4; i++) {
      const opened = await openJournal('/', { files: disk })
      await opened.journal.sync()
      expect(opened.payloads).toHaveLength(1)
      names.push(disk.names.slice(0, 2))
    }
    expect(new Set(names.map(String)).size).toBe(1)
    expect(disk.names.length).toBeLessThanOrEqual(3)
  })
})

test('close leaves no file open', async () => {
  const disk = new MemoryDisk()
  const { journal } = await openJournal('/', { files: disk, ...SMALL_SEGMENTS })
  for (let i = 0; i < 10; i++) {
    journal.append([payloadOf(i, 100)])
    if (i % 2 === 0) await journal.sync()
  }
  await journal.close()
  expect(disk.openFiles).toBe(0)
})

test('progress reaches the whole', async () => {
  const directory = temporaryDirectory()
  const { journal } = await openJournal(directory)
  for (let i = 0; i < 5; i++) journal.append([Buffer.alloc(1_500_000)])
  await journal.close()
  const seen: [number, number][] = []
  await openJournal(directory, { onProgress: (bytes, total) => seen.push([bytes, total]) })
  expect(seen.length).toBeGreaterThan(3)
  expect(seen.map(([bytes]) => bytes)).toEqual(seen.map(([bytes]) => bytes).sort((a, b) => a - b))
  expect(seen.at(-1)?.[0]).toBe(seen[0][1])
})

describe('segments', () => {
  test('a sync of many bytes begins a new one, and syncs the one before', async () => {
    const disk = new MemoryDisk()
    const { journal } = await openJournal('/', { files: disk, maxSyncBehindWriterBytes: 100 })
    await new Promise(setImmediate)
    journal.append([payloadOf(0, 50)])
    await journal.sync()
    const before = disk.content('0000000002.journal').length
    expect(before).toBe(SEGMENT_HEADER_BYTES)
    journal.append([payloadOf(1, 150)])
    const syncing = journal.sync()
    journal.append([payloadOf(2, 10)])
    expect(disk.content('0000000002.journal').length).toBe(
      SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + 10,
    )
    await syncing
    expect(journal.written - journal.synced).toBe(RECORD_HEADER_BYTES + 10)
    await journal.close()
    expect((await openJournal('/', { files: disk })).payloads).toHaveLength(3)
  })

  test('a sync that waits begins none before the segment is long, because nobody writes meanwhile', async () => {
    const disk = new MemoryDisk()
    const options = { files: disk, maxSyncBehindWriterBytes: 100, segmentBytes: 1000 }
    const { journal } = await openJournal('/', options)
    await new Promise(setImmediate)
    const write = (i: number) => {
      journal.append([payloadOf(i, 150)])
      journal.syncNow()
      expect(journal.synced).toBe(journal.written)
    }
    for (let i = 0; i < 5; i++) write(i)
    expect(disk.content('0000000002.journal').length).toBe(SEGMENT_HEADER_BYTES)
    for (let i = 5; i < 8; i++) write(i)
    expect(disk.content('0000000002.journal').length).toBeGreaterThan(SEGMENT_HEADER_BYTES)
    await journal.close()
    expect((await openJournal('/', { files: disk })).payloads).toHaveLength(8)
  })

  test('one that cannot be made is tried again, and the journal goes on meanwhile', async () => {
    const disk = new MemoryDisk()
    const { journal } = await openJournal('/', { files: disk, maxSyncBehindWriterBytes: 100 })
    await new Promise(setImmediate)
    disk.errors.create.push(systemError('ENOSPC'), systemError('ENOSPC'))
    for (let i = 0; i < 8; i++) {
      journal.append([payloadOf(i, 150)])
      await journal.sync()
      await new Promise(setImmediate)
    }
    await journal.close()
    expect(disk.errors.create).toEqual([])
    expect(disk.names.length).toBeGreaterThan(3)
    expect((await openJournal('/', { files: disk })).payloads).toHaveLength(8)
  })

  test('before a position are dropped, with the file that holds it kept', async () => {
    const disk = new MemoryDisk()
    const { journal } = await openJournal('/', { files: disk, ...SMALL_SEGMENTS })
    const ends: number[] = []
    let segment = 0
    for (let i = 0; i < 20; i++) {
      ends.push(journal.append([payloadOf(i, 100)]))
      if (i === 11) ({ segment } = journal)
      await journal.sync()
      await new Promise(setImmediate)
    }
    const sizeBefore = journal.size
    await journal.drop(segment)
    expect(journal.size).toBeLessThan(sizeBefore - 11 * 100)
    await journal.close()
    const sizes = disk.names.map((name) => disk.content(name).length)
    // Of what is there, only the segment that was made in advance does not count.
    expect(sizes.reduce((sum, size) => sum + size)).toBe(journal.size + SEGMENT_HEADER_BYTES)
    const opened = await openJournal('/', { files: disk.afterKill(), from: ends[11], segment })
    expect(opened.ends).toEqual(ends.slice(12))
    const opening = openJournal('/', { files: disk, from: 0 })
    await expect(opening).rejects.toThrow(/position 0 .*is missing/)
  })

  test('a checkpoint ahead of the journal begins it anew at its position', async () => {
    const disk = new MemoryDisk()
    const first = await openJournal('/', { files: disk })
    first.journal.append([Buffer.from('lost with the power')])
    const behind = disk.afterPowerCut(() => 0.1)
    const { journal, payloads } = await openJournal('/', { files: behind, from: 1000 })
    expect(payloads).toEqual([])
    expect(journal.written).toBe(1000)
    const end = journal.append([Buffer.from('b')])
    await journal.close()
    const again = await openJournal('/', { files: behind, from: 1000 })
    expect(again.payloads.map(String)).toEqual(['b'])
    expect(again.ends).toEqual([end])
  })
})

describe('sync', () => {
  test('calls during a sync share the next one', async () => {
    const disk = new MemoryDisk()
    const { journal } = await openJournal('/', { files: disk })
    let open = () => {}
    disk.gate = new Promise((resolve) => {
      open = resolve
    })
    const before = disk.syncs
    const ends = [0, 1, 2, 3].map((i) => journal.append([payloadOf(i, 10)]))
    const first = journal.sync()
    const later = [4, 5, 6].map((i) => {
      ends.push(journal.append([payloadOf(i, 10)]))
      return journal.sync()
    })
    expect(journal.synced).toBe(0)
    open()
    await first
    expect(journal.synced).toBe(ends[3])
    await Promise.all(later)
    expect(journal.synced).toBe(ends[6])
    expect(disk.syncs - before).toBe(2)
  })

  test('costs nothing where all is on the disk', async () => {
    const disk = new MemoryDisk()
    const { journal } = await openJournal('/', { files: disk })
    const before = disk.syncs
    await journal.sync()
    expect(disk.syncs).toBe(before)
  })

  test('that fails ends trust in the file: nothing is taken until a checkpoint has everything', async () => {
    const disk = new MemoryDisk()
    const { journal } = await openJournal('/', { files: disk })
    const kept = journal.append([Buffer.from('kept')])
    await journal.sync()
    const unsure = journal.append([Buffer.from('unsure')])
    disk.errors.sync.push(systemError('EIO'))
    const syncs = [journal.sync(), journal.sync()]
    for (const syncing of syncs) {
      await expect(syncing).rejects.toThrow(`positions ${kept} to ${unsure} are unsure`)
    }
    expect(journal.synced).toBe(kept)
    expect(journal.failure?.cause).toMatchObject({ code: 'EIO' })
    expect(() => journal.append([Buffer.from('refused')])).toThrow(/EIO/)
    await expect(journal.sync()).rejects.toThrow(/EIO/)

    await expect(journal.reset(kept)).rejects.toThrow(/does not cover/)
    await journal.reset(unsure)
    expect(journal.failure).toBeUndefined()
    // A start takes the new segment for what it is, although the one that the checkpoint has noted is gone.
    expect(disk.names[0]).toBe('0000000002.journal')
    await openJournal('/', { files: disk.afterKill(), from: unsure, segment: 1 })
    journal.append([Buffer.from('after')])
    await journal.sync()
    const cut = disk.afterPowerCut(() => 0.9)
    const { payloads } = await openJournal('/', { files: cut, from: unsure })
    expect(payloads.map(String)).toEqual(['after'])
    await journal.close()
  })
})

describe('a write that fails', () => {
  test('in part, at every length, takes nothing from what comes later', async () => {
    const record = payloadOf(1, 40)
    const whole = RECORD_HEADER_BYTES + record.length
    for (let room = 0; room < whole; room++) {
      for (const truncateFails of [false, true]) {
        const disk = new MemoryDisk()
        const { journal } = await openJournal('/', { files: disk })
        await new Promise(setImmediate)
        const before = journal.append([Buffer.from('before')])
        disk.room = room
        if (truncateFails) disk.errors.truncate.push(systemError('EIO'))
        expect(() => journal.append([record])).toThrow(/ENOSPC/)
        expect(journal.written).toBe(before)

        const killed = await openJournal('/', { files: disk.afterKill() })
        expect(killed.payloads.map(String)).toEqual(['before'])
        expect(killed.torn !== undefined).toBe(truncateFails && room > 0)

        disk.room = 1000
        journal.append([Buffer.from('short')])
        journal.append([record])
        await journal.sync()
        const again = await openJournal('/', { files: disk.afterKill() })
        expect(again.payloads).toEqual([Buffer.from('before'), Buffer.from('short'), record])
        expect(again.torn).toBeUndefined()
      }
    }
  })

  test('is told as long as its rest cannot be cut off, and then goes on', async () => {
    const disk = new MemoryDisk()
    const { journal } = await openJournal('/', { files: disk })
    await new Promise(setImmediate)
    disk.room = 10
    disk.errors.truncate.push(systemError('EIO'), systemError('EIO'))
    expect(() => journal.append([payloadOf(0, 100)])).toThrow(/ENOSPC/)
    disk.room = 1000
    expect(() => journal.append([Buffer.from('a')])).toThrow(/EIO/)
    journal.append([Buffer.from('a')])
    const { payloads, torn } = await openJournal('/', { files: disk.afterKill() })
    expect(payloads.map(String)).toEqual(['a'])
    expect(torn).toBeUndefined()
  })

  test('with EIO leaves the record to be given again', async () => {
    const disk = new MemoryDisk()
    const { journal } = await openJournal('/', { files: disk })
    disk.errors.write.push(systemError('EIO'))
    expect(() => journal.append([Buffer.from('a')])).toThrow(/EIO/)
    journal.append([Buffer.from('a')])
    expect((await openJournal('/', { files: disk.afterKill() })).payloads).toHaveLength(1)
  })

  test('and at the end of an orderly close changes nothing', async () => {
    const disk = new MemoryDisk()
    const { journal } = await openJournal('/', { files: disk })
    await new Promise(setImmediate)
    journal.append([Buffer.from('a')])
    disk.room = 5
    await journal.close()
    expect(disk.openFiles).toBe(0)
    const { payloads, torn } = await openJournal('/', { files: disk })
    expect(payloads.map(String)).toEqual(['a'])
    expect(torn).toBeUndefined()
  })
})

test('writes that are taken in part are gone on with', async () => {
  for (let maxWrite = 1; maxWrite < 120; maxWrite++) {
    const disk = new MemoryDisk()
    disk.maxWrite = maxWrite
    const { journal } = await openJournal('/', { files: disk })
    const pieces = [payloadOf(1, 10), payloadOf(2, 500), payloadOf(3, 1), payloadOf(4, 30)]
    journal.append(maxWrite < 20 ? [payloadOf(1, 10), payloadOf(4, 30)] : pieces)
    const { payloads } = await openJournal('/', { files: disk.afterKill() })
    expect(payloads).toEqual([
      Buffer.concat(maxWrite < 20 ? [payloadOf(1, 10), payloadOf(4, 30)] : pieces),
    ])
  }
})

describe('reading', () => {
  test('a record of more pieces than the system takes in one call', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory)
    const pieces = Array.from({ length: 2500 }, (_, i) => payloadOf(i, 5000))
    journal.append(pieces)
    await journal.close()
    expect((await openJournal(directory)).payloads[0].equals(Buffer.concat(pieces))).toBe(true)
    // The bytes of several calls, added up, would be taken for an error from 2 GB on.
    const file = await systemFiles.create(`${directory}/pieces`, Buffer.alloc(0))
    expect(systemFiles.write(file, pieces, 0)).toBe(1024 * 5000)
    systemFiles.close(file)
  })

  test('a very large record, in pieces that the system takes and gives', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory)
    const large = Buffer.alloc(70 * 1024 ** 2, 'large')
    const end = journal.append([Buffer.from('['), large, Buffer.from(']')])
    journal.append([Buffer.from('after')])
    await journal.close()
    const { payloads, ends } = await openJournal(directory)
    expect(ends[0]).toBe(end)
    expect(payloads[0].length).toBe(large.length + 2)
    expect(payloads[0].subarray(1, -1).equals(large)).toBe(true)
    expect(String(payloads[1])).toBe('after')
  })

  test('100,000 tiny records, each byte once, in bounded memory', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, {
      // Headers and payloads go to the file in large pieces, because a system call for each takes long.
      files: batchedFiles(),
    })
    // Three windows of what is read at once.
    const count = 100_000
    for (let i = 0; i < count; i++) journal.append([Buffer.from([i & 255])])
    await journal.close()

    let bytesRead = 0
    let largestRead = 0
    let seen = 0
    await openJournal(directory, {
      apply: ({ payload }) => {
        if (payload[0] !== (seen & 255)) throw new Error(`record ${seen} is another`)
        seen++
      },
      files: {
        ...systemFiles,
        read: (file, into, position) => {
          bytesRead += into.length
          largestRead = Math.max(largestRead, into.length)
          return systemFiles.read(file, into, position)
        },
      },
    })
    expect(seen).toBe(count)
    expect(largestRead).toBeLessThanOrEqual(1024 ** 2)
    expect(bytesRead).toBeLessThan(1.1 * count * (RECORD_HEADER_BYTES + 1) + 1024 ** 2)
  })
})

/** The real file system, with consecutive short writes gathered until a sync. */
function batchedFiles(): typeof systemFiles {
  let pieces: Buffer[] = []
  let start = 0
  let end = 0
  const flush = (file: number): void => {
    if (pieces.length > 0) systemFiles.write(file, [Buffer.concat(pieces)], start)
    pieces = []
  }
  return {
    ...systemFiles,
    write(file, given, position) {
      if (pieces.length === 0) start = end = position
      const bytes = Buffer.concat(given)
      pieces.push(bytes)
      end += bytes.length
      if (end - start > 1024 ** 2) flush(file)
      return bytes.length
    },
    sync(file) {
      flush(file)
      return systemFiles.sync(file)
    },
  }
}
