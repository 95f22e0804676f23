import { expect, test } from 'vitest'
import { LeaseList } from '../../../src/store/tree/lease-list.ts'
import { DirectoryNode, FileNode } from '../../../src/store/tree/node.ts'

const parent = new DirectoryNode('', null, 0)
const fileOf = (name: string) => new FileNode(name, parent, '', 1)

test('gives nodes and times in the order in which they were added', () => {
  const list = new LeaseList()
  const [a, b] = [fileOf('a'), fileOf('b')]
  list.add(b, 2000)
  list.add(a, 1000)
  expect([list.size, [...list]]).toEqual([
    2,
    [
      [b, 2000],
      [a, 1000],
    ],
  ])
})

test('keeps the accepted nodes, each with its own time', () => {
  const list = new LeaseList()
  for (const [time, name] of [...'abcdef'].entries()) list.add(fileOf(name), time)
  list.keep(({ name }) => 'bdf'.includes(name))
  expect([...list].map(([{ name }, time]) => [name, time])).toEqual([
    ['b', 1],
    ['d', 3],
    ['f', 5],
  ])
  list.keep(() => false)
  expect([list.size, [...list]]).toEqual([0, []])
})
