import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keptName } from '../../../src/store/tree/kept-name.ts'

test('a kept name is the same name', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 100 }), fc.nat(10), (path, start) => {
      expect(keptName(path.slice(start))).toBe(path.slice(start))
    }),
  )
  // More of them than are remembered.
  for (let i = 0; i < 20_000; i++) expect(keptName(`name-${i}`)).toBe(`name-${i}`)
})
