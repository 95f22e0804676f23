import { expect, test } from 'vitest'
import { writeListing } from '../../src/commands/tree/listing-reply.ts'
import { Search } from '../../src/request/search.ts'
import { writeBulk, writeInPieces, writeSharedList } from '../../src/resp/reply-list.ts'
import { PIECE_BYTES } from '../../src/resp/reply-parts.ts'
import { ReplyWriter } from '../../src/resp/reply-writer.ts'
import { Store } from '../../src/store/store.ts'

const COUNT = 20_000
const TIMES = 100
/** A reply keeps its first piece, which may be somewhat longer, and a little more. */
const REPLY_BYTES = PIECE_BYTES + 4096

test('a list that several replies show counts once', () => {
  const items = Array.from({ length: COUNT }, (_, i) => `item ${i}`)
  const writer = new ReplyWriter()
  for (let i = 0; i < TIMES; i++) writeSharedList(writer, items, writeBulk)
  expect(writer.ownLength).toBeGreaterThan(8 * COUNT)
  expect(writer.ownLength).toBeLessThan(32 * COUNT + TIMES * REPLY_BYTES)
})

test('a copy of the tree that several replies show counts once', () => {
  const store = new Store()
  for (let i = 0; i < COUNT; i++) store.set(`/d/${i}`, 'v')
  const listing = store.getListing('/d', { recursive: true })
  if (listing === undefined) throw new Error('no directory')
  const writer = new ReplyWriter()
  for (let i = 0; i < TIMES; i++) writeListing(writer, listing, false)
  expect(writer.ownLength).toBeGreaterThan(listing.nodes.weight)
  expect(writer.ownLength).toBeLessThan(listing.nodes.weight + TIMES * REPLY_BYTES)
})

test('a walk through a deep tree counts with what its levels keep', () => {
  const store = new Store()
  store.set(`${'/directory'.repeat(1000)}/file`, 'v')
  for (let i = 0; i < 1000; i++) store.set(`${'/directory'.repeat(1000)}/${i}`, 'v')
  const listing = store.getListing('/', { recursive: true })
  if (listing === undefined) throw new Error('no directory')
  const writer = new ReplyWriter()
  writeListing(writer, listing, false)
  // The first piece ends somewhere on the way down.
  expect(writer.ownLength - listing.nodes.weight).toBeGreaterThan(1.5 * PIECE_BYTES)
})

test('of the long searches of an EXEC only the first begins at once', () => {
  let looked = 0
  const search = (): Search =>
    new Search({
      texts: new Array<string>(COUNT).fill('text').values() as Iterator<string, undefined>,
      tries: 1,
      weight: () => 0,
      look: () => {
        looked++
      },
      reply: () => undefined,
    })
  const writer = new ReplyWriter()
  writeInPieces(writer, search(), true)
  expect(looked).toBeGreaterThan(0)
  expect(looked).toBeLessThan(COUNT)
  const before = looked
  for (let i = 0; i < TIMES; i++) writeInPieces(writer, search(), true)
  expect(looked).toBe(before)
})
