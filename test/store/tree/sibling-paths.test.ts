import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { type DirectoryNode, type Node, nodeAt, pathOf } from '../../../src/store/tree/node.ts'
import { SiblingPaths } from '../../../src/store/tree/sibling-paths.ts'
import { Tree } from '../../../src/store/tree/tree.ts'
import { usedMemory } from '../../server/memory.ts'

const MB = 1024 ** 2

function planted(...paths: string[]): { tree: Tree; nodes: Node[] } {
  const tree = new Tree(new ManualClock())
  const nodes = paths.map((path) => {
    const { parent, name } = tree.makeParent(path)
    return tree.insert(parent, name, 'v', undefined)
  })
  return { tree, nodes }
}

test('siblings that go one after the other have the path of their directory, also after it has moved', () => {
  const { tree, nodes } = planted('/a/b/1', '/a/b/2', '/a/b/3', '/a/c/4', '/5', '/6')
  const paths = new SiblingPaths()
  const [first, second, third, ...others] = nodes
  expect(paths.of(first, 10)).toBe('/a/b/1')
  expect(paths.of(second, 11)).toBe('/a/b/2')
  const directory = nodeAt(tree.root, '/a') as DirectoryNode
  tree.lift(directory)
  tree.hang(directory, tree.root, 'moved')
  expect(paths.of(third, 20)).toBe('/moved/b/3')
  expect(others.map((node, i) => paths.of(node, 21 + i))).toEqual(['/moved/c/4', '/5', '/6'])
})

test('a deep path is kept in one piece', () => {
  const deep = '/a'.repeat(1000)
  const { nodes } = planted(...Array.from({ length: 1000 }, (_, i) => `${deep}/${i}`))
  const before = usedMemory()
  const kept = nodes.map(pathOf)
  expect(usedMemory() - before).toBeLessThan(8 * MB)
  expect(kept[7]).toBe(`${deep}/7`)
})
