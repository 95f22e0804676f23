import { onTestFinished, vi } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import type { DirectoryNode, Lease, Node } from '../../../src/store/tree/node.ts'
import { Tree } from '../../../src/store/tree/tree.ts'
import { TtlHeap } from '../../../src/store/tree/ttl-heap.ts'

/** A tree on a clock of its own. */
export function planted() {
  const clock = new ManualClock()
  const tree = new Tree(clock)
  const put = (path: string, value?: string, ttl?: number): Node => {
    const { parent, name } = tree.makeParent(path)
    return tree.insert(parent, name, value, ttl === undefined ? undefined : clock.now() + ttl)
  }
  return { clock, tree, put }
}

/** Counts the nodes that are taken from the heap because they have become due. */
export function countGathered(): () => number {
  const all = vi.spyOn(TtlHeap.prototype, 'takeDue')
  const first = vi.spyOn(TtlHeap.prototype, 'takeFirst')
  onTestFinished(() => {
    all.mockRestore()
    first.mockRestore()
  })
  return () =>
    all.mock.results.flatMap(({ value }) => value as Lease[]).length + first.mock.calls.length
}

/** The children of a directory that are due. */
export function dueIn(tree: Tree, directory: DirectoryNode, now: number): Node[] {
  return [...tree.due.dueIn(directory, now)].filter((node) => node !== undefined)
}
