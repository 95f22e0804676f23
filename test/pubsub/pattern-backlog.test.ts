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
  const compared: number[] = []
  const backlog = new PatternBacklog(() => void late.push(compared.length))
  const add = (from: number, count: number): void => {
    for (let i = from; i < from + count; i++) {
      backlog.add(() => {
        now += ms
        compared.push(i)
      })
    }
  }
  return { backlog, compared, late, add }
}

test('what takes little time is compared at once', () => {
  const { backlog, compared, add } = start(0.001)
  add(0, 5000)
  expect([compared.length, backlog.isEmpty, backlog.next()]).toEqual([5000, true, false])
})

test('what takes long is compared later, one at a time and in order', () => {
  const { backlog, compared, add } = start(1)
  add(0, 100)
  const atOnce = compared.length
  expect(atOnce).toBeLessThan(20)
  expect(backlog.next()).toBe(true)
  expect(compared.length).toBe(atOnce + 1)
  // What comes meanwhile comes last.
  add(100, 1)
  expect(compared.length).toBe(atOnce + 1)
  while (backlog.next());
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
  const { backlog, compared, add } = start(1)
  add(0, 120_000)
  expect(compared.length).toBeGreaterThan(120_000 - 50_001)
  for (let i = 0; i < 30_000; i++) backlog.next()
  add(120_000, 30_000)
  backlog.finish()
  expect(backlog.isEmpty).toBe(true)
  expect(compared).toEqual(Array.from({ length: 150_000 }, (_, i) => i))
})

test('every two seconds of it somebody has to go', () => {
  const { backlog, late, add } = start(100)
  add(0, 55)
  while (backlog.next());
  // The first is compared at once.
  expect(late).toEqual([21, 41])
  // What waits anew has two seconds of its own.
  add(0, 20)
  backlog.finish()
  expect(late).toEqual([21, 41])
})
