import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  attach,
  DirectoryNode,
  detach,
  FileNode,
  type Node,
  pathOf,
} from '../../../src/store/tree/node.ts'
import { isPathBefore, TtlHeap } from '../../../src/store/tree/ttl-heap.ts'

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

describe('the order of nodes by their paths', () => {
  /** Where each node lies, as a number of a directory that was made before, and its name. */
  const places = fc.array(
    fc.tuple(
      fc.nat({ max: 30 }),
      fc.constantFrom('a', 'aa', 'a!', 'a0', 'b', 'a!b', 'a\xff'),
      fc.boolean(),
    ),
    { minLength: 2, maxLength: 20 },
  )

  test('is that of the paths as strings, below removed directories, too', () => {
    fc.assert(
      fc.property(places, fc.nat({ max: 20 }), (all, removed) => {
        const root = new DirectoryNode('', null, 1)
        const directories = [root]
        const nodes: Node[] = []
        for (const [which, name, dir] of all) {
          const parent = directories[which % directories.length]
          if (parent.children.list.some((other) => other.name === name)) continue
          const node = dir ? new DirectoryNode(name, parent, 1) : new FileNode(name, parent, '', 1)
          attach(parent, node)
          nodes.push(node)
          if (node.dir) directories.push(node)
        }
        if (removed < nodes.length) detach(nodes[removed])
        for (const a of nodes) {
          for (const b of nodes) expect(isPathBefore(a, b)).toBe(pathOf(a) < pathOf(b))
        }
      }),
      { numRuns: 500 },
    )
  })

  test('looks no further than where the paths part', () => {
    let reads = 0
    const parents = [new DirectoryNode('', null, 1)]
    for (let i = 0; i < 1000; i++) {
      const parent = parents[i]
      const node = new DirectoryNode('a', parent, 1)
      Object.defineProperty(node, 'parent', {
        get: () => {
          reads++
          return parent
        },
      })
      parents.push(node)
    }
    const files = ['a', 'b'].map((name) => new FileNode(name, parents[1000], '', 1))
    expect(isPathBefore(files[0], files[1])).toBe(true)
    expect(isPathBefore(files[1], files[0])).toBe(false)
    expect(isPathBefore(parents[990], parents[1000])).toBe(true)
    expect(isPathBefore(parents[1000], parents[990])).toBe(false)
    expect(reads).toBeLessThan(200)
  })
})
