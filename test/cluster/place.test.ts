import { expect, test } from 'vitest'
import { placeOf } from '../../src/cluster/place.ts'

test.runIf(process.platform === 'linux')(
  'a place is the same as often as it is asked for, and differs by address',
  () => {
    const places = ['127.0.0.1:1', '127.0.0.1:2', '*:1', '[::1]:1'].map(placeOf)
    expect(new Set(places).size).toBe(4)
    expect(placeOf('127.0.0.1:1')).toBe(places[0])
    for (const place of places) expect(place).toMatch(/^[0-9a-f]{16}$/)
  },
)

test('where nobody knows who has an address, a place is that of the process', () => {
  expect(placeOf('/run/ktree.sock')).toMatch(/^[0-9a-f]{16}$/)
  expect(placeOf('')).toBe(placeOf('/run/ktree.sock'))
})
