import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { Store } from '../../../src/store/store.ts'
import type { FileNode } from '../../../src/store/tree/node.ts'
import { nodesBelow, pathOf } from '../../../src/store/tree/node.ts'
import { writeOrMove } from '../random-writes.ts'

/** Checks what must hold at any time. @returns the paths of the visible files */
function listed(store: Store): string[] {
  const { fileList, clock } = store
  const seen = new Set<FileNode>()
  const paths: string[] = []
  for (let i = 0; i < fileList.length; i++) {
    const file = fileList.at(i)
    expect(file.position).toBe(i)
    expect(seen.has(file)).toBe(false)
    seen.add(file)
    if (store.isVisible(file, clock.now())) paths.push(pathOf(file))
  }
  return paths.toSorted()
}

function inTree(store: Store): string[] {
  const paths: string[] = []
  const visit = (path: string): void => {
    for (const [name, child] of store.lookup(path)?.dir ? childrenOf(store, path) : []) {
      const childPath = path === '/' ? `/${name}` : `${path}/${name}`
      if (store.lookup(childPath) === undefined) continue
      if (child.dir) visit(childPath)
      else paths.push(childPath)
    }
  }
  visit('/')
  return paths.toSorted()
}

function childrenOf(store: Store, path: string) {
  const node = store.lookup(path)
  return node?.dir ? [...node.children.values()].map((child) => [child.name, child] as const) : []
}

/** Checks that each directory knows how many nodes it has. */
function expectCounted({ root }: Store): void {
  for (const node of [root, ...nodesBelow(root)]) {
    if (!node.dir) continue
    const below = [...nodesBelow(node)]
    expect(node.nodes).toBe(below.length)
    expect(node.files).toBe(below.filter(({ dir }) => !dir).length)
  }
}

test('the list has every file of the tree, whatever has happened to it', () => {
  const steps = fc.array(fc.tuple(writeOrMove, fc.integer({ min: 0, max: 20 })), { maxLength: 40 })
  fc.assert(
    fc.property(steps, fc.boolean(), (writes, reclaims) => {
      const clock = new ManualClock()
      let store = new Store({ clock })
      for (const [step, ms] of writes) {
        step(store)
        clock.advance(ms)
        expect(listed(store)).toEqual(inTree(store))
        expectCounted(store)
        if (ms === 7) store = store.clone()
        if (ms === 8) store.recovery(store.save())
        if (reclaims) store.reclaim(Number.POSITIVE_INFINITY)
      }
      store.deleteExpiredKeys(clock.now())
      store.reclaim(Number.POSITIVE_INFINITY)
      expect(listed(store)).toEqual(inTree(store))
      // Nothing is left of what is gone.
      expect(store.fileList.length).toBe(store.files)
    }),
  )
})

test('the list holds as many as there are', () => {
  const store = new Store()
  const count = 5000
  for (let i = 0; i < count; i++) store.set(`/${i}`, '')
  expect(listed(store)).toEqual(inTree(store))
  for (let i = 0; i < count; i += 1 + (i % 3)) store.delete(`/${i}`)
  expect(listed(store)).toEqual(inTree(store))
  for (let i = 0; i < count; i++) store.set(`/${i}`, '')
  expect(listed(store)).toEqual(inTree(store))
  for (let i = 0; i < count; i++) store.delete(`/${i}`)
  expect(store.fileList.length).toBe(0)
})

test('lists are told apart by their epochs', () => {
  const store = new Store()
  store.set('/a', '1')
  const epochs = [store.fileList.epoch]
  store.recovery(store.save())
  epochs.push(store.fileList.epoch)
  store.flush()
  epochs.push(store.fileList.epoch)
  expect(new Set(epochs).size).toBe(3)
  for (const epoch of epochs) {
    expect(epoch).toBeGreaterThan(0)
    expect(epoch).toBeLessThan(2 ** 20)
  }
})
