import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FileNode } from '../../../src/store/tree/node.ts'
import { TtlHeap } from '../../../src/store/tree/ttl-heap.ts'

const file = (name = 'a', index = 1): FileNode => new FileNode(name, null as never, '', index)

describe('TtlHeap', () => {
  test('has the next to expire on top', () => {
    const heap = new TtlHeap()
    const nodes = [file(), file(), file()]
    heap.set(nodes[0], 30)
    heap.set(nodes[1], 10)
    heap.set(nodes[2], 20)
    expect(heap.top()?.node).toBe(nodes[1])
    heap.set(nodes[1], 40)
    expect(heap.top()?.node).toBe(nodes[2])
    heap.remove(nodes[2])
    expect(heap.top()?.node).toBe(nodes[0])
    expect(nodes[2].lease).toBeNull()
    expect(heap.size).toBe(2)
  })

  test('takes no notice of the removal of a permanent node', () => {
    const heap = new TtlHeap()
    heap.remove(file())
    expect(heap.size).toBe(0)
    expect(heap.top()).toBeUndefined()
  })

  type Step = ['set', number, number] | ['remove', number] | ['pop']
  const which = fc.nat({ max: 15 })
  const steps = fc.array(
    fc.oneof<fc.Arbitrary<Step>[]>(
      fc.tuple(fc.constant('set'), which, fc.nat({ max: 20 })),
      fc.tuple(fc.constant('remove'), which),
      fc.tuple(fc.constant('pop')),
    ),
    { maxLength: 120, size: 'max' },
  )

  test('gives out what a sorted list would', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const heap = new TtlHeap()
        // Some have one index, as after KRECOVER: their paths decide.
        const nodes = Array.from({ length: 16 }, (_, i) => file(String(15 - i), (i * 7) % 5))
        /** When each node expires. */
        const model = new Map<FileNode, number>()
        const first = (): FileNode | undefined =>
          [...model].sort(
            ([a, time], [b, other]) =>
              time - other || a.createdIndex - b.createdIndex || (a.name < b.name ? -1 : 1),
          )[0]?.[0]
        for (const step of sequence) {
          if (step[0] === 'set') {
            const node = nodes[step[1]]
            heap.set(node, step[2])
            model.set(node, step[2])
          } else {
            const node = step[0] === 'pop' ? heap.top()?.node : nodes[step[1]]
            if (node === undefined) continue
            heap.remove(node)
            model.delete(node as FileNode)
          }
          expect(heap.size).toBe(model.size)
          expect(heap.top()?.node).toBe(first())
        }
        for (const node of nodes) {
          expect(node.lease?.expireTime).toBe(model.get(node))
        }
        while (model.size > 0) {
          const node = first() as FileNode
          expect(heap.top()?.node).toBe(node)
          heap.remove(node)
          model.delete(node)
        }
        expect(heap.top()).toBeUndefined()
      }),
      { numRuns: 500 },
    )
  })
})
