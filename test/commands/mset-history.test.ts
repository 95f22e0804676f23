import { expect, onTestFinished, test, vi } from 'vitest'
import { Applier } from '../../src/log/apply.ts'
import { ServerClock } from '../../src/request/clock.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { DroppedEvents } from '../../src/store/history/dropped-events.ts'
import { Store } from '../../src/store/store.ts'

const KEYS = 20_000

test('an MSET of many keys leaves it to others to remember where the events were that it drops', () => {
  const store = new Store({ clock: new ServerClock(new ManualClock()) })
  const applier = new Applier(store)
  const adds = vi.spyOn(DroppedEvents.prototype, 'addAt')
  onTestFinished(() => adds.mockRestore())
  const set = (keys: number): void => {
    const pairs = Array.from({ length: keys }, (_, i) => [`dir/${i % 500}/${i}`, 'v']).flat()
    applier.apply({ kind: 'requests', time: 1, requests: [['MSET', ...pairs]] })
  }
  set(KEYS)
  expect(adds.mock.calls.length).toBe(0)
  expect(store.needsReclaim).toBe(true)
  while (store.reclaim(1000));
  const kept = store.history.size
  expect(adds.mock.calls.length).toBe(KEYS - kept)
  expect(store.history.rememberedUpTo(store.index)).toBe(store.index - kept)
  // No more than one such request leaves them.
  for (let i = 0; i < 3; i++) set(KEYS)
  let left = 0
  while (store.history.remember(1)) left++
  expect(left).toBeLessThan(KEYS)
  // Those of fewer keys are remembered as they are dropped.
  set(100)
  expect(store.needsReclaim).toBe(false)
})
