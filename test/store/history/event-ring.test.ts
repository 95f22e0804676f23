import { expect, test } from 'vitest'
import { EventRing } from '../../../src/store/history/event-ring.ts'
import { ShortEvent } from '../../../src/store/history/short-event.ts'
import { DirectoryNode, FileNode } from '../../../src/store/tree/node.ts'

const file = new FileNode('a', new DirectoryNode('', null, 0), 'x', 1)

test('a ring is a queue, across all its pieces', () => {
  let ring = new EventRing()
  let [first, next] = [0, 0]
  const check = (): void => {
    expect(ring.size).toBe(next - first)
    const expected = Array.from({ length: next - first }, (_, i) => first + i)
    const slice = (from: number, count: number) => ring.slice(from, count).map(({ index }) => index)
    expect(slice(0, Number.POSITIVE_INFINITY)).toEqual(expected)
    expect(slice(1000, 3000)).toEqual(expected.slice(1000, 4000))
    expect(slice(ring.size, 10)).toEqual([])
    for (let i = 0; i < ring.size; i += 97) {
      expect([ring.at(i).index, ring.indexAt(i)]).toEqual([first + i, first + i])
    }
  }
  // Pieces have 2048 places: fills, empties, and meets their ends exactly.
  for (const [pushed, shifted] of [
    ...[
      [2048, 2048],
      [2048, 1],
      [5000, 100],
      [0, 6947],
      [1, 1],
      [10_000, 9000],
      [1047, 2047],
    ],
    ...[
      [2048, 2048],
      [100, 100],
      [4096, 0],
      [0, 4096],
    ],
  ]) {
    for (let i = 0; i < pushed; i++) {
      ring.push(new ShortEvent('/a', 'x', next, file), 2 * next, next % 5)
      next++
    }
    check()
    for (let i = 0; i < shifted; i++) {
      const { frontIndex, frontBytes, frontCrowd } = ring
      if (i % 97 === 0 || i === shifted - 1) {
        expect([frontIndex, frontBytes, frontCrowd]).toEqual([first, 2 * first, first % 5])
      }
      if (ring.shift().index !== first++) expect.fail('another event than the oldest')
    }
    check()
    const copy = ring.clone()
    if (copy.size > 0) {
      expect([copy.frontBytes, copy.frontCrowd]).toEqual([2 * first, 0])
      copy.shift()
    }
    copy.push(new ShortEvent('/b', 'x', 0, file), 1, 0)
    check()
  }
  ring = ring.clone()
  check()
})
