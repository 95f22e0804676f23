import { expect, onTestFinished, test, vi } from 'vitest'
import { Applier } from '../../src/log/apply.ts'
import { ServerClock } from '../../src/request/clock.ts'
import type { RequestArguments } from '../../src/resp/request-arguments.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { DroppedEvents } from '../../src/store/history/dropped-events.ts'
import { Store } from '../../src/store/store.ts'

const KEYS = 20_000

const names = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `dir/${i % 500}/${i}`)
const msetOf = (count: number): RequestArguments => [
  'MSET',
  ...names(count).flatMap((name) => [name, 'v']),
]

test.each([
  ['MSET', () => [msetOf(KEYS)]],
  ['DEL', (): RequestArguments[] => [['DEL', ...names(KEYS)]]],
  ['transaction', () => names(KEYS).map((name): RequestArguments => ['SET', name, 'v'])],
])(
  'a long %s leaves it to others to remember where the events were that it drops',
  (_, requestsOf) => {
    const store = new Store({ clock: new ServerClock(new ManualClock()) })
    const applier = new Applier(store)
    const run = (requests: readonly RequestArguments[]): void =>
      applier.apply({ kind: 'requests', time: 1, requests })
    run([msetOf(KEYS)])
    while (store.reclaim(1000));
    const adds = vi.spyOn(DroppedEvents.prototype, 'addAt')
    onTestFinished(() => adds.mockRestore())
    run(requestsOf())
    expect(adds.mock.calls.length).toBe(0)
    expect(store.needsReclaim).toBe(true)
    while (store.history.remember(1000));
    expect(adds.mock.calls.length).toBe(KEYS)
    const kept = store.history.size
    expect(store.history.rememberedUpTo(store.index)).toBe(store.index - kept)
    // No more than one such request leaves them.
    for (let i = 0; i < 3; i++) run([msetOf(KEYS)])
    let left = 0
    while (store.history.remember(1)) left++
    expect(left).toBeLessThan(KEYS)
    // Those of fewer keys are remembered as they are dropped.
    run([msetOf(100)])
    expect(store.history.needsRemember).toBe(false)
  },
)
