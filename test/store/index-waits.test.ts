import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IndexWait, IndexWaits } from '../../src/store/index-waits.ts'
import { Store } from '../../src/store/store.ts'

class Wait extends IndexWait {
  readonly #onReached: () => void
  /** How often the heap has compared waits. */
  static looks = 0

  constructor(index: number, onReached: () => void) {
    super(index)
    this.#onReached = onReached
    const get = (): number => {
      Wait.looks++
      return index
    }
    Object.defineProperty(this, 'index', { get })
  }

  override reached(): void {
    this.#onReached()
  }
}

test('those are called whose index is reached, each once, the lowest index first', () => {
  const waits = new IndexWaits()
  const called: string[] = []
  for (const [name, index] of Object.entries({ a: 7, b: 3, c: 7, d: 5, e: 4, f: 9 })) {
    waits.add(new Wait(index, () => called.push(name)))
  }
  waits.reach(2)
  expect([waits.lowest, called]).toEqual([3, []])
  waits.reach(5)
  expect([waits.lowest, called]).toEqual([7, ['b', 'e', 'd']])
  waits.reach(20)
  expect([waits.lowest, called.slice(3)]).toEqual([Number.POSITIVE_INFINITY, ['a', 'c', 'f']])
})

test('any order of waits, ends and indexes leads to the same calls as a sorted list', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ add: fc.nat({ max: 30 }) }),
      fc.record({ end: fc.nat({ max: 40 }) }),
      fc.record({ reach: fc.nat({ max: 12 }) }),
    ),
    { maxLength: 80, size: 'max' },
  )
  fc.assert(
    fc.property(steps, (sequence) => {
      const waits = new IndexWaits()
      const called: number[] = []
      const expected: number[] = []
      const all: Wait[] = []
      let open: { index: number; id: number }[] = []
      for (const step of sequence) {
        if ('add' in step) {
          const id = all.length
          all.push(new Wait(step.add, () => called.push(id)))
          waits.add(all[id])
          open.push({ index: step.add, id })
          // The sort is stable: of the same index, those who came first.
          open.sort((a, b) => a.index - b.index)
        } else if ('end' in step) {
          if (step.end < all.length) waits.remove(all[step.end])
          open = open.filter(({ id }) => id !== step.end)
        } else {
          waits.reach(step.reach)
          const reached = open.filter(({ index }) => index <= step.reach)
          expected.push(...reached.map(({ id }) => id))
          open = open.slice(reached.length)
        }
        expect(waits.lowest).toBe(open[0]?.index ?? Number.POSITIVE_INFINITY)
      }
      expect(called).toEqual(expected)
    }),
  )
})

test('many waits are few steps each, in whatever order they come and end', () => {
  const COUNT = 20_000
  const waits = new IndexWaits()
  const all = Array.from({ length: COUNT }, (_, i) => new Wait(COUNT - i, () => {}))
  Wait.looks = 0
  for (const wait of all) waits.add(wait)
  for (const wait of all) waits.remove(wait)
  expect(Wait.looks / COUNT).toBeLessThan(150)
  expect(waits.lowest).toBe(Number.POSITIVE_INFINITY)
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
