import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DueByDirectory } from '../../../src/store/tree/due-by-directory.ts'
import { attach, DirectoryNode, FileNode } from '../../../src/store/tree/node.ts'

/** A directory, and what is due in it; counts the leases that are looked at. */
function planted() {
  const directory = new DirectoryNode('', null, 0)
  const due = new DueByDirectory()
  const reads = { count: 0 }
  const add = (name: string, expireTime: number): FileNode => {
    const file = new FileNode(name, directory, '', 1)
    const lease = { node: file, expireTime, createdIndex: 1, position: 0 }
    Object.defineProperty(file, 'lease', {
      get: () => {
        reads.count++
        return lease
      },
    })
    attach(directory, file)
    due.add(file, expireTime)
    return file
  }
  return { directory, due, reads, add }
}

test('whether something has become due since is not asked of all that was due before', () => {
  const { directory, due, reads, add } = planted()
  for (let i = 0; i < 10_000; i++) add(`a${i}`, 1000)
  add('last', 2000)
  reads.count = 0
  for (let i = 0; i < 100; i++) {
    expect(due.hasBelow(directory, 1500, 3000)).toBe(true)
    expect(due.hasBelow(directory, 2000, 3000)).toBe(false)
  }
  expect(reads.count).toBeLessThan(1000)
})

test('when the last has been removed, all are asked once', () => {
  const { directory, due, reads, add } = planted()
  for (let i = 0; i < 10_000; i++) add(`a${i}`, 1000)
  due.remove(add('last', 2000))
  reads.count = 0
  for (let i = 0; i < 100; i++) expect(due.hasBelow(directory, 1500, 3000)).toBe(false)
  expect(reads.count).toBeLessThan(21_000)
})

test('says what a search through all says, as nodes come and go and the clock goes back', () => {
  const time = fc.integer({ min: 0, max: 20 })
  const step = fc.oneof(
    fc.record({ add: time }),
    fc.record({ remove: fc.nat(30) }),
    fc.record({ after: time, until: time }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { directory, due, add } = planted()
      const there: [FileNode, number][] = []
      for (const [i, each] of steps.entries()) {
        if ('add' in each) there.push([add(`n${i}`, each.add), each.add])
        else if ('remove' in each) {
          const [removed] = there.splice(each.remove, 1)
          if (removed !== undefined) due.remove(removed[0])
        } else {
          const { after, until } = each
          const isDue = there.some(([, expireTime]) => expireTime > after && expireTime <= until)
          expect(due.hasBelow(directory, after, until)).toBe(isDue)
        }
      }
    }),
    { numRuns: 1000 },
  )
})
