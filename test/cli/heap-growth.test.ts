import { expect, test } from 'vitest'
import { growingPercent } from '../../src/cli/heap-growth.ts'

const MB = 1024 ** 2

test('a small heap may grow by some 128 MB, whatever its size', () => {
  for (let heap = 4; heap <= 64; heap++) {
    const growth = (heap * growingPercent(heap * MB, 4096 * MB)) / 100
    expect(growth).toBeGreaterThan(100)
    expect(growth).toBeLessThanOrEqual(128)
  }
})

test('the flag changes seldom while a heap grows', () => {
  const seen = new Set<number>()
  for (let heap = 8; heap < 16; heap += 0.01) seen.add(growingPercent(heap * MB, 4096 * MB))
  expect(seen.size).toBeLessThanOrEqual(10)
})

test('V8 decides for a heap that is not small, and where memory is scarce', () => {
  expect(growingPercent(65 * MB, 4096 * MB)).toBe(0)
  expect(growingPercent(8 * MB, 512 * MB)).toBe(0)
})
