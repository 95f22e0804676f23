import { expect, test } from 'vitest'
import { areHeavy, CheckpointDue } from '../../src/persistence/checkpoint-due.ts'
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
  due.entries = 1
  expect(due.isDue(64 * MB, 2_000_001, 64 * MB, 100 * MB)).toBe(false)
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
