import { expect, test } from 'vitest'
import { IndexWaits } from '../../src/store/index-waits.ts'
import { Store } from '../../src/store/store.ts'

test('those are called whose index is reached, each once, the lowest index first', () => {
  const waits = new IndexWaits()
  const called: string[] = []
  for (const [name, index] of Object.entries({ a: 7, b: 3, c: 7, d: 5, e: 4, f: 9 })) {
    waits.add(index, () => called.push(name))
  }
  waits.reach(2)
  expect([waits.lowest, called]).toEqual([3, []])
  waits.reach(5)
  expect([waits.lowest, called]).toEqual([7, ['b', 'e', 'd']])
  waits.reach(20)
  expect([waits.lowest, called.slice(3)]).toEqual([Number.POSITIVE_INFINITY, ['a', 'c', 'f']])
})

test('a wait that has ended is not called, and leaves others of its index', () => {
  const waits = new IndexWaits()
  const called: string[] = []
  const [endA, endB] = ['a', 'b'].map((name) => waits.add(3, () => called.push(name)))
  endA()
  endA()
  expect(waits.lowest).toBe(3)
  waits.reach(3)
  endB()
  const endC = waits.add(3, () => called.push('c'))
  endB()
  expect(waits.lowest).toBe(3)
  endC()
  expect([waits.lowest, called]).toEqual([Number.POSITIVE_INFINITY, ['b']])
})

test('a store calls at the index, by whatever way it gets there, and not before', () => {
  const store = new Store()
  const called: number[] = []
  for (const index of [1, 2, 30]) store.whenAt(index, () => called.push(index))
  store.set('/a', '1')
  expect(called).toEqual([1])
  store.update('/a', '2')
  expect(called).toEqual([1, 2])
  const later = new Store()
  for (let i = 0; i < 40; i++) later.set('/b', '1')
  store.recovery(later.save())
  expect(called).toEqual([1, 2, 30])
  store.whenAt(40, () => called.push(40))
  expect(called).toEqual([1, 2, 30, 40])
})
