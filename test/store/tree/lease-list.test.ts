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

test('a list of many pieces gives and keeps them in order', () => {
  const list = new LeaseList()
  for (let time = 0; time < 5000; time++) list.add(fileOf(`${time}`), time)
  const times = (): number[] =>
    [...list].map(([{ name }, time]) => Number(name === `${time}`) * time)
  expect(times()).toEqual(Array.from({ length: 5000 }, (_, time) => time))
  list.keep(({ name }) => Number(name) % 3 === 0)
  expect([list.size, times()]).toEqual([1667, Array.from({ length: 1667 }, (_, i) => 3 * i)])
  list.add(fileOf('7'), 7)
  list.keep(({ name }) => Number(name) < 3072)
  expect([list.size, times().slice(-2)]).toEqual([1025, [3069, 7]])
})
