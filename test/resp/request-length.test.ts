import { expect, test } from 'vitest'
import { parseRequestLength } from '../../src/resp/request-length.ts'

test.each([
  ['0', 0],
  ['7', 7],
  ['536870912', 536870912],
  ['-1', -1],
  ['9223372036854775807', 2 ** 63],
  ['-9223372036854775808', -(2 ** 63)],
])('%s is a number', (text, number) => {
  expect(parseRequestLength(text)).toBe(number)
})

test.each([
  '',
  '-',
  '-0',
  '+1',
  '00',
  '01',
  '-01',
  ' 1',
  '1 ',
  '1\n',
  '1e3',
  '0x1',
  '9223372036854775808',
  '-9223372036854775809',
  '1'.repeat(21),
])('%j is none', (text) => {
  expect(parseRequestLength(text)).toBeUndefined()
})
