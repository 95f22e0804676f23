import { expect, onTestFinished, test, vi } from 'vitest'
import { keep, useDisk } from './support.ts'

/** How long clients are served between two slices, and how long encoding 64 nodes takes. */
const CLIENTS_MS = 30
const STEP_MS = 0.4

/** Replaces the clock by one on which each look takes the time of a step. */
function useCountedTime(): { pass(milliseconds: number): void; now(): number } {
  let now = 0
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => {
    now += STEP_MS
    return now
  })
  onTestFinished(() => spy.mockRestore())
  return {
    pass: (milliseconds) => {
      now += milliseconds
    },
    now: () => now,
  }
}

test('a checkpoint ends within half a second, however much clients write meanwhile', async () => {
  const { store, persistence, directory } = await keep()
  const disk = useDisk()
  const time = useCountedTime()
  let written = 0
  const write = (): void => {
    for (let i = 0; i < 2000; i++, written++) store.set(`/d${written % 50}/${written}`, 'value')
  }
  write()
  disk.hold()
  const saved = persistence.save()
  const started = time.now()
  // In each turn of the event loop clients write more.
  for (let turns = 0; disk.waiting === 0 && turns < 200; turns++) {
    time.pass(CLIENTS_MS)
    write()
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(disk.waiting, 'it is handed to the disk').toBe(1)
  expect(time.now() - started).toBeLessThan(500)
  disk.release()
  await saved
  await persistence.close(true)
  const { store: read } = await keep({ directory })
  expect(read.index).toBe(written)
})
