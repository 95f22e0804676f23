import { afterEach, expect, test, vi } from 'vitest'
import { ManualClock, systemClock } from '../../src/store/clock.ts'

test('a manual clock stands still until it is advanced', () => {
  const clock = new ManualClock(1000)
  expect(clock.now()).toBe(1000)
  clock.advance(5)
  expect(clock.now()).toBe(1005)
})

test('a manual clock calls what falls due, in order of time, at its time', () => {
  const clock = new ManualClock(0)
  const calls: [string, number][] = []
  const call = (name: string) => () => void calls.push([name, clock.now()])
  clock.schedule(call('late'), 20)
  clock.schedule(call('early'), 10)
  clock.schedule(call('past'), -5)
  const cancel = clock.schedule(call('cancelled'), 15)
  clock.schedule(() => clock.schedule(call('nested'), 5), 10)
  cancel()
  clock.advance(19)
  expect(calls).toEqual([
    ['past', 0],
    ['early', 10],
    ['nested', 15],
  ])
  clock.advance(1)
  expect(calls.at(-1)).toEqual(['late', 20])
})

test('the system clock calls back, unless cancelled', async () => {
  const cancel = systemClock.schedule(() => expect.fail('was cancelled'), 0)
  cancel()
  await new Promise<void>((resolve) => systemClock.schedule(resolve, 1))
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(60_000)
})

test('a manual clock that is set ahead or back calls nothing by it', () => {
  const clock = new ManualClock(1000)
  let calls = 0
  clock.schedule(() => calls++, 10)
  clock.jump(1_000_000)
  expect([clock.now(), clock.elapsed(), calls]).toEqual([1_001_000, 0, 0])
  clock.jump(-2_000_000)
  clock.advance(9)
  expect([clock.now(), clock.elapsed(), calls]).toEqual([-998_991, 9, 0])
  clock.advance(1)
  expect(calls).toBe(1)
})

const DAY_MS = 86_400_000

afterEach(() => void vi.useRealTimers())

test.each([24, 25, 50, 365])('the system clock calls back after %i days, and no sooner', (days) => {
  vi.useFakeTimers()
  let calls = 0
  systemClock.schedule(() => calls++, days * DAY_MS)
  const cancel = systemClock.schedule(() => expect.fail('was cancelled'), days * DAY_MS)
  vi.advanceTimersByTime(days * DAY_MS - 1)
  expect(calls).toBe(0)
  cancel()
  vi.advanceTimersByTime(1)
  expect(calls).toBe(1)
  expect(vi.getTimerCount()).toBe(0)
})
