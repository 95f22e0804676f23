import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { SharedNames } from '../../src/persistence/shared-names.ts'
import { keep } from './support.ts'

const NAMES = 5001

/** A string of its own: 1,000 bytes and more. */
const nameOf = (i: number): string => Buffer.from(`${i}-${'n'.repeat(1000)}`).toString('latin1')

/** The bytes of the heap in use after a collection. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

test('names are shared in whatever order they come', () => {
  const names = new SharedNames()
  const kept: string[] = []
  const before = heapBytes()
  for (let round = 0; round < 20; round++) {
    // Each step has no divisor in common with the number of names.
    const step = [1, 7, 1009, 4999][round % 4]
    for (let i = 0; i < NAMES; i++) {
      const name = nameOf((i * step) % NAMES)
      const shared = names.share(name)
      if (shared !== name) throw new Error(`got ${shared}`)
      kept.push(shared)
    }
  }
  // 5 MB for the names; 100 MB, if none were shared.
  expect(heapBytes() - before).toBeLessThan(16_000_000)
  expect(kept).toHaveLength(20 * NAMES)
  expect(names.count).toBe(NAMES)
})

test('the table does not outgrow its limit, and still gives the right names', () => {
  const names = new SharedNames(2048)
  for (let i = 0; i < 5000; i++) expect(names.share(`name-${i}`)).toBe(`name-${i}`)
  for (let i = 0; i < 5000; i++) expect(names.share(`name-${i % 3000}`)).toBe(`name-${i % 3000}`)
  expect(names.count).toBe(1536)
})

test('a tree that is loaded has the names of files and directories once', async () => {
  const { store, persistence, directory } = await keep()
  for (let i = 0; i < NAMES; i++) {
    for (let d = 0; d < 4; d++) {
      if (i % 2 === 0) store.set(`/${d}/${nameOf(i)}`, '')
      else store.createDirectory(`/${d}/${nameOf(i)}`)
    }
  }
  await persistence.save()
  await persistence.close(false)
  const before = heapBytes()
  const { store: loaded } = await keep({ directory, watchHistory: 1 })
  // 5 MB for the names, and 12 MB for the rest; another 8 MB, if files or directories did not share theirs.
  expect(heapBytes() - before).toBeLessThan(21_000_000)
  expect(loaded.get(`/3/${nameOf(NAMES - 2)}`).node.dir).toBe(true)
  expect(loaded.index).toBe(store.index)
})
