import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ClusterError } from '../../src/cluster/cluster-error.ts'
import type { Election } from '../../src/cluster/election.ts'
import type { LoggedBatch } from '../../src/cluster/etcd-log.ts'
import { Keeper } from '../../src/cluster/keeper.ts'
import type { Snapshots } from '../../src/cluster/snapshots.ts'

const MB = 1024 ** 2

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A keeper of an elected node, before a log with a snapshot of so many bytes. */
function start(length: number, failure?: Error) {
  const lengths = [length]
  let cuts = 0
  const snapshots = {
    length: async () => lengths[0],
    write: async () => {
      cuts++
      if (failure !== undefined) throw failure
      return true
    },
  }
  const election = { stand: async () => true, elected: {}, holds: () => ({}) }
  const keeper = new Keeper({
    snapshots: snapshots as unknown as Snapshots,
    election: election as unknown as Election,
    logger: pino({ level: 'silent' }),
    limits: () => ({ batches: 10, bytes: MB }),
    take: async () => ({
      head: { revision: 1, time: 1, changes: 0, recent: [] },
      last: undefined,
      pieces: [],
    }),
    keep: async () => {},
  })
  const write = async (count: number, bytes: number): Promise<number> => {
    const record = Buffer.alloc(bytes)
    for (let i = 0; i < count; i++) {
      const batch: LoggedBatch = { node: 'a', number: 1, revision: 1, record }
      keeper.note([batch])
      await vi.advanceTimersByTimeAsync(3000)
    }
    return cuts
  }
  return { write }
}

test('a log is cut at its limits', async () => {
  const { write } = start(0)
  expect(await write(10, 10)).toBe(0)
  expect(await write(1, 10)).toBe(1)
  expect(await write(1, 2 * MB)).toBe(2)
})

test('a log is not cut as long as the snapshot would be much longer than it', async () => {
  const { write } = start(100 * MB)
  expect(await write(100, 10)).toBe(0)
  expect(await write(4, 10 * MB)).toBe(0)
  expect(await write(1, 11 * MB)).toBe(1)
})

test('a failure is tried again soon, and a tree that is too long is not', async () => {
  expect(await start(0, new Error('no')).write(20, MB)).toBeGreaterThan(10)
  expect(await start(0, new ClusterError('too long')).write(20, MB)).toBe(1)
})
