import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeEvent, eventToJson } from '../../src/store/event-json.ts'
import { Store } from '../../src/store/store.ts'
import { appendToValue, bytesOf, LARGE_VALUE_BYTES, textOfValue } from '../../src/store/value.ts'

const L = LARGE_VALUE_BYTES
const KB = 1024
const MB = 1024 * KB

describe('the history of large values', () => {
  const filled = (count: number, length: number, limit: number): Store => {
    const store = new Store({ watchHistoryMemory: limit })
    for (let i = 0; i < count; i++) store.setFile(`/k${i % 3}`, Buffer.alloc(length))
    return store
  }

  test('keeps alive no more than its limit', () => {
    const store = filled(1000, 100 * KB, 10 * MB)
    const memories = new Set<ArrayBufferLike>()
    for (const { node, prevNode } of store.history) {
      for (const value of [node.value, prevNode?.value]) {
        if (typeof value === 'object') memories.add(value.buffer)
      }
    }
    expect(memories.size * 100 * KB).toBeLessThanOrEqual(10 * MB)
    expect(memories.size * 100 * KB).toBeGreaterThan(9 * MB)
    store.history.resize({ events: 1000, bytes: MB })
    expect(store.history.size).toBeLessThanOrEqual(10)
  })

  test('counts what deletions keep alive', () => {
    const store = new Store({ watchHistoryMemory: 1000 * MB })
    for (let i = 0; i < 300; i++) store.setFile(`/k${i}`, Buffer.alloc(100 * KB))
    store.history.resize({ events: 1, bytes: 1000 * MB })
    store.history.resize({ events: 1000, bytes: 10 * MB })
    for (let i = 0; i < 300; i++) store.delete(`/k${i}`)
    expect(store.history.size).toBeLessThanOrEqual(102)
  })

  test('counts once what several events share', () => {
    const store = new Store({ watchHistoryMemory: 3 * MB })
    store.setFile('/a', Buffer.alloc(10 * KB))
    for (let i = 0; i < 500; i++) {
      const file = store.getFile('/a')
      store.setFile('/a', appendToValue(file?.value ?? '', 'x'))
    }
    // The first append copied the value, with bytes to spare; the others share that memory.
    expect(store.history.size).toBe(501)
    expect(store.clone().history.size).toBe(501)
    for (let i = 0; i < 500; i++) store.setFile('/b', bytesOf('y'.repeat(L)))
    expect(store.history.size).toBeGreaterThan(100)
    expect(store.history.size).toBeLessThanOrEqual((3 * MB) / L)
  })

  // A checkpoint writes each value as often as events have it.
  test('keeps four times its limit of shared values, and the last event', () => {
    for (const length of [100 * KB, MB, 2 * MB, 7 * MB]) {
      const store = new Store({ watchHistoryMemory: 8 * MB })
      const value = Buffer.alloc(length)
      store.setFile('/a', value)
      for (let i = 0; i < 500; i++) store.update('/a', value, { expireTime: 1e13 + i })
      const most = Math.floor((32 * MB) / (2 * length))
      expect(store.history.size).toBe(most)
      const copy = store.clone()
      copy.history.resize({ events: 1000, bytes: 4 * MB })
      expect(copy.history.size).toBe(length > 4 * MB ? 0 : Math.floor(most / 2))
      // What has gone is no longer counted.
      for (let i = 0; i < 1000; i++) store.setFile('/b', 'small')
      expect(store.history.size).toBe(1000)
      for (let i = 0; i < 500; i++) store.update('/a', value, { expireTime: 2e13 + i })
      expect(store.history.size).toBe(most)
      store.setFile('/a', Buffer.alloc(40 * MB))
      expect(store.history.size).toBe(1)
    }
  })

  test('is counted anew in a copy', () => {
    const store = filled(50, 100 * KB, 10 * MB)
    const copy = store.clone()
    for (let i = 0; i < 200; i++) {
      store.setFile('/x', 'small')
      copy.setFile('/x', Buffer.alloc(100 * KB))
    }
    expect(copy.history.size).toBeLessThanOrEqual(102)
    for (let i = 0; i < 1100; i++) copy.setFile('/x', 'small')
    // Nothing large is counted any more.
    copy.history.resize({ events: 1000, bytes: 150 * KB })
    expect(copy.history.size).toBe(1000)
  })
})

/** Bytes of every kind, from some hundred to some hundred thousand. */
const value = fc
  .tuple(
    fc.constantFrom(L, L + 3, 48 * KB, 48 * KB + 1, 150_000),
    fc.constantFrom('a', '\x01', '"', 'é', '日', '\xff', 'a\xe2'),
  )
  .map(([length, unit]) => {
    const isBinary = unit === '\xff' || unit === 'a\xe2'
    const bytes = Buffer.from(unit, isBinary ? 'latin1' : 'utf8')
    return Buffer.alloc(length - (length % bytes.length), bytes)
  })

describe('the JSON of an event with large values', () => {
  test('is what it would be of strings, in pieces', () => {
    fc.assert(
      fc.property(value, value, fc.boolean(), (first, second, deletes) => {
        const [large, small] = [new Store(), new Store()]
        large.set('/a', first)
        small.set('/a', textOfValue(first))
        const act = (store: Store, next: Buffer | string) =>
          deletes ? store.delete('/a') : store.setFile('/a', next)
        const json = encodeEvent(act(large, second))
        const expected = eventToJson(act(small, textOfValue(second)))
        if (typeof json === 'string') throw new Error('not in pieces')
        expect(json.leastLength).toBeLessThanOrEqual(json.length)
        expect(json.length).toBe(expected.length)
        // Twice: each reader gets all of it.
        for (let i = 0; i < 2; i++) {
          const pieces = [...json]
          expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(300 * KB)
          expect(Buffer.concat(pieces).toString('latin1') === expected).toBe(true)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('of six bytes for each of 100 MB is counted and made without one string', () => {
    const store = new Store()
    const json = encodeEvent(store.set('/a', Buffer.alloc(100 * MB, 1)))
    if (typeof json === 'string') throw new Error('not in pieces')
    expect(json.leastLength).toBeLessThan(101 * MB)
    let length = 0
    let longest = 0
    for (const piece of json) {
      length += piece.length
      longest = Math.max(longest, piece.length)
    }
    expect(length).toBeGreaterThan(600 * MB)
    expect(longest).toBeLessThanOrEqual(300 * KB)
    expect(json.length).toBe(length)
  })
})

describe('a saved state with large values', () => {
  test('comes back the same, and its values are Buffers again', () => {
    const store = new Store()
    store.set('/text', bytesOf('"ä\\'.repeat(L)))
    store.set('/bytes', Buffer.alloc(2 * L, 0xff))
    store.set('/small', 'x')
    store.set('/ttl', Buffer.alloc(L, 'y'), { expireTime: Date.now() + 1e7 })
    store.set('/ttl', '', { expireTime: Date.now() + 2e7, refresh: true })
    store.delete('/bytes')
    const saved = Buffer.concat([...store.snapshotCopy().pieces()].map(bytesOf))
    expect(saved.toString('latin1') === store.saveNoCopy()).toBe(true)
    const copy = new Store()
    copy.recovery(saved)
    expect(copy.saveNoCopy() === store.saveNoCopy()).toBe(true)
    expect(typeof copy.get('/text').node.value).toBe('object')
    expect(typeof copy.get('/small').node.value).toBe('string')
  })

  test('may be longer than a string', () => {
    const store = new Store()
    for (let i = 0; i < 4; i++) store.set(`/k${i}`, Buffer.alloc(32 * MB, 1))
    let length = 0
    for (const piece of store.snapshotCopy().pieces()) length += piece.length
    expect(length).toBeGreaterThan(2 ** 29)
    expect(() => store.saveNoCopy()).toThrow()
  })
})

test.each([
  [128, 'x'.repeat(128)],
  [129, `${'x'.repeat(128)}... (129 bytes)`],
  [8191, `${'x'.repeat(128)}... (8191 bytes)`],
])('a failed comparison shows 128 bytes of a value: %i bytes', (length, shown) => {
  const store = new Store()
  store.set('/a', 'x'.repeat(length))
  const compare = () => store.compareAndSwap('/a', { prevValue: 'y' }, 'z')
  expect(compare).toThrow(`Compare failed ([y != ${shown}])`)
})

test('a failed comparison shows the beginning of large values', () => {
  const store = new Store()
  store.set('/a', Buffer.alloc(MB, 'x'))
  const compare = () => store.compareAndSwap('/a', { prevValue: Buffer.alloc(MB, 'y') }, 'z')
  expect(compare).toThrow(/^Compare failed \(\[y{128}\.\.\. \(1048576 bytes\) != x{128}/)
  expect(store.compareAndSwap('/a', { prevValue: Buffer.alloc(MB, 'x') }, 'z').index).toBe(2)
})
