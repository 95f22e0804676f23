import { expect, test } from 'vitest'
import { ClusterError } from '../../src/cluster/cluster-error.ts'
import { checkLoadable } from '../../src/cluster/state-length.ts'

/** A state whose pieces take a millisecond each. */
function* slow(count: number): Generator<string> {
  for (let i = 0; i < count; i++) {
    const end = performance.now() + 1
    while (performance.now() < end);
    yield 'xxxxx'
  }
}

test('a state is as long as its pieces together', async () => {
  await expect(checkLoadable(['12345', Buffer.from('67890')], 10)).resolves.toBe(undefined)
  await expect(checkLoadable(['12345', Buffer.from('67890')], 9)).rejects.toThrow(ClusterError)
})

test('others are served while it is counted', async () => {
  let turns = 0
  let isOver = false
  const others = (): void => {
    turns++
    if (!isOver) setImmediate(others)
  }
  others()
  await checkLoadable(slow(100), 500)
  isOver = true
  expect(turns).toBeGreaterThan(3)
})
