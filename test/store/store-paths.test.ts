import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { PathError } from '../../src/store/errors.ts'
import { Store } from '../../src/store/store.ts'
import { names } from './random-writes.ts'

type Operation = (store: Store, path: string) => unknown

const operations: Operation[] = [
  (store, path) => store.get(path, { recursive: true, sorted: true }),
  (store, path) => store.lookup(path)?.modifiedIndex,
  (store, path) => store.set(path, 'set'),
  (store, path) => store.set(path, 'brief', { expireTime: store.clock.now() + 3 }),
  (store, path) => store.setDirectory(path),
  (store, path) => store.create(path, 'created'),
  (store, path) => store.create(path, 'job', { unique: true }),
  (store, path) => store.checkSet(path)?.value,
  (store, path) => store.update(path, 'updated'),
  (store, path) => store.compareAndSwap(path, { prevValue: 'set' }, 'swapped'),
  (store, path) => store.compareAndDelete(path, { prevValue: 'swapped' }),
  (store, path) => store.delete(path),
  (store, path) => store.delete(path, { recursive: true }),
  (store, path) => store.rename(path, `${path}/../moved`),
  (store, path) => store.expireBefore([path]),
]

/** Other ways to write the same path. */
const spellings: ((path: string) => string)[] = [
  (path) => path,
  (path) => path.slice(1),
  (path) => `${path}/`,
  (path) => path.replaceAll('/', '//'),
  (path) => `.${path}`,
  (path) => `missing/..${path}`,
  (path) => `a/b/c/../../..${path}/.`,
]

function outcome(store: Store, operation: Operation, path: string): unknown {
  try {
    return operation(store, path)
  } catch (error) {
    return error
  }
}

test('it does not matter how a path is written', () => {
  const path = fc
    .array(names, { maxLength: 3 })
    .map((parts) => `/${parts.join('/')}`)
    .filter((each) => !each.includes('moved'))
  const step = fc.tuple(
    fc.constantFrom(...operations),
    path,
    fc.constantFrom(...spellings),
    fc.constantFrom(0, 0, 0, 5),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const clock = new ManualClock()
      const clean = new Store({ clock })
      const spelled = new Store({ clock })
      for (const [operation, to, spell, ms] of steps) {
        const expected = outcome(clean, operation, to)
        expect(outcome(spelled, operation, spell(to))).toEqual(expected)
        clock.advance(ms)
      }
      expect(spelled.save()).toBe(clean.save())
    }),
    { numRuns: 400 },
  )
})

test.each([
  ['text', 'x', 15_359],
  ['text in UTF-8', '\xc3\xa9', 15_358],
  ['bytes that are no text', '\xff', 11_514],
])('a saved state with the longest name of %s can be recovered', (_, unit, most) => {
  const name = unit.repeat(most / unit.length)
  const longer = name + unit
  const writes: ((store: Store, path: string) => unknown)[] = [
    (store, path) => store.set(path, 'v'),
    (store, path) => store.create(path, 'v'),
    (store, path) => store.createDirectory(path),
    (store, path) => {
      store.set('/from', 'v')
      store.rename('/from', path)
    },
  ]
  for (const write of writes) {
    const store = new Store()
    write(store, `/${name}`)
    const recovered = new Store()
    recovered.recovery(store.save())
    expect(recovered.save() === store.save()).toBe(true)
    expect(() => write(new Store(), `/${longer}`)).toThrow(PathError)
  }
})
