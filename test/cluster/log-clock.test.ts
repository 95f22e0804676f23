import { expect, test } from 'vitest'
import { LogClock } from '../../src/cluster/log-clock.ts'
import { ManualClock } from '../../src/store/clock.ts'

test('the time of the log never goes back, whatever entries say', () => {
  const clock = new LogClock(new ManualClock(1000))
  expect(clock.reach(5000)).toBe(5000)
  // An entry of a node whose clock is behind, or that has waited.
  expect(clock.reach(4000)).toBe(5000)
  expect(clock.logTime).toBe(5000)
  expect(clock.reach(5001)).toBe(5001)
})

test('it runs on where an entry has brought it, and a clock that is ahead stays ahead', () => {
  const machine = new ManualClock(1000)
  const clock = new LogClock(machine)
  expect(clock.now()).toBe(1000)
  clock.reach(5000)
  machine.advance(10)
  expect(clock.now()).toBe(5010)
  expect(clock.ahead).toBe(4000)
  clock.reach(5001)
  expect(clock.now()).toBe(5010)
  machine.jump(7990)
  expect(clock.now()).toBe(9000)
})

test('it takes no time that is none, whatever entries say', () => {
  const clock = new LogClock(new ManualClock(1000))
  clock.reach(5000)
  for (const time of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e16, -1]) {
    expect(clock.reach(time)).toBe(5000)
    expect([clock.logTime, clock.now(), clock.ahead]).toEqual([5000, 5000, 4000])
  }
})

test('what another node tells outside of the log moves this clock, and not the time of entries', () => {
  const clock = new LogClock(new ManualClock(1000))
  clock.reach(2000)
  clock.learn(5000)
  clock.learn(4000)
  clock.learn(Number.NaN)
  expect([clock.logTime, clock.now()]).toEqual([2000, 5000])
  expect(clock.reach(3000)).toBe(3000)
  expect(clock.now()).toBe(5000)
})

test('the others do not know of a machine whose clock goes ahead until they are told, or one of them is ahead', () => {
  const machine = new ManualClock(1000)
  const clock = new LogClock(machine)
  clock.noteTold(clock.offset)
  machine.advance(10_000)
  expect(clock.untold).toBe(0)
  machine.jump(600)
  expect(clock.untold).toBe(600)
  const { offset } = clock
  machine.jump(100)
  clock.noteTold(offset)
  expect(clock.untold).toBe(100)
  machine.jump(-1000)
  expect(clock.untold).toBe(-900)
  machine.jump(3000)
  clock.reach(machine.now() + 5)
  expect(clock.untold).toBe(-5)
})
