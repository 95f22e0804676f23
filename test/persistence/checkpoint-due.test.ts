import { expect, onTestFinished, test, vi } from 'vitest'
import { areHeavy, CheckpointDue } from '../../src/persistence/checkpoint-due.ts'
import { LongWork, TIME_OF } from '../../src/request/long-work.ts'
import { Tally } from '../../src/store/tree/changes.ts'
import { eventually, join, start } from '../server/raw-client.ts'
import { temporaryDirectory } from './support.ts'

const MB = 1024 ** 2

test('a checkpoint is due at the journal size, or later if the last one was large', () => {
  const due = new CheckpointDue()
  expect(due.isDue(64 * MB - 1, 0, 64 * MB, 0)).toBe(false)
  expect(due.isDue(64 * MB, 0, 64 * MB, 0)).toBe(true)
  expect(due.isDue(800 * MB - 1, 0, 64 * MB, 100 * MB)).toBe(false)
  expect(due.isDue(800 * MB, 0, 64 * MB, 100 * MB)).toBe(true)
  // A long journal takes less of the disk for each byte of the checkpoint.
  expect(due.isDue(1600 * MB - 1, 0, 64 * MB, 400 * MB)).toBe(false)
  expect(due.isDue(1600 * MB, 0, 64 * MB, 400 * MB)).toBe(true)
})

test('so many entries that a start would take long make it due, whatever it costs', () => {
  const due = new CheckpointDue()
  expect(due.isDue(64 * MB, 2_000_000, 64 * MB, 100 * MB)).toBe(false)
  expect(due.isDue(64 * MB, 2_000_001, 64 * MB, 100 * MB)).toBe(true)
  expect(due.isDue(64 * MB - 1, 2_000_001, 64 * MB, 100 * MB)).toBe(false)
  due.begin(1)
  expect(due.isDue(64 * MB, 2_000_001, 64 * MB, 100 * MB)).toBe(false)
})

test('so much work for a start makes it due, however short the journal is, and later if the last one was large', () => {
  let work = 500
  const due = new CheckpointDue(() => work)
  due.begin(0)
  work += 1000
  expect(due.isLong(0)).toBe(false)
  work++
  expect(due.isLong(0)).toBe(true)
  expect(due.isLong(100 * MB)).toBe(false)
  work += 1100
  expect(due.isLong(100 * MB)).toBe(true)
  expect(due.isLong(100_000 * MB)).toBe(false)
  work += 3000
  expect(due.isLong(100_000 * MB)).toBe(true)
  due.begin(0)
  expect(due.isLong(0)).toBe(false)
})

test('what comes before the last checkpoint does not count', () => {
  const due = new CheckpointDue()
  due.position = 10 * MB
  expect(due.isDue(73 * MB, 0, 64 * MB, 0)).toBe(false)
  expect(due.isDue(74 * MB, 0, 64 * MB, 0)).toBe(true)
})

test('notes of removed nodes that are more than the tree make it due, however short the journal is', async () => {
  const tally = new Tally()
  expect(areHeavy({ removals: 250_000, tally })).toBe(false)
  expect(areHeavy({ removals: 250_001, tally })).toBe(true)
  tally.count = 300_000
  expect(areHeavy({ removals: 250_001, tally })).toBe(false)
  const server = await start({ directives: { dir: temporaryDirectory() } })
  const { store } = server
  const client = await join(server)
  for (let i = 0; i < 260_000; i++) store.set(`/a${i}`, '')
  await client.call('SAVE')
  for (let i = 0; i < 260_000; i++) store.delete(`/a${i}`)
  expect(store.changes?.removals).toBe(260_000)
  await eventually(() => store.changes?.removals === 0)
})

/** @returns a server, the long work that it counts, and how many checkpoints have begun meanwhile */
async function startCounted(dir: string) {
  const works = vi.spyOn(LongWork.prototype, 'begin')
  const begun = vi.spyOn(CheckpointDue.prototype, 'begin')
  onTestFinished(() => {
    works.mockRestore()
    begun.mockRestore()
  })
  const server = await start({ directives: { dir } })
  const client = await join(server)
  works.mockClear()
  await client.call('SETRANGE', 'k', String(20 * MB), 'x')
  const longWork = works.mock.contexts[0] as unknown as LongWork
  return { server, client, longWork, begun }
}

test.each([
  ['SETRANGE', () => ['SETRANGE', 'k', '0', 'y'], 20 * MB * TIME_OF.copiedByte],
  ['COPY', () => ['COPY', 'k', 'l', 'REPLACE'], 20 * MB * TIME_OF.copiedByte],
  ['RENAME', (i: number) => ['RENAME', `d${i}`, `d${i + 1}`], 1000 * TIME_OF.movedNode],
])(
  'short requests of %s that take a start long are in a checkpoint soon',
  async (_, requestOf, work) => {
    const { server, client, longWork, begun } = await startCounted(temporaryDirectory())
    for (let i = 0; i < 1000; i++) server.store.set(`/d0/${i}`, '')
    await client.call('SAVE')
    begun.mockClear()
    const before = longWork.ofWrites
    const call = (i: number) => client.call(...(requestOf(i) as [string, ...string[]]))
    for (let i = 0; i < 3; i++) await call(i)
    expect((longWork.ofWrites - before) / (3 * work)).toBeCloseTo(1, 2)
    expect(begun).not.toHaveBeenCalled()
    longWork.ofWrites = before + 1000 - work / 2
    await call(3)
    await eventually(() => begun.mock.calls.length === 1)
  },
)

test('what a start has applied counts for the next checkpoint', async () => {
  const dir = temporaryDirectory()
  const first = await startCounted(dir)
  await first.client.call('SAVE')
  for (let i = 0; i < 5; i++) await first.client.call('SETRANGE', 'k', '0', String(i))
  first.client.send('SHUTDOWN', 'NOSAVE')
  await first.server.closed
  const { client, longWork, begun } = await startCounted(dir)
  begun.mockClear()
  longWork.ofWrites = 1000 - 6.5 * 20 * MB * TIME_OF.copiedByte
  await client.call('SETRANGE', 'k', '0', 'x')
  await client.call('PING')
  expect(begun).not.toHaveBeenCalled()
  await client.call('SETRANGE', 'k', '0', 'x')
  await eventually(() => begun.mock.calls.length === 1)
})
