import { expect, onTestFinished, test, vi } from 'vitest'
import { Children } from '../../../src/store/tree/children.ts'
import { FormerTable, MOVED_PER_CHANGE } from '../../../src/store/tree/former-table.ts'
import { DirectoryNode, FileNode } from '../../../src/store/tree/node.ts'

/** A table of 131,072 slots is full with so many. */
const FULL = 98_304

const parent = new DirectoryNode('', null, 0)
const file = (name: number): FileNode => new FileNode(String(name), parent, '', 0)

function fill(count: number): { children: Children<FileNode>; model: Map<string, FileNode> } {
  const children = new Children<FileNode>()
  const model = new Map<string, FileNode>()
  for (let i = 0; i < count; i++) {
    const node = file(i)
    children.add(node)
    model.set(node.name, node)
  }
  return { children, model }
}

const inSlots = ({ table, mask }: FormerTable): number =>
  table.subarray(0, mask + 1).filter((slot) => slot !== 0).length

test('a child that makes the table too small has a few others move, and so has each that comes after it', () => {
  const { children } = fill(FULL)
  const move = vi.spyOn(FormerTable.prototype, 'move')
  onTestFinished(() => void move.mockRestore())
  children.add(file(FULL))
  const former = move.mock.contexts[0] as FormerTable
  const changes = (former.mask + 1) / MOVED_PER_CHANGE
  let left = inSlots(former)
  expect(left).toBeGreaterThan(FULL - 100)
  for (let i = 1; i <= changes; i++) {
    children.add(file(FULL + i))
    if (i % 100 !== 0) continue
    const now = inSlots(former)
    expect(left - now).toBeLessThan(101 * MOVED_PER_CHANGE)
    left = now
  }
  expect(inSlots(former)).toBe(0)
  expect(move).toHaveBeenCalledTimes(changes)
})

test.each([
  ['larger', 131_072, FULL, (step: number): boolean => step % 3 === 0],
  ['smaller', 262_144, FULL + 1, (step: number): boolean => step % 10 !== 0],
])('all are found, and no others, while they move to a %s table', (_size, from, count, removes) => {
  const { children, model } = fill(count)
  const move = vi.spyOn(FormerTable.prototype, 'move')
  onTestFinished(() => void move.mockRestore())
  let last = count
  const wrong: number[] = []
  const check = (name: number): void => {
    if (children.get(String(name)) !== model.get(String(name))) wrong.push(name)
  }
  for (let step = 0; step < 75_000; step++) {
    // In another order than that in which they came.
    const name = (step * 7919) % FULL
    if (removes(step)) {
      const node = model.get(String(name))
      if (node !== undefined) children.remove(node)
      model.delete(String(name))
    } else {
      const node = file(last++)
      children.add(node)
      model.set(node.name, node)
    }
    check(name)
    check((name * 31) % last)
    check(last - 1)
  }
  expect(new Set(move.mock.contexts.map((former) => (former as FormerTable).mask + 1))).toContain(
    from,
  )
  for (let name = 0; name <= last; name++) check(name)
  expect(wrong).toEqual([])
  expect(new Set(children.list)).toEqual(new Set(model.values()))
})
