import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ClusterError } from '../../src/cluster/cluster-error.ts'
import type { Election } from '../../src/cluster/election.ts'
import type { LoggedBatch } from '../../src/cluster/etcd-log.ts'
import { Keeper } from '../../src/cluster/keeper.ts'
import type { Cut, NewSnapshot, Snapshots } from '../../src/cluster/snapshots.ts'

const MB = 1024 ** 2

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A keeper of an elected node, before a log with a snapshot of so many bytes. */
function start(length: number, failure?: Error) {
  const lengths = [length]
  let cuts = 0
  let revision = 0
  let doubts = 0
  let looks = 0
  const cut = { revision: 0, putAt: 0 }
  const given: Cut[] = []
  const outcome = { isPut: true, during: () => {} }
  const snapshots = {
    length: async () => lengths[0],
    cutAt: async () => {
      looks++
      return { ...cut }
    },
    write: async ({ cut: last }: NewSnapshot) => {
      cuts++
      given.push(last)
      outcome.during()
      if (failure !== undefined) throw failure
      return outcome.isPut
    },
  }
  const doubt = (): void => void doubts++
  const election = {
    mayStand: true,
    stand: async () => true,
    elected: {},
    holds: () => ({}),
    doubt,
  }
  const keeper = new Keeper({
    snapshots: snapshots as unknown as Snapshots,
    election: election as unknown as Election,
    logger: pino({ level: 'silent' }),
    limits: () => ({ batches: 10, bytes: MB }),
    take: async () => ({
      head: { revision, time: 1, changes: 0, recent: [] },
      last: undefined,
      pieces: [],
      length: { cut: 0, batches: 0, bytes: 0 },
    }),
    keep: async () => {},
  })
  const write = async (count: number, bytes: number): Promise<number> => {
    const record = Buffer.alloc(bytes)
    for (let i = 0; i < count; i++) {
      const batch: LoggedBatch = { node: 'a', number: 1, revision: ++revision, record }
      keeper.note([batch])
      await vi.advanceTimersByTimeAsync(3000)
    }
    return cuts
  }
  return { write, cut, given, outcome, keeper, election, doubts: () => doubts, looks: () => looks }
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

test('a node that is behind the last cut does not cut, and counts from there', async () => {
  const { write, cut, given, looks } = start(0)
  Object.assign(cut, { revision: 100, putAt: 120 })
  // What is up to the cut is not in the log any more.
  expect(await write(100, 2 * MB)).toBe(0)
  expect(looks()).toBe(1)
  expect(await write(10, 10)).toBe(0)
  expect(await write(1, 10)).toBe(1)
  expect(given).toEqual([{ revision: 100, putAt: 120 }])
})

test('a log that another node has cut is as long as what has come since', async () => {
  const { write, cut, keeper } = start(0)
  await write(5, 10)
  Object.assign(cut, { revision: 5, putAt: 5 })
  keeper.follow(5)
  expect(keeper.log).toEqual({ cut: 5, batches: 0, bytes: 0 })
  expect(await write(10, 10)).toBe(0)
  expect(await write(1, 10)).toBe(1)
})

test('a cut that another node has come before puts the election in doubt, and is tried again', async () => {
  const { write, outcome, doubts } = start(0)
  outcome.isPut = false
  const tries = await write(13, 10)
  expect(tries).toBeGreaterThan(2)
  expect(doubts()).toBe(tries)
  outcome.isPut = true
  expect(await write(1, 10)).toBe(tries + 1)
  expect(await write(10, 10)).toBe(tries + 1)
})

test('a count does not fall below nothing where another cut comes while the log is cut', async () => {
  const { write, keeper, outcome } = start(0)
  outcome.during = () => keeper.follow(11)
  expect(await write(11, 10)).toBe(1)
  expect(keeper.log).toEqual({ cut: 11, batches: 0, bytes: 0 })
})

test('what was in the log before this node began counts, also where nothing more comes', async () => {
  const { cut, given, keeper, election } = start(0)
  keeper.beginWith({ cut: 0, batches: 11, bytes: 10 }, 0)
  election.mayStand = false
  keeper.follow(0)
  await vi.advanceTimersByTimeAsync(0)
  expect(given).toEqual([])
  // It has a name among the nodes now.
  election.mayStand = true
  keeper.follow(0)
  await vi.advanceTimersByTimeAsync(0)
  expect(given).toEqual([cut])
})
