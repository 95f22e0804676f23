import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkDensity } from '../../../src/store/snapshot/json-density.ts'
import { Store } from '../../../src/store/store.ts'
import { type Write, write } from '../random-writes.ts'

const check = (json: string): void => checkDensity(Buffer.from(json, 'utf8'))

test('no saved state is refused, however small its nodes and events are', () => {
  const store = new Store({ watchHistory: 100_000 })
  for (let i = 0; i < 20_000; i++) store.set(`/${i.toString(36)}`, '')
  for (let i = 0; i < 20_000; i++) store.createDirectory(`/dirs/${i.toString(36)}`)
  for (let i = 0; i < 20_000; i++) store.delete(`/${i.toString(36)}`)
  check(store.save())
  check(new Store().save())
  const deep = new Store()
  deep.set('/a'.repeat(1024), '1')
  check(deep.save())
})

test('no state of random writes is refused', () => {
  fc.assert(
    fc.property(fc.array(write, { maxLength: 200, size: 'max' }), (writes: Write[]) => {
      const store = new Store({ watchHistory: 10 })
      for (const run of writes) run(store)
      check(store.save())
    }),
    { numRuns: 100 },
  )
})

test('punctuation in strings is not counted', () => {
  for (const inside of [',', ':', '[', '\\"[', '\\\\', '\\\\\\",{']) {
    for (const length of [10, 100, 100_000]) check(`{"a":"${inside.repeat(length)}"}`)
  }
})

test.each([
  ['arrays', `[${'[],'.repeat(10_000)}0]`],
  ['behind strings that look as if they went on', `["\\\\",${'[],'.repeat(10_000)}0]`],
  ['behind a long string', `["${'x'.repeat(1000)}\\\\",${'[],'.repeat(20_000)}0]`],
  ['numbers', `[${'1,'.repeat(10_000)}0]`],
  ['fields', `{${Array.from({ length: 10_000 }, (_, i) => `"a long name ${i}":"a long value"`)}}`],
])('too many %s are refused', (_, json) => {
  expect(() => check(json)).toThrow('too many values')
})

test.each([
  ['plain', 'x', 15_360],
  ['escaped', '\\u0001', 15_360],
  ['quoted', '\\"', 15_360],
  ['of several bytes', 'é', 15_360],
])('a name of a field, %s, has at most as many characters as a path', (_, character, most) => {
  const named = (count: number): string => `{"a":{"${character.repeat(count)}":"x"}}`
  expect(() => check(named(most))).not.toThrow()
  expect(() => check(named(most + 1))).toThrow('is too long')
  // A value may be longer.
  expect(() => check(`{"a":"${character.repeat(most + 1)}","b":"x"}`)).not.toThrow()
})
