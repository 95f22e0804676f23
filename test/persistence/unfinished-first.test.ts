import { expect, test } from 'vitest'
import type { RawRecord } from '../../src/persistence/level.ts'
import { countOf, keep, putRecords, recordsOf, temporaryDirectory, useDisk } from './support.ts'

/** What the first checkpoint of a directory has written when only its last batch is missing. */
async function leavings(): Promise<RawRecord[]> {
  const { store, persistence } = await keep({ durability: 'no' })
  store.set('/short', 'x')
  store.set('/directory/long', 'x'.repeat(20_000))
  store.set('/pieces', 'x'.repeat(3_000_000))
  store.set('/ttl', 'x', { expireTime: store.clock.now() + 1000 })
  const disk = useDisk()
  await persistence.change(temporaryDirectory(), 'everysec')
  // The head is in the last write.
  return disk.writes
    .slice(0, -1)
    .flatMap((operations) => operations.map(({ key, value }): RawRecord => [key, value as Buffer]))
}

test('what a first checkpoint leaves that was cut short is cleared at the next start', async () => {
  const records = await leavings()
  expect(countOf(records, 'directory')).toBe(2)
  expect(countOf(records, 'file')).toBe(4)
  expect(countOf(records, 'value')).toBe(4)
  for (let length = 1; length <= records.length; length++) {
    const directory = temporaryDirectory()
    await putRecords(directory, records.slice(0, length))
    const { store, persistence } = await keep({ directory, durability: 'everysec' })
    expect(store.files).toBe(0)
    store.set('/new', '1')
    await persistence.close(true)
    expect(countOf(await recordsOf(directory), 'value')).toBe(0)
    expect((await keep({ directory })).store.files).toBe(1)
  }
})

test('a directory with leavings can be changed to', async () => {
  const directory = temporaryDirectory()
  await putRecords(directory, await leavings())
  const { store, persistence } = await keep()
  store.set('/new', '1')
  await persistence.change(directory, 'everysec')
  await persistence.close(true)
  expect((await keep({ directory })).store.files).toBe(1)
})

test('leavings with a wrong checksum are refused', async () => {
  const records = await leavings()
  for (const [key, value] of records) {
    const directory = temporaryDirectory()
    const changed = Buffer.from(value)
    changed[changed.length - 1] ^= 1
    await putRecords(directory, [[key, changed]])
    await expect(keep({ directory })).rejects.toThrow('it holds something else, or has no head')
  }
})
