import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemFiles } from '../../src/log/journal-files.ts'
import { describeWithSmallDisk, SmallDisk } from '../persistence/small-disk.ts'
import { openJournal, payloadOf } from './support.ts'

describeWithSmallDisk('on a disk that is full', () => {
  test('a record that does not fit is taken back, and fits when there is room again', async () => {
    const disk = await SmallDisk.make('4m')
    const { journal } = await openJournal(disk.path)
    const kept = payloadOf(1, 100_000)
    journal.append([kept])
    await journal.sync()
    disk.fill(64 * 1024)
    const large = payloadOf(2, 500_000)
    const before = journal.written
    for (let i = 0; i < 3; i++) {
      expect(() => journal.append([large])).toThrow(/ENOSPC/)
      expect(journal.written).toBe(before)
    }
    const small = payloadOf(3, 1000)
    journal.append([small])
    await journal.sync()
    disk.free()
    journal.append([large])
    await journal.close()
    const { payloads, torn } = await openJournal(disk.path)
    expect(payloads.map(({ length }) => length)).toEqual([100_000, 1000, 500_000])
    expect(payloads[2].equals(large)).toBe(true)
    expect(torn).toBeUndefined()
  })

  test('a start needs room for a new segment, says so, and changes nothing', async () => {
    const disk = await SmallDisk.make('2m')
    const { journal } = await openJournal(disk.path)
    journal.append([payloadOf(1, 1000)])
    await journal.close()
    for (const name of systemFiles.list(disk.path).slice(1)) {
      await systemFiles.remove(join(disk.path, name))
    }
    disk.fill(0)
    await expect(openJournal(disk.path)).rejects.toThrow(/ENOSPC/)
    disk.free()
    expect((await openJournal(disk.path)).payloads).toHaveLength(1)
  })
})
