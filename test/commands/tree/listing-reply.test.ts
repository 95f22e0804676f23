import fc from 'fast-check'
import { expect, test } from 'vitest'
import { writeEvent } from '../../../src/commands/tree/event-reply.ts'
import { writeListing } from '../../../src/commands/tree/listing-reply.ts'
import { PIECE_BYTES } from '../../../src/resp/reply-parts.ts'
import { ReplyWriter } from '../../../src/resp/reply-writer.ts'
import { ManualClock } from '../../../src/store/clock.ts'
import { Store } from '../../../src/store/store.ts'
import { textOf } from '../../resp/reply-text.ts'
import { write } from '../../store/random-writes.ts'

test.each([2, 3] as const)('RESP%i: a listing is the same as its event', (protocol) => {
  fc.assert(
    fc.property(
      fc.array(write, { maxLength: 30 }),
      fc.constantFrom(0, 10, 70_000),
      fc.boolean(),
      fc.boolean(),
      (writes, length, recursive, sorted) => {
        const store = new Store({ clock: new ManualClock() })
        for (const run of writes) run(store)
        store.set('/other/b/file', 'x'.repeat(length))
        for (let i = 0; i < length / 100; i++) store.set(`/other/many ${i}`, `${i}`)
        const [event, listing] = [new ReplyWriter(), new ReplyWriter()]
        event.protocol = listing.protocol = protocol
        for (const path of ['/', '/ab/', 'other']) {
          if (store.lookup(path)?.dir !== true) continue
          const copy = store.getListing(path, { recursive })
          if (copy === undefined) throw new Error('a directory has no listing')
          writeEvent(event, store.get(path, { recursive, sorted }))
          writeListing(listing, copy, sorted)
        }
        expect(textOf(listing) === textOf(event)).toBe(true)
      },
    ),
  )
})

test('a short listing is written at once, and of a long one only a piece', () => {
  const store = new Store()
  for (let i = 0; i < 5000; i++) store.set(i < 10 ? `/short/${i}` : `/long/${i}`, 'value')
  const writeDirectory = (path: string): ReplyWriter => {
    const writer = new ReplyWriter()
    const copy = store.getListing(path, { recursive: true })
    if (copy !== undefined) writeListing(writer, copy, true)
    return writer
  }
  expect(writeDirectory('/short').isPlain).toBe(true)
  const writer = writeDirectory('/long')
  expect(writer.parts).toHaveLength(2)
  expect(writer.parts[0].length).toBeLessThan(2 * PIECE_BYTES)
})

test('getting a listing counts as a read, found or not', () => {
  const store = new Store()
  store.set('/a/b', '1')
  store.getListing('/a', {})
  expect(store.getListing('/a/b', {})).toBe(undefined)
  expect(() => store.getListing('/c', {})).toThrow('Key not found')
  expect([store.stats.getsSuccess, store.stats.getsFail]).toEqual([1, 1])
})

test('listings of the same moment share a copy, and no others do', () => {
  const clock = new ManualClock()
  const store = new Store({ clock })
  store.set('/a/b', '1')
  const nodes = (path: string, recursive = true) => store.getListing(path, { recursive })?.nodes
  const first = nodes('/')
  expect(nodes('/')).toBe(first)
  expect(nodes('/', false)).not.toBe(first)
  expect(nodes('/a')?.length).toBe(2)
  const before = nodes('/')
  store.set('/a/c', '2', { expireTime: clock.now() + 10 })
  expect([before?.length, nodes('/')?.length]).toEqual([3, 4])
  clock.advance(10)
  expect(nodes('/')?.length).toBe(3)
  store.flush()
  expect(nodes('/')?.length).toBe(1)
})
