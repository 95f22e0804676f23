import { expect, onTestFinished, test, vi } from 'vitest'
import { BatchQueue } from '../../src/cluster/batch-queue.ts'
import type { LoggedBatch } from '../../src/cluster/etcd-log.ts'

const MB = 1024 ** 2

/** A queue of batches whose entries take 15 ms each, and what it has done. */
function startQueue() {
  let now = 1000
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => now)
  onTestFinished(() => spy.mockRestore())
  const done: string[] = []
  const queue = new BatchQueue({
    begin: ({ number }) => {
      let left = number
      return () => {
        if (left === 0) return false
        if (left < 0) throw new Error('broken')
        now += 15
        done.push(`${number}-${left--}`)
        return true
      }
    },
    onRun: (batches) => done.push(...batches.map(({ revision }) => `ran ${revision}`)),
    onFull: (isFull) => done.push(`full: ${isFull}`),
    onBroken: (error) => done.push(String(error)),
  })
  return { queue, done }
}

/** A batch of so many entries. */
const batch = (number: number, revision: number, bytes = 10): LoggedBatch => {
  return { node: 'n', number, revision, record: Buffer.alloc(bytes) }
}
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('what is quick is run at once', () => {
  const { queue, done } = startQueue()
  queue.add([batch(1, 7), batch(0, 8)])
  expect(done).toEqual(['1-1', 'ran 7', 'ran 8'])
  expect([queue.position, queue.last?.number, queue.isEmpty, queue.lag]).toEqual([8, 0, true, 0])
})

test('what takes long is run in slices, in order', async () => {
  const { queue, done } = startQueue()
  queue.add([batch(3, 7), batch(2, 8)])
  expect(done).toEqual(['3-3', '3-2'])
  expect([queue.position, queue.isEmpty, queue.lag]).toEqual([0, false, 30])
  queue.add([batch(1, 9)])
  expect(done).toHaveLength(2)
  await nextTurn()
  expect(done.slice(2)).toEqual(['3-1', '2-2', 'ran 7'])
  expect([queue.position, queue.last?.number]).toEqual([7, 3])
  await nextTurn()
  expect(done.slice(5)).toEqual(['2-1', '1-1', 'ran 8'])
  await nextTurn()
  expect(done.slice(8)).toEqual(['ran 9'])
  expect(queue.isEmpty).toBe(true)
})

test('between two batches it calls back, and runs no faster for it', async () => {
  const { queue, done } = startQueue()
  const call = (): void => {
    done.push(`between, at ${queue.position}`)
  }
  queue.whenBetween(call)
  queue.add([batch(3, 7), batch(4, 8)])
  queue.whenBetween(call)
  expect(done).toEqual(['between, at 0', '3-3', '3-2'])
  await nextTurn()
  // The next batch has been begun when the first one is reported.
  expect(done.slice(3)).toEqual(['3-1', 'between, at 7', '4-4', 'ran 7'])
  queue.whenBetween(call)
  await nextTurn()
  await nextTurn()
  expect(done.slice(7)).toEqual(['4-3', '4-2', '4-1', 'between, at 8', 'ran 8'])
  queue.whenBetween(call)
  expect(done.slice(12)).toEqual(['between, at 8'])
})

test('what it runs cannot have it run', () => {
  const done: string[] = []
  const queue: BatchQueue = new BatchQueue({
    begin: ({ revision }) => {
      let left = 2
      return () => {
        if (left-- === 0) return false
        done.push(`${revision}-${left}`)
        // What is added within has its turn after all that was there.
        if (revision === 7 && left === 1) queue.add([batch(1, 9)])
        if (revision === 7) queue.whenBetween(() => done.push(`at ${queue.position}`))
        return true
      }
    },
    onRun: () => {},
    onFull: () => {},
    onBroken: (error) => done.push(String(error)),
  })
  queue.add([batch(1, 7), batch(1, 8)])
  expect(done).toEqual(['7-1', '7-0', 'at 7', 'at 7', '8-1', '8-0', '9-1', '9-0'])
  expect([queue.position, queue.isEmpty]).toEqual([9, true])
})

test('what has been begun is run to its end, and the rest left out', async () => {
  const { queue, done } = startQueue()
  queue.add([batch(3, 7), batch(4, 8)])
  queue.drop()
  for (let i = 0; i < 3; i++) await nextTurn()
  expect(done).toEqual(['3-3', '3-2', '3-1', 'ran 7'])
  queue.add([batch(3, 8)])
  queue.whenBetween(() => done.push('not between two batches'))
  queue.stop()
  queue.add([batch(1, 9)])
  for (let i = 0; i < 3; i++) await nextTurn()
  expect(done.slice(4)).toEqual(['3-3', '3-2'])
})

test('more than 16 MB are run in slices, too, and nothing more is to come until half of it has been', async () => {
  const { queue, done } = startQueue()
  queue.add([batch(9, 7, 10 * MB), batch(9, 8, 7 * MB), batch(2, 9)])
  // A slice has 100 ms.
  expect(done).toEqual(['full: true', '9-9', '9-8', '9-7', '9-6', '9-5', '9-4', '9-3'])
  await nextTurn()
  expect(done.slice(8)).toEqual([
    '9-2',
    '9-1',
    '9-9',
    '9-8',
    '9-7',
    '9-6',
    '9-5',
    'full: false',
    'ran 7',
  ])
  await nextTurn()
  expect(done.slice(17)).toEqual(['9-4', '9-3'])
})

test('nothing is run after an entry that cannot be', async () => {
  const { queue, done } = startQueue()
  queue.add([batch(3, 7), batch(-1, 8), batch(1, 9)])
  await nextTurn()
  expect(done.slice(2)).toEqual(['3-1', 'Error: broken'])
  queue.add([batch(1, 10)])
  await nextTurn()
  expect(done).toHaveLength(4)
  expect(queue.isEmpty).toBe(true)
})
