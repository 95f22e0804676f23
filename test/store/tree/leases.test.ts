import { describe, expect, test } from 'vitest'
import type { DirectoryNode, Node } from '../../../src/store/tree/node.ts'
import { countGathered, dueIn, planted } from './planted.ts'

describe('the children of a directory that are due', () => {
  test('are found among all children where more nodes are due elsewhere', () => {
    const { tree, put, clock } = planted()
    for (; tree.index < 5000; tree.index++) put(`/other/${tree.index}`, '1', 10)
    for (let i = 0; i < 100; i++) put(`/d/${i}/x`, '1', 10)
    for (let i = 0; i < 1000; i++) put(`/large/${i}`, '1', i === 700 ? 10 : undefined)
    clock.advance(10)
    const gathered = countGathered()
    for (let i = 0; i < 100; i++) {
      const directory = tree.find(`/d/${i}`, 0) as DirectoryNode
      expect(dueIn(tree, directory, clock.now()).map(({ name }) => name)).toEqual(['x'])
    }
    expect(gathered()).toBe(0)
    const large = tree.find('/large', 0) as DirectoryNode
    expect(dueIn(tree, large, clock.now()).map(({ name }) => name)).toEqual(['700'])
    expect(gathered()).toBeLessThan(1000)
  })

  test('are gathered once for any number of directories with more children', () => {
    const { tree, put, clock } = planted()
    for (; tree.index < 300; tree.index++) put(`/other/${tree.index}`, '1', 10)
    for (let i = 0; i < 10; i++) {
      for (let j = 0; j < 5000; j++) put(`/d/${i}/${j}`, '1', j === 7 ? 10 : undefined)
    }
    clock.advance(10)
    const gathered = countGathered()
    let steps = 0
    for (let i = 0; i < 10; i++) {
      const directory = tree.find(`/d/${i}`, 0) as DirectoryNode
      const found = [...tree.due.dueIn(directory, clock.now())]
      expect(found.filter((node) => node !== undefined).map(({ name }) => name)).toEqual(['7'])
      steps += found.length - 1
    }
    expect(gathered()).toBe(310)
    // In each step as many children are looked at, too.
    expect(steps).toBe(2)
  })

  test('are those of the moment, whatever has changed since they were gathered', () => {
    const { tree, put, clock } = planted()
    const directory = () => tree.find('/d', 0) as DirectoryNode
    const names = () => dueIn(tree, directory(), clock.now()).map(({ name }) => name)
    for (const [name, time] of Object.entries({ c: 3, a: 1, b: 2, later: 20 })) {
      put(`/d/${name}`, '1', time)
    }
    clock.advance(10)
    expect(names()).toEqual(['a', 'b', 'c'])
    tree.setExpiry(tree.find('/d/a', 0) as Node, undefined)
    tree.remove(tree.find('/d/b', 0) as Node)
    expect(names()).toEqual(['c'])
    tree.setExpiry(tree.find('/d/a', 0) as Node, clock.now() - 1)
    expect(names()).toEqual(['c', 'a'])
    clock.advance(10)
    expect(names()).toEqual(['c', 'a', 'later'])
  })
})

test('what has become due at once is gathered in short steps, and put in order so', () => {
  const { tree, put, clock } = planted()
  for (let i = 0; i < 5000; i++) {
    put(`/d/${i}`, '1', 10)
    tree.index++
  }
  clock.advance(10)
  const gathered = countGathered()
  const directory = tree.find('/d', 0) as DirectoryNode
  let steps = 0
  for (const node of tree.due.dueIn(directory, clock.now())) {
    if (node !== undefined) break
    steps++
    expect(gathered()).toBeLessThanOrEqual(256 * steps)
  }
  expect(gathered()).toBeGreaterThan(5000 - 256)
  // To be gathered or looked at, and then to be put in order.
  expect(steps).toBeGreaterThanOrEqual(2 * Math.floor(5000 / 256))
})

test('what is due is gathered once, though leases that are already due come, and gone nodes are let go', () => {
  const { tree, put, clock } = planted()
  put('/d/kept', '1')
  put('/z', '1', 10)
  for (let i = 0; i < 100; i++) put(`/d/${i}`, '1', 10)
  clock.advance(10)
  const directory = tree.find('/d', 0) as DirectoryNode
  const gathered = countGathered()
  while (tree.due.gatherSome(clock.now()));
  let looks = 0
  for (const node of dueIn(tree, directory, clock.now())) {
    tree.remove(node)
    Object.defineProperty(node, 'parent', {
      get: () => {
        looks++
        return null
      },
    })
  }
  for (let i = 0; i < 100; i++) {
    const late = put('/d/late', '1', -1)
    expect(dueIn(tree, directory, clock.now())).toEqual([late])
    tree.remove(late)
  }
  expect(gathered()).toBe(101)
  for (let i = 0; i < 100; i++) expect(dueIn(tree, directory, clock.now())).toEqual([])
  expect(looks).toBeLessThanOrEqual(100)
})
