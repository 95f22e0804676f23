import { expect, test } from 'vitest'
import { LogLength } from '../../src/cluster/log-length.ts'

const BATCH = Buffer.alloc(10)

/** A log with a batch of ten bytes at each revision. */
function logUntil(end: number): LogLength {
  const length = new LogLength()
  for (let revision = 1; revision <= end; revision++) length.add({ revision, record: BATCH })
  return length
}

test('a short log is counted exactly, wherever it is cut', () => {
  const length = logUntil(100)
  expect(length.now).toEqual({ cut: 0, batches: 100, bytes: 1000 })
  for (const cut of [1, 40, 99, 100]) {
    length.cutAt(cut)
    expect(length.now).toEqual({ cut, batches: 100 - cut, bytes: 10 * (100 - cut) })
  }
})

test('what has been cut does not count, nor does a cut that is known', () => {
  const length = new LogLength()
  length.cutAt(50)
  for (const revision of [49, 50, 51]) length.add({ revision, record: undefined })
  length.cutAt(50)
  length.cutAt(20)
  expect(length.now).toEqual({ cut: 50, batches: 1, bytes: 0 })
})

test('a long log is counted with an error of two hundredths', () => {
  const length = logUntil(100_000)
  expect(length.now).toEqual({ cut: 0, batches: 100_000, bytes: 1_000_000 })
  for (const cut of [1, 33_333, 77_777, 99_990]) {
    length.cutAt(cut)
    const { batches, bytes } = length.now
    expect(Math.abs(batches - (100_000 - cut))).toBeLessThan(2000)
    expect(Math.abs(bytes - 10 * batches)).toBeLessThan(20)
  }
})

test('a log that was counted before is cut in proportion', () => {
  const length = new LogLength()
  length.beginWith({ cut: 1000, batches: 400, bytes: 4000 }, 2000)
  length.add({ revision: 2001, record: BATCH })
  expect(length.now).toEqual({ cut: 1000, batches: 401, bytes: 4010 })
  length.cutAt(1500)
  expect(length.now).toEqual({ cut: 1500, batches: 201, bytes: 2010 })
  length.cutAt(2000)
  expect(length.now).toEqual({ cut: 2000, batches: 1, bytes: 10 })
})

test('one that has been cut beyond what was counted has nothing', () => {
  const length = new LogLength()
  length.beginWith({ cut: 5, batches: 3, bytes: 3 }, 2)
  expect(length.now.batches).toBe(3)
  length.cutAt(6)
  expect(length.now).toEqual({ cut: 6, batches: 0, bytes: 0 })
})
