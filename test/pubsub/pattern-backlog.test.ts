import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { PatternBacklog } from '../../src/pubsub/pattern-backlog.ts'

let now = 0

beforeEach(() => {
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now)
  onTestFinished(() => clock.mockRestore())
})

/** A backlog, and what has been compared. @param ms that each takes */
function start(ms: number) {
  const late: number[] = []
  const full: number[] = []
  const compared: number[] = []
  const backlog = new PatternBacklog({
    onLate: () => void late.push(compared.length),
    onFull: () => void full.push(compared.length),
  })
  const add = (from: number, count: number): void => {
    for (let i = from; i < from + count; i++) {
      backlog.add(() => {
        now += ms
        compared.push(i)
        backlog.note(ms)
      })
    }
  }
  const finish = (): void => {
    while (backlog.next());
  }
  return { backlog, compared, late, full, add, finish }
}

test('what takes little time is compared at once', () => {
  const { backlog, compared, add } = start(0.001)
  add(0, 5000)
  expect([compared.length, backlog.isEmpty, backlog.next()]).toEqual([5000, true, false])
})

test('what takes long is compared later, one at a time and in order', () => {
  const { backlog, compared, add, finish } = start(1)
  add(0, 100)
  const atOnce = compared.length
  expect(atOnce).toBeLessThan(20)
  expect(backlog.next()).toBe(true)
  expect(compared.length).toBe(atOnce + 1)
  // What comes meanwhile comes last.
  add(100, 1)
  expect(compared.length).toBe(atOnce + 1)
  finish()
  expect(compared).toEqual(Array.from({ length: 101 }, (_, i) => i))
})

test('each entry has time of its own', () => {
  const { backlog, compared, add } = start(1)
  for (let entry = 0; entry < 10; entry++) {
    expect(backlog.next()).toBe(false)
    add(5 * entry, 5)
  }
  expect([compared.length, backlog.isEmpty]).toEqual([50, true])
})

test('many more than may wait are compared in order', () => {
  const { backlog, compared, add, finish } = start(0.01)
  add(0, 120_000)
  expect(compared.length).toBeGreaterThan(120_000 - 50_001)
  for (let i = 0; i < 30_000; i++) backlog.next()
  add(120_000, 30_000)
  finish()
  expect(backlog.isEmpty).toBe(true)
  expect(compared).toEqual(Array.from({ length: 150_000 }, (_, i) => i))
})

test('half of the patterns go whenever a quarter of a second was taken because too many wait', () => {
  const { backlog, compared, full, add } = start(1)
  add(0, 50_000 + 10 + 600)
  expect(compared.length).toBe(10 + 600)
  expect(full).toEqual([10 + 250, 10 + 500])
  // Each entry has time of its own.
  backlog.next()
  add(0, 200)
  expect(full.length).toBe(2)
})

test('every two seconds of it somebody has to go', () => {
  const { late, add, finish } = start(100)
  add(0, 55)
  finish()
  // The first is compared at once.
  expect(late).toEqual([21, 41])
})

test('two seconds of it are in ten, whether it is one entry or many', () => {
  const { backlog, late, add, finish } = start(100)
  for (let entry = 0; entry < 30; entry++) {
    backlog.next()
    add(0, 2)
    finish()
  }
  expect(late.length).toBe(1)
  // What was long ago is forgotten.
  for (let entry = 0; entry < 100; entry++) {
    now += 1000
    backlog.next()
    add(0, 2)
    finish()
  }
  expect(late.length).toBe(1)
})

test('what an entry compares at once counts if later entries wait, and it is not little', () => {
  const { backlog, late, add } = start(2)
  const run = (entries: number): void => {
    for (let entry = 0; entry < entries; entry++) {
      expect(backlog.next()).toBe(false)
      add(0, 2)
    }
  }
  run(5000)
  expect(late.length).toBe(0)
  backlog.isLogBehind = () => true
  run(5000)
  expect(late.length).toBe((5000 * 4) / 2000)
  const little = start(0.1)
  little.backlog.isLogBehind = () => true
  for (let entry = 0; entry < 50_000; entry++) {
    little.backlog.next()
    little.add(0, 2)
  }
  expect(little.late.length).toBe(0)
})

test('sending does not count, because it costs those who get it nothing to have fewer patterns', () => {
  const { backlog, late, finish } = start(0)
  for (let i = 0; i < 100; i++) {
    backlog.add(() => {
      now += 100
      backlog.note(1)
    })
  }
  finish()
  expect(late.length).toBe(0)
})
