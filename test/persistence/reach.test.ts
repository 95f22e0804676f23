import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countAll, findCircles, isIn, reachableFrom } from '../../src/persistence/reach.ts'
import { DirectoryNode, detach, link, nodesBelow } from '../../src/store/tree/node.ts'

/** Whether there is no end above a directory. */
function isEndless(directory: DirectoryNode, count: number): boolean {
  let at: DirectoryNode | null = directory
  for (let steps = 0; at !== null && steps <= count; steps++) at = at.parent
  return at !== null
}

test('circles are found as by a naive walk, and are none once their ends are cut', () => {
  const parents = fc.array(fc.option(fc.nat({ max: 14 })), { minLength: 1, maxLength: 15 })
  fc.assert(
    fc.property(parents, (parents) => {
      const { length } = parents
      const all = parents.map((_, i) => new DirectoryNode(String(i), null, 1))
      const [root] = all
      for (const [i, parent] of parents.entries()) {
        if (i > 0 && parent !== null) link(all[parent % length], all[i])
      }
      const live = reachableFrom(root)
      const { ends, count } = findCircles(all, live)
      expect(count).toBe(all.filter((each) => isEndless(each, length)).length)
      for (const end of ends) {
        expect(isEndless(end, length)).toBe(true)
        detach(end)
      }
      expect(findCircles(all, live)).toEqual({ ends: [], count: 0 })
      countAll(new Map(all.map((each, i) => [i, each])))
      for (const each of all) expect(each.nodes).toBe([...nodesBelow(each)].length)
      for (const each of all) expect(live.has(each)).toBe(isIn(root, each))
    }),
    { numRuns: 1000 },
  )
})

test('each directory is met once', () => {
  const top = new DirectoryNode('', null, 1)
  const all = [top]
  let looks = 0
  for (let i = 0; i < 2000; i++) {
    const above = all[i]
    const directory = new DirectoryNode('d', above, 1)
    Object.defineProperty(directory, 'parent', {
      get: () => {
        looks++
        return above
      },
    })
    all.push(directory)
  }
  findCircles(all, new Set())
  findCircles(all.toReversed(), new Set())
  expect(looks).toBeLessThanOrEqual(2 * 2000)
})
