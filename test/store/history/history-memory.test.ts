import { describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { EventHistory } from '../../../src/store/history/event-history.ts'
import { ShortEvent } from '../../../src/store/history/short-event.ts'
import { Store } from '../../../src/store/store.ts'
import { DirectoryNode, FileNode } from '../../../src/store/tree/node.ts'
import { usedMemory } from '../../server/memory.ts'

const MB = 1024 ** 2
const file = new FileNode('a', new DirectoryNode('', null, 0), 'x', 1)

/** Adds short events. */
function fill(history: EventHistory, count: number): void {
  const first = history.lastIndex + 1
  for (let i = 0; i < count; i++) history.add(new ShortEvent('/a', 'x', first + i, file))
}

const indexes = ({ history }: Store): number[] => [...history].map(({ index }) => index)

describe('the memory of a history', () => {
  const writes: [string, (store: Store, i: number) => void][] = [
    ['SETs of a byte', (store) => store.setFile('/a', Buffer.from('x').toString())],
    ['SETs of new values', (store, i) => store.setFile('/a', `${i}`)],
    ['SETs with a TTL', (store, i) => store.set('/a', `${i}`, { expireTime: 1e12 + i })],
    ['a SET and a DEL in turn', (store, i) => (i % 2 ? store.delete('/a') : store.set('/a', 'x'))],
  ]
  test.each(writes)('is what its limit says, after %s', (_, write) => {
    const before = usedMemory()
    const clock = new ManualClock()
    const store = new Store({ clock, watchHistory: 1e6, watchHistoryMemory: 8 * MB })
    for (let i = 0; i < 100_000; i++) write(store, i)
    expect(store.history.bytes).toBeLessThanOrEqual(8 * MB)
    expect(usedMemory() - before).toBeLessThan(1.5 * 8 * MB)
    expect(store.history.size).toBeGreaterThan(20_000)
  })

  test('holds as many short events as by default there may be', () => {
    const history = new EventHistory({ events: 1000, bytes: 16 * MB })
    fill(history, 3000)
    expect(history.size).toBe(1000)
  })

  test('is the same in a node that has read its events from another', () => {
    const clock = new ManualClock()
    const options = { clock, watchHistoryMemory: 20_000, isShared: true }
    const [first, second] = [new Store(options), new Store(options)]
    const write = (store: Store, i: number): void => {
      // In a directory with a TTL an event is in full, though it tells what a short one could.
      if (i === 0) store.setDirectory('/d', { expireTime: clock.now() + 1e6 })
      store.setFile(i % 3 === 0 ? '/d/a' : '/b', `${i}`)
    }
    for (let i = 0; i < 200; i++) write(first, i)
    second.recovery(first.save(), true)
    expect(second.history.bytes).toBe(first.history.bytes)
    for (let i = 200; i < 300; i++) {
      for (const store of [first, second]) write(store, i)
      expect(indexes(second)).toEqual(indexes(first))
    }
  })

  test('grows by pieces: no write copies all events', () => {
    let longest = 0
    class Counted extends Float64Array {
      constructor(length: number) {
        super(length)
        longest = Math.max(longest, length)
      }
    }
    vi.stubGlobal('Float64Array', Counted)
    const history = new EventHistory({ events: 1e6, bytes: 1e9 })
    fill(history, 100_000)
    vi.unstubAllGlobals()
    expect(history.size).toBe(100_000)
    expect(longest).toBeGreaterThan(0)
    expect(longest).toBeLessThan(5000)
  })

  test('is made smaller bit by bit, and does not grow meanwhile', () => {
    const history = new EventHistory({ events: 1e6, bytes: 1e9 })
    fill(history, 200_000)
    const limits = { events: 10, bytes: 1e9 }
    history.resize(limits)
    expect(history.limits).toEqual(limits)
    expect(history.size).toBeGreaterThan(100_000)
    expect(history.needsRemember).toBe(true)
    const before = history.size
    fill(history, 100)
    expect(history.size).toBeLessThan(before)
    while (history.remember(1000)) expect(history.needsRemember).toBe(true)
    expect(history.size).toBe(10)
    fill(history, 100)
    expect(history.size).toBe(10)
    expect(history.startIndex).toBe(200_191)
  })

  test('may grow again when it is made larger before it was small', () => {
    const history = new EventHistory({ events: 1e6, bytes: 1e9 })
    fill(history, 200_000)
    history.resize({ events: 10, bytes: 1e9 })
    history.resize({ events: 1e6, bytes: 1e9 })
    while (history.remember(1000));
    const { size } = history
    expect(size).toBeGreaterThan(100_000)
    fill(history, 10)
    expect(history.size).toBe(size + 10)
  })

  test('gives way step by step, down to a megabyte', () => {
    const history = new EventHistory({ events: 1e6, bytes: 1e9 })
    fill(history, 200_000)
    history.giveWay()
    expect(history.size).toBeGreaterThan(100_000)
    expect(history.size).toBeLessThan(200_000)
    for (let i = 0; i < 5; i++) history.giveWay()
    expect(history.bytes).toBeLessThanOrEqual(MB)
    expect(history.bytes).toBeGreaterThan(MB - 1000)
    fill(history, 10_000)
    expect(history.bytes).toBeGreaterThan(2 * MB)
  })

  test('does not give way where other nodes have the same', () => {
    const history = new EventHistory({ events: 1e6, bytes: 1e9, isShared: true })
    fill(history, 20_000)
    history.giveWay()
    expect(history.size).toBe(20_000)
  })
})
