import { expect, test } from 'vitest'
import type { RequestArguments } from '../../src/resp/request-arguments.ts'
import { RequestQueue } from '../../src/resp/request-queue.ts'

test('requests that wait count as what they take of the heap, until they are taken', () => {
  const queue = new RequestQueue()
  expect(queue.heapBytes).toBe(0)
  const requests = Array.from({ length: 1000 }, (): RequestArguments => ['ab'])
  const ends = requests.map((_, i) => 12 * (i + 1))
  queue.fill(requests, ends)
  // V8 takes 82 bytes for each of them, for 12 that were sent.
  expect(queue.heapBytes).toBeGreaterThan(82_000)
  expect(queue.heapBytes).toBeLessThan(150_000)
  for (let i = 0; i < 500; i++) queue.take()
  expect(queue.heapBytes).toBeLessThan(75_000)
  for (let i = 0; i < 500; i++) queue.take()
  expect(queue.heapBytes).toBe(0)
})
