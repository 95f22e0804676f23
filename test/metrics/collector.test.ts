import { afterEach, expect, test, vi } from 'vitest'
import { Collector } from '../../src/metrics/collector.ts'
import { MemoryGauge } from '../../src/metrics/memory-gauge.ts'
import { eventually } from '../server/raw-client.ts'

const MB = 1024 ** 2

/** An array of numbers of this length in V8's heap. */
const inHeap = (bytes: number): number[][] =>
  Array.from({ length: bytes / MB }, () => new Array<number>(MB / 8).fill(0.5))

afterEach(() => vi.restoreAllMocks())

test('a collection that was begun comes to its end, and has taken what was garbage before', async () => {
  const collector = new Collector()
  const ended = vi.fn()
  collector.onEnd = ended
  const garbage = new WeakRef(inHeap(2 * MB))
  // What a program has just made, or asked for, stays until it has done what it does.
  await new Promise((resolve) => setImmediate(resolve))
  collector.begin(7)
  expect(collector.begunAt).toBe(7)
  await eventually(() => ended.mock.calls.length > 0)
  expect(ended).toHaveBeenCalledWith(7)
  expect(garbage.deref()).toBeUndefined()
  expect(collector.begunAt).toBeUndefined()
})

test('one that was given up ends unheard', async () => {
  const collector = new Collector()
  const ended = vi.fn()
  collector.onEnd = ended
  collector.begin(1)
  collector.collect()
  expect(collector.begunAt).toBeUndefined()
  collector.begin(2)
  await eventually(() => ended.mock.calls.length > 0)
  expect(ended.mock.calls).toEqual([[2]])
})

test('a large heap is collected while others go on, and small writes are not refused meanwhile', async () => {
  const collect = vi.spyOn(Collector.prototype, 'collect')
  const begin = vi.spyOn(Collector.prototype, 'begin')
  const kept = inHeap(160 * MB)
  let more = inHeap(40 * MB)
  const gauge = new MemoryGauge()
  gauge.limit = gauge.measure() - 10 * MB
  expect(begin).toHaveBeenCalledTimes(1)
  expect(gauge.isExceeded(['SET', '/a', 'x'])).toBe(false)
  const before = gauge.measure()
  expect(more.length).toBe(40)
  more = []
  gauge.survey()
  expect(begin).toHaveBeenCalledTimes(1)
  await eventually(() => gauge.measure() < before - 30 * MB)
  expect(gauge.isExceeded(['SET', '/a', 'x'])).toBe(false)
  expect(gauge.hasRoomFor(20 * MB)).toBe(true)
  expect(collect).not.toHaveBeenCalled()
  expect([kept.length, more.length]).toEqual([160, 0])
})

test('a collection that does not end is done in one go', () => {
  const collect = vi.spyOn(Collector.prototype, 'collect')
  const begunAt = vi.spyOn(Collector.prototype, 'begunAt', 'get')
  const kept = inHeap(160 * MB)
  const gauge = new MemoryGauge()
  begunAt.mockReturnValue(performance.now() - 59_000)
  gauge.limit = 100 * MB
  expect(collect).not.toHaveBeenCalled()
  begunAt.mockReturnValue(performance.now() - 61_000)
  gauge.survey()
  expect(collect).toHaveBeenCalledTimes(1)
  expect(kept.length).toBe(160)
})
