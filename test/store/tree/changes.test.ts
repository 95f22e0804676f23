import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { Store } from '../../../src/store/store.ts'
import { type ChangeSet, Changes, isEmpty, Tally } from '../../../src/store/tree/changes.ts'
import { type DirectoryNode, type Node, pathOf } from '../../../src/store/tree/node.ts'
import { type Write, write, writeOrMove } from '../random-writes.ts'

/** A store whose changes are noted. */
function noted() {
  const clock = new ManualClock()
  const store = new Store({ clock })
  const changes = new Changes()
  store.changes = changes
  return { store, clock, changes, take: () => changes.take(store.index) }
}

const keysOf = ({ nodes }: ChangeSet): string[] => nodes.map(pathOf).sort()

/** Every directory and file, and what a copy has to be told of it. */
function nodesOf(root: DirectoryNode): Node[] {
  const nodes: Node[] = [root]
  for (const child of root.children.values()) {
    if (child.dir) nodes.push(...nodesOf(child))
    else nodes.push(child)
  }
  return nodes
}

/** Writes, with looks at the notes between them. */
function steps<Step>(
  one: fc.Arbitrary<Write>,
  look: fc.Arbitrary<Step>,
  maxLength: number,
): fc.Arbitrary<(Write | Step)[]> {
  return fc.array(fc.oneof({ weight: 4, arbitrary: one }, look), { maxLength, size: 'max' })
}

describe('Changes', () => {
  test('has each node once between two looks', () => {
    const { store, take } = noted()
    store.set('/a/b', '1')
    store.set('/a/b', '2')
    store.update('/a/b', '3')
    store.update('/a', '', { expireTime: 1e15 })
    store.set('/c', '1')
    expect(keysOf(take())).toEqual(['/a', '/a/b', '/c'])
    store.set('/c', '2')
    store.compareAndSwap('/c', { prevValue: '2' }, '3')
    store.set('/c', '', { refresh: true })
    expect(keysOf(take())).toEqual(['/c'])
    expect(isEmpty(take())).toBe(true)
  })

  test('has nothing of writes that failed, and of reads', () => {
    const { store, changes, take } = noted()
    store.set('/a/b', '1')
    take()
    const { writes } = changes
    for (const attempt of [
      () => store.create('/a/b', '1'),
      () => store.set('/a', '1'),
      () => store.set('/a/b/c', '1'),
      () => store.update('/a', 'x'),
      () => store.update('/none', 'x'),
      () => store.compareAndSwap('/a/b', { prevValue: '2' }, '3'),
      () => store.delete('/a'),
      () => store.get('/none'),
    ]) {
      expect(attempt).toThrow()
    }
    store.get('/', { recursive: true })
    expect([changes.writes, changes.hasNotes]).toEqual([writes, false])
    expect(isEmpty(take())).toBe(true)
  })

  test('tells of each write that no command covers, before watchers are told', () => {
    const { store, changes } = noted()
    const told: string[] = []
    changes.direct = {
      onEvent: ({ action }) => told.push(action),
      onRecovery: () => told.push('recovery'),
    }
    store.watch('/', { recursive: true, stream: true }, ({ action }) => told.push(`seen ${action}`))
    store.set('/a', '1')
    changes.covered = true
    store.set('/a', '2')
    changes.covered = false
    store.delete('/a')
    store.recovery(new Store().save())
    expect(told).toEqual(['set', 'seen set', 'seen set', 'delete', 'seen delete', 'recovery'])
    expect(changes.writes).toBe(4)
  })

  test('shows each node to a copy in the making, before its first change', () => {
    const { store, changes, take } = noted()
    for (const path of ['/a/b', '/a/c', '/d/e', '/f']) store.set(path, '1')
    take()
    const captured: string[] = []
    changes.frozen = {
      capture: (node) => captured.push(`${pathOf(node)} ${node.dir ? '' : node.value}`),
    }
    store.set('/f', '2')
    store.set('/f', '3')
    store.update('/a/b', '2')
    store.set('/new', '1')
    store.rename('/a', '/moved')
    store.delete('/d', { recursive: true })
    store.reclaim(Number.POSITIVE_INFINITY)
    expect(captured).toEqual(['/f 1', '/a/b 1', '/a ', '/moved/c 1', '/d ', '/e 1'])
  })

  test('tells of removed nodes that the copy has, in the terms of the copy', () => {
    const { store, changes, take } = noted()
    store.set('/d/e/f', '1')
    store.set('/d/g', '1')
    store.set('/h', '1')
    changes.firstId = 5
    store.root.id = 5
    const directories = nodesOf(store.root).filter((node) => node.dir)
    for (const [i, directory] of directories.entries()) directory.id = 5 + i
    take()
    const d = store.root.children.get('d')
    expect(d?.dir && d.id).toBe(6)
    store.delete('/h')
    store.delete('/d', { recursive: true })
    store.reclaim(Number.POSITIVE_INFINITY)
    const { removedFiles, removedDirectories } = take()
    const byName = [...removedFiles].sort((a, b) => (a.name < b.name ? -1 : 1))
    expect(byName).toEqual([
      { parentId: 7, name: 'f' },
      { parentId: 6, name: 'g' },
      { parentId: 5, name: 'h' },
    ])
    expect([...removedDirectories].sort()).toEqual([6, 7])
  })

  test('is silent of removed nodes that the copy never had', () => {
    const { store, take } = noted()
    store.set('/d/e/f', '1')
    store.delete('/d', { recursive: true })
    store.reclaim(Number.POSITIVE_INFINITY)
    const { removedFiles, removedDirectories } = take()
    expect([removedFiles, removedDirectories]).toEqual([[], []])
  })

  test('keeps few notes of nodes that come and go between two looks', () => {
    const { store, changes, take } = noted()
    store.root.id = changes.firstId
    store.set('/kept', '1')
    take()
    for (let round = 0; round < 100; round++) {
      store.set('/lasting', `${round}`)
      store.delete('/kept')
      for (let i = 0; i < 20; i++) store.set(`/${i}`, '1', { expireTime: 1e15 })
      for (let i = 0; i < 20; i++) store.set(`/d${i}/e/f`, '1')
      for (let i = 0; i < 20; i++) store.delete(`/${i}`)
      for (let i = 0; i < 20; i++) store.delete(`/d${i}`, { recursive: true })
      store.set('/kept', '2')
    }
    store.rename('/lasting', '/stays')
    const { nodes, removedFiles, removedDirectories } = take()
    const live = nodes.filter((node) => node.parent !== null)
    expect(live.map(pathOf).sort()).toEqual(['/kept', '/stays'])
    // A round has 80 at the same time.
    expect(nodes.length).toBeLessThan(200)
    expect([removedFiles, removedDirectories]).toEqual([[{ parentId: 1, name: 'kept' }], []])
  })

  test('has a directory that is new when it is moved while others are cleared away', () => {
    const { store, take } = noted()
    for (let i = 0; i < 200; i++) store.set(`/gone/${i}`, '1')
    store.set('/d/e', '1')
    store.delete('/gone', { recursive: true })
    store.rename('/d', '/moved')
    expect(keysOf(take()).filter((key) => !/^.[0-9]/.test(key))).toEqual(['/moved', '/moved/e'])
  })

  test('tells of what is cleared away in passing without another write', () => {
    const { store, changes, take } = noted()
    for (let i = 0; i < 200; i++) store.set(`/d/${i}`, '1')
    for (const node of nodesOf(store.root)) if (node.dir) node.id = changes.firstId
    take()
    store.delete('/d', { recursive: true })
    const first = take().removedFiles.length
    expect(first).toBeLessThan(200)
    expect(changes.hasNotes).toBe(false)
    store.reclaim(Number.POSITIVE_INFINITY)
    expect(changes.hasNotes).toBe(true)
    expect(first + take().removedFiles.length).toBe(200)
  })

  test('forgets all when the tree is replaced', () => {
    const { store, changes, take } = noted()
    store.set('/a/b', '1')
    take()
    store.set('/c', '1')
    store.recovery(new Store().save())
    expect(changes.replaced).toBe(true)
    expect(isEmpty(take())).toBe(true)
  })

  test('brings a copy to the state of the tree, whenever it is looked at', () => {
    const look = fc.constantFrom('look' as const, 'compare' as const)
    fc.assert(
      fc.property(steps(writeOrMove, look, 60), (sequence) => {
        const { store, clock, changes, take } = noted()
        store.root.id = changes.nextId++
        const copy = new Map<string, string>()
        const keyOf = (node: Node): string => {
          const parent = node.parent as DirectoryNode
          if (parent.id < changes.firstId) parent.id = changes.nextId++
          if (node.dir && node.id < changes.firstId) node.id = changes.nextId++
          return node.dir ? `${node.id}` : `${parent.id} ${node.name}`
        }
        const recordOf = (node: Node): string =>
          `${node.parent?.id} ${node.name} ${node.modifiedIndex} ${node.dir ? '' : node.value}`
        const apply = (): void => {
          const isWhole = changes.replaced
          if (isWhole) {
            store.root.id = changes.firstId = changes.nextId++
            changes.replaced = false
            copy.clear()
          }
          const { nodes, removedFiles, removedDirectories } = take()
          for (const { parentId, name } of removedFiles) copy.delete(`${parentId} ${name}`)
          for (const id of removedDirectories) copy.delete(`${id}`)
          if (isWhole) nodes.push(...nodesOf(store.root))
          for (const node of nodes) if (node.parent !== null) copy.set(keyOf(node), recordOf(node))
        }
        const compare = (): void => {
          store.reclaim(Number.POSITIVE_INFINITY)
          apply()
          const all = nodesOf(store.root).slice(1)
          expect(copy).toEqual(new Map(all.map((node) => [keyOf(node), recordOf(node)])))
        }
        for (const step of sequence) {
          if (step === 'look') apply()
          else if (step === 'compare') compare()
          else step(store)
          clock.advance(1)
          store.deleteExpiredKeys(clock.now())
        }
        compare()
      }),
      { numRuns: 500 },
    )
  })

  test('has every node that differs from a copy, and tallies those in the copy', () => {
    const look = fc.constant('look' as const)
    fc.assert(
      fc.property(steps(write, look, 40), (sequence) => {
        const { store, clock, changes, take } = noted()
        // Keys of nodes, with what a copy knows of each.
        let copy = new Map<string, string>()
        const describe = (node: Node): string =>
          `${node.createdIndex} ${node.modifiedIndex} ${node.lease?.expireTime} ${node.dir ? '' : node.value}`
        const compare = (): void => {
          const changed = new Set(take().nodes)
          const now = new Map(nodesOf(store.root).map((node) => [pathOf(node), describe(node)]))
          for (const node of nodesOf(store.root)) {
            if (node === store.root || changed.has(node)) continue
            expect(copy.get(pathOf(node))).toBe(describe(node))
          }
          copy = now
          store.reclaim(Number.POSITIVE_INFINITY)
          const nodes = nodesOf(store.root).slice(1)
          expect(changes.tally.count).toBe(nodes.length)
          expect(changes.tally.sum).toBe(nodes.reduce((sum, node) => sum + node.modifiedIndex, 0))
        }
        for (const step of sequence) {
          if (step === 'look') compare()
          else step(store)
          clock.advance(1)
          store.deleteExpiredKeys(clock.now())
        }
        compare()
      }),
      { numRuns: 300 },
    )
  })
})

describe('Tally', () => {
  test('is the same in whatever order, however large the numbers', () => {
    const indexes = fc.array(fc.maxSafeNat(), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(indexes, fc.maxSafeNat(), (list, other) => {
        const [one, two] = [new Tally(), new Tally()]
        for (const index of list) one.add(index)
        one.add(other)
        one.remove(other)
        for (const index of [...list].reverse()) two.add(index)
        expect(two).toEqual(one)
        expect(one.count).toBe(list.length)
        expect(Number.isSafeInteger(one.sum) && one.sum >= 0).toBe(true)
        one.change(list[0], other)
        one.change(other, list[0])
        expect(one).toEqual(two)
      }),
      { numRuns: 500 },
    )
  })

  test('tells versions apart', () => {
    const [one, two] = [new Tally(), new Tally()]
    one.add(5)
    two.add(6)
    expect(one).not.toEqual(two)
    one.change(5, 6)
    expect(one).toEqual(two)
  })
})
