import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Changes } from '../../../src/store/tree/changes.ts'
import { DueNodes } from '../../../src/store/tree/due-nodes.ts'
import { copyNodes } from '../../../src/store/tree/lease-list.ts'
import {
  type DirectoryNode,
  type Lease,
  type Node,
  nodeAt,
  nodesBelow,
  pathOf,
} from '../../../src/store/tree/node.ts'
import { Tree } from '../../../src/store/tree/tree.ts'
import { byLease, TtlHeap } from '../../../src/store/tree/ttl-heap.ts'
import { countGathered, dueIn, planted } from './planted.ts'

const pathsIn = (tree: Tree): string[] => [...nodesBelow(tree.root)].map(pathOf).sort()

describe('a look-up', () => {
  test('finds a node by any path that leads to it', () => {
    const { tree, put, clock } = planted()
    const file = put('/a/b', '1')
    for (const path of ['/a/b', 'a/b']) {
      expect(tree.walk(path, clock.now())).toBe(file)
      expect(tree.lookup(path)).toBe(file)
      expect(tree.permanentFile(path)).toBe(file)
    }
    for (const path of ['//a/b/', 'missing/../a/b', 'a/./b']) expect(tree.lookup(path)).toBe(file)
    expect(tree.lookup('/')).toBe(tree.root)
    expect(tree.lookup('/a/missing')).toBeUndefined()
    expect(tree.lookup('/a/b/c')).toBeUndefined()
  })

  test('does not find what has expired, nor what is below it', () => {
    const { tree, put, clock } = planted()
    put('/d', undefined, 10)
    const file = put('/d/f', '1')
    expect(tree.lookup('/d/f')).toBe(file)
    expect(tree.permanentFile('/d/f')).toBeUndefined()
    expect(tree.isVisible(file, clock.now())).toBe(true)
    clock.advance(10)
    expect(tree.lookup('/d/f')).toBeUndefined()
    expect(tree.walk('/d/f', clock.now())).toBeUndefined()
    expect([tree.isVisible(file, clock.now()), tree.isAttached(file)]).toEqual([false, true])
  })

  test('names the first missing path, or the file that stands on the way', () => {
    const { tree, put } = planted()
    put('/a/b', '1')
    tree.index = 7
    expect(() => tree.find('a/x/y', 0)).toThrow(
      expect.objectContaining({ code: 100, cause: '/a/x', index: 7 }),
    )
    const notDirectory = expect.objectContaining({ code: 104, cause: '/a/b', index: 7 })
    expect(() => tree.find('a/b/c', 0)).toThrow(notDirectory)
    expect(() => tree.makeParent('a/b/c')).toThrow(notDirectory)
    expect(() => tree.writable('/a/..')).toThrow(expect.objectContaining({ code: 107, index: 7 }))
  })

  test('asks for the time only where something has a TTL', () => {
    const { tree, put, clock } = planted()
    put('/a', '1')
    expect(tree.now()).toBe(0)
    expect(tree.now(clock.now() + 1)).toBe(clock.now())
    const leased = put('/b', '1', 10)
    expect(tree.now()).toBe(clock.now())
    tree.setExpiry(leased, undefined)
    expect(tree.now()).toBe(0)
  })
})

test('the first expired node on the way is the one that a write has to expire', () => {
  const { tree, put, clock } = planted()
  const directory = put('/a/d', undefined, 10)
  const file = put('/a/d/f', '1', 5)
  const now = clock.now()
  expect(tree.overdueOn('/a/d/f', now)).toBeUndefined()
  expect(tree.overdueOn('a/d/f', now + 5)).toBe(file)
  expect(tree.overdueOn('/a/d', now + 5)).toBeUndefined()
  expect(tree.overdueOn('/a/d/f', now + 10)).toBe(directory)
  expect(tree.overdueOn('/a/d/missing/g', now + 10)).toBe(directory)
  expect(tree.overdueOn('/', now + 10)).toBeUndefined()
})

test('new nodes get the next index, and so do those that are touched or renewed', () => {
  const { tree, put } = planted()
  tree.index = 4
  const file = put('/d/f', '1')
  const indexes = (node: Node) => [node.createdIndex, node.modifiedIndex]
  expect([indexes(file), indexes(file.parent as DirectoryNode)]).toEqual([
    [5, 5],
    [5, 5],
  ])
  tree.index = 5
  tree.touch(file)
  expect(indexes(file)).toEqual([5, 6])
  tree.index = 6
  tree.renew(file)
  expect(indexes(file)).toEqual([7, 7])
})

describe('removal', () => {
  test('of a directory takes the leases below back bit by bit', () => {
    const { tree, put } = planted()
    for (let i = 0; i < 10; i++) put(`/d/sub/${i}`, '1', 1000)
    const directory = tree.find('/d', 0)
    tree.remove(directory)
    expect([tree.lookup('/d'), tree.root.files, tree.leases]).toEqual([undefined, 0, 10])
    expect([tree.needsReclaim, tree.reclaim(5)]).toEqual([true, true])
    expect(tree.leases).toBeGreaterThan(0)
    expect(tree.reclaim(Number.POSITIVE_INFINITY)).toBe(false)
    expect([tree.needsReclaim, tree.leases, tree.fileList.length]).toEqual([false, 0, 0])
  })

  test('leaves what is due below it in the heap, to be told from what is in the tree', () => {
    const { tree, put, clock } = planted()
    put('/d/f', '1', 10)
    put('/e', '1', 20)
    tree.remove(tree.find('/d', clock.now()))
    clock.advance(20)
    const due = tree.firstDue(clock.now())
    expect(due?.name).toBe('f')
    expect(tree.isAttached(due as Node)).toBe(false)
    const all = new DueNodes(tree, clock.now())
    expect([all.touch('/d/f', 0), all.touch('/e', 0)]).toEqual([false, true])
  })
})

test('what is due is compared with paths at, above and below it', () => {
  const { tree, put, clock } = planted()
  put('/d/a', '1', 20)
  put('/d/sub/b', '1', 10)
  put('/d/c', '1', 30)
  put('/e/f', '1')
  clock.advance(20)
  const due = new DueNodes(tree, clock.now())
  const touched = (since: number) =>
    ['/', '/d', '/d/a', '/d/a/x', '/d/sub', '/d/sub/b', '/d/c', '/e', '/e/f', '/missing'].filter(
      (path) => due.touch(path, clock.now() - since),
    )
  expect(touched(20)).toEqual(['/', '/d', '/d/a', '/d/a/x', '/d/sub', '/d/sub/b'])
  expect(touched(10)).toEqual(['/', '/d', '/d/a', '/d/a/x'])
  expect(touched(0)).toEqual([])
  const isBelow = (path: string) => due.isBelow(tree.find(path, 0) as DirectoryNode)
  expect([isBelow('/d'), isBelow('/d/sub'), isBelow('/e')]).toEqual([true, true, false])
})

test('what is due is gathered once, however often it is compared with paths, and whatever changes meanwhile', () => {
  const { tree, put, clock } = planted()
  for (let i = 0; i < 100; i++) put(`/d/${i}/x`, '1', 10)
  for (let i = 0; i < 100; i++) put(`/later/${i}`, '1', 11 + i)
  tree.insert(tree.root, 'e', undefined, undefined)
  clock.advance(10)
  const gathered = countGathered()
  for (let i = 0; i < 100; i++) {
    // Time goes on, and there are writes.
    clock.advance(1)
    put(`/e/${i}`, '1', i % 2 === 0 ? 1000 : -5)
    const due = new DueNodes(tree, clock.now())
    expect([due.touch('/e', clock.now()), due.touch('/d', 0), due.touch(`/d/${i}`, 0)]).toEqual([
      false,
      true,
      true,
    ])
    expect(due.touch('/later', clock.now() - 1)).toBe(true)
  }
  expect(gathered()).toBe(200)
})

test('where a million nodes of a directory are due, a few are looked at to find one', () => {
  const { tree, put, clock } = planted()
  for (; tree.index < 20_000; tree.index++) put(`/d/${tree.index}`, '1', 10)
  put('/other/x', '1', 10)
  clock.advance(10)
  const moved = vi.spyOn(TtlHeap.prototype, 'insert')
  onTestFinished(() => moved.mockRestore())
  expect(tree.due.hasDue(tree.root, 0, clock.now())).toBe(true)
  expect(new DueNodes(tree, clock.now()).touch('/d', 0)).toBe(true)
  expect(moved.mock.calls.length).toBeLessThan(1000)
  // Those of another directory may be any of them.
  expect(new DueNodes(tree, clock.now()).touch('/other', 0)).toBe(true)
})

test('many are due where a question might have to move more than a thousand', () => {
  const { tree, put, clock } = planted()
  for (; tree.index < 2000; tree.index++) put(`/d/${tree.index}`, '1', 10)
  expect(tree.due.hasManyDue(clock.now())).toBe(false)
  clock.advance(10)
  expect(tree.due.hasManyDue(clock.now())).toBe(true)
  // Those that have been moved need not be again.
  for (let steps = 0; steps < 4; steps++) tree.due.gatherSome(clock.now())
  expect(tree.due.hasManyDue(clock.now())).toBe(false)
})

test('what is due is known with its directories only while it is there', () => {
  const { tree, put, clock } = planted()
  put('/kept/x', '1')
  for (let i = 0; i < 10; i++) {
    put(`/a/${i}/b/c/x`, '1', 10)
    put(`/a/${i}/b/d/x`, '1', 10)
  }
  clock.advance(10)
  expect(tree.due.hasDue(tree.root, 0, clock.now())).toBe(true)
  expect(tree.due.directories).toBe(1 + 1 + 10 * 4)
  tree.remove(tree.find('/a/0/b', 0))
  tree.reclaim(Number.POSITIVE_INFINITY)
  expect(tree.due.directories).toBe(1 + 1 + 9 * 4)
  tree.remove(tree.find('/a/1/b/c/x', 0))
  tree.setExpiry(tree.find('/a/1/b/d/x', 0), undefined)
  expect(tree.due.directories).toBe(1 + 1 + 8 * 4)
  tree.lift(tree.find('/a/2', 0) as DirectoryNode)
  expect(tree.due.directories).toBe(1 + 1 + 7 * 4)
  tree.remove(tree.find('/a', 0))
  expect(tree.due.hasDue(tree.root, 0, clock.now())).toBe(false)
  tree.reclaim(Number.POSITIVE_INFINITY)
  expect([tree.due.directories, tree.leases]).toEqual([0, 0])
})

test('what is due in and below a directory is that of a naive model, whatever changes', () => {
  const NAMES = ['a', 'b', 'c']
  const name = fc.constantFrom(...NAMES)
  const what = fc.constantFrom(
    ...([
      'put',
      'expire',
      'expire directory',
      'keep',
      'remove',
      'drop',
      'reclaim',
      'move',
    ] as const),
    ...(['ask', 'ask', 'ask below', 'ask below', 'take', 'pass', 'pass', 'jump'] as const),
    ...(['gather', 'gather'] as const),
  )
  const step = fc.record({
    what,
    dir: name,
    isDeep: fc.boolean(),
    name,
    // Leases of the past are due at once.
    time: fc.integer({ min: -5, max: 5 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      const { tree, put, clock } = planted()
      const isDue = ({ lease }: Node): boolean => lease !== null && lease.expireTime <= clock.now()
      for (const { what, dir, isDeep, name, time } of steps) {
        // Some nodes have the same index, as after KRECOVER.
        tree.index += Math.abs(time) % 2
        for (const each of NAMES) {
          if (nodeAt(tree.root, `/${each}/sub`) === undefined) put(`/${each}/sub/kept`, '1')
        }
        const directory = nodeAt(tree.root, isDeep ? `/${dir}/sub` : `/${dir}`) as DirectoryNode
        const node = directory.children.list.find((child) => child.name === name)
        const parent = directory.parent as DirectoryNode
        if (what === 'pass') clock.advance(Math.abs(time))
        else if (what === 'jump') clock.jump(time)
        else if (what === 'put') {
          if (node !== undefined) tree.remove(node)
          tree.insert(directory, name, '1', clock.now() + time)
        } else if (what === 'expire' && node !== undefined) {
          tree.renew(node)
          tree.setExpiry(node, clock.now() + time)
        } else if (what === 'expire directory') {
          tree.setExpiry(directory, clock.now() + time)
        } else if (what === 'keep') {
          tree.setExpiry(node ?? directory, undefined)
        } else if (what === 'remove' && node !== undefined) {
          tree.remove(node)
        } else if (what === 'drop') {
          tree.remove(directory)
        } else if (what === 'reclaim') {
          tree.reclaim(Math.abs(time))
        } else if (what === 'move') {
          const leases = tree.lift(directory)
          tree.hang(directory, parent, directory.name)
          for (const [moved, expireTime] of leases) tree.setExpiry(moved, expireTime)
        } else if (what === 'gather') {
          tree.due.gatherSome(clock.now(), Math.abs(time))
        } else if (what === 'ask' || what === 'take') {
          const found = dueIn(tree, directory, clock.now())
          expect(found).toEqual(directory.children.list.filter(isDue).sort(byLease))
          if (what === 'take') for (const each of found) tree.remove(each)
        } else if (what === 'ask below') {
          const since = clock.now() + time - 3
          const found = [...nodesBelow(directory)].some(
            (each) => isDue(each) && (each.lease as Lease).expireTime > since,
          )
          expect(tree.due.hasDue(directory, since, clock.now())).toBe(found)
        }
      }
      // All that is due goes, the oldest first.
      clock.advance(1000)
      let last = Number.NEGATIVE_INFINITY
      for (let due = tree.firstDue(clock.now()); due; due = tree.firstDue(clock.now())) {
        const { expireTime } = due.lease as Lease
        expect(expireTime).toBeGreaterThanOrEqual(last)
        last = expireTime
        if (tree.isAttached(due)) tree.remove(due)
        else tree.setExpiry(due, undefined)
      }
      tree.reclaim(Number.POSITIVE_INFINITY)
      expect([tree.leases, tree.due.directories]).toEqual([0, 0])
    }),
    { numRuns: 1000 },
  )
})

test('a directory that is lifted and hung elsewhere keeps all below it', () => {
  const { tree, put, clock } = planted()
  put('/old/d/f', '1', 1000)
  put('/new', undefined)
  const directory = tree.find('/old/d', 0) as DirectoryNode
  const leases = tree.lift(directory)
  expect([tree.lookup('/old/d/f'), tree.root.files]).toEqual([undefined, 0])
  tree.hang(directory, tree.find('/new', 0) as DirectoryNode, 'e')
  expect(pathsIn(tree)).toEqual(['/new', '/new/e', '/new/e/f', '/old'])
  expect([tree.root.files, tree.leases, tree.fileList.length]).toEqual([1, 0, 1])
  expect([...leases]).toEqual([[tree.find('/new/e/f', 0), clock.now() + 1000]])
})

test('clear drops all nodes, and notes for the copy that all are replaced', () => {
  const { tree, put } = planted()
  const changes = new Changes()
  tree.changes = changes
  tree.root.createdIndex = 3
  put('/a/b', '1', 1000)
  tree.clear()
  expect([pathsIn(tree), tree.root.files, tree.leases, tree.fileList.length]).toEqual([[], 0, 0, 0])
  expect([changes.replaced, tree.root.createdIndex]).toEqual([true, 3])
})

test('a copy of the nodes goes its own way', () => {
  const { tree, put, clock } = planted()
  put('/a/b', '1', 1000)
  put('/c', '2')
  const { root, leases } = copyNodes(tree.root)
  const copy = new Tree(clock)
  copy.restore(root, leases, 9)
  expect([pathsIn(copy), copy.root.files, copy.index]).toEqual([pathsIn(tree), 2, 9])
  expect(copy.nextExpiry()).toBe(tree.nextExpiry())
  copy.remove(copy.find('/a', 0))
  put('/d', '3')
  expect([pathsIn(copy), pathsIn(tree)]).toEqual([['/c'], ['/a', '/a/b', '/c', '/d']])
})
