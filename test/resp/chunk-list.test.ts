import { expect, test } from 'vitest'
import { ChunkList } from '../../src/resp/chunk-list.ts'

function shiftAll(list: ChunkList): Buffer[] {
  const blocks: Buffer[] = []
  for (let block = list.shift(); block !== undefined; block = list.shift()) blocks.push(block)
  return blocks
}

test('bytes come out in order, by shift and by join', () => {
  const chunks = Array.from({ length: 300 }, (_, n) => Buffer.alloc(n % 50 ? n : 10_000 + n, n))
  const all = Buffer.concat(chunks)
  const shifted = new ChunkList()
  const joined = new ChunkList()
  for (const chunk of chunks) {
    shifted.append(chunk)
    joined.append(chunk)
  }
  expect(shifted.length).toBe(all.length)
  expect(Buffer.concat(shiftAll(shifted)).equals(all)).toBe(true)
  expect(shifted.length).toBe(0)
  const end = Buffer.from('end')
  expect(joined.join(end).equals(Buffer.concat([all, end]))).toBe(true)
  expect(joined.length).toBe(0)
  expect(joined.shift()).toBeUndefined()
})

test('appending goes on after shift, join and clear', () => {
  const list = new ChunkList()
  list.append(Buffer.from('a'))
  expect(list.shift()?.toString()).toBe('a')
  list.append(Buffer.from('b'))
  list.append(Buffer.from('c'))
  expect(list.join(Buffer.from('d')).toString()).toBe('bcd')
  list.append(Buffer.from('e'))
  list.clear()
  list.append(Buffer.from('f'))
  expect(list.length).toBe(1)
  expect(list.join(Buffer.alloc(0)).toString()).toBe('f')
})

test('the memory is about the number of bytes held', () => {
  const list = new ChunkList()
  for (let n = 0; n < 100; n++) list.append(Buffer.alloc(1_000_000).subarray(0, 10_000))
  for (let n = 0; n < 100_000; n++) list.append(Buffer.from('x'))
  const blocks = shiftAll(list)
  const memory = new Set(blocks.map((block) => block.buffer))
  const cost = [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0)
  expect(cost).toBeLessThan(1_200_000)
  expect(blocks.length).toBeLessThan(120)
})

test('an appended chunk may be overwritten', () => {
  const list = new ChunkList()
  const chunk = Buffer.alloc(65536, 'a')
  list.append(chunk)
  chunk.fill('b')
  expect(shiftAll(list).every((block) => block.every((byte) => byte === 0x61))).toBe(true)
})
