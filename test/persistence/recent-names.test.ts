import { expect, test } from 'vitest'
import { RecentNames } from '../../src/persistence/recent-names.ts'

test('names that come and go are new once, in each directory', () => {
  const names = new RecentNames()
  const added = [1, 2, 1, 2].map((parentId) => names.addIfNew(parentId, 'a'))
  expect(added).toEqual([true, true, false, false])
})

test('of very many names the latest are remembered', () => {
  const names = new RecentNames()
  for (let i = 0; i < 100_000; i++) expect(names.addIfNew(i % 3, `${i}`)).toBe(true)
  expect(names.addIfNew(99_999 % 3, '99999')).toBe(false)
  expect(names.addIfNew(0, '0')).toBe(true)
})
