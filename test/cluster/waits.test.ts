import { expect, test } from 'vitest'
import { Waits } from '../../src/cluster/waits.ts'

test('a wait that is given up is not looked at any more', async () => {
  const waits = new Waits()
  let looks = 0
  const never = (): boolean => {
    looks++
    return false
  }
  const giving = new AbortController()
  const given = waits.until(never, giving.signal)
  waits.wake()
  giving.abort()
  await expect(given).rejects.toThrow('given up')
  await expect(waits.until(never, giving.signal)).rejects.toThrow('given up')
  looks = 0
  waits.wake()
  expect(looks).toBe(0)
})

test('a wait ends when it is done, or when all are closed', async () => {
  const waits = new Waits()
  let position = 1
  const done = waits.until(() => position >= 2, new AbortController().signal)
  const closed = waits.until(() => position >= 3)
  position = 2
  waits.wake()
  await done
  waits.close()
  await expect(closed).rejects.toThrow('closed')
})
