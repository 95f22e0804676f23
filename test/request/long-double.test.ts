import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import {
  addLongDoubles,
  formatLongDouble,
  parseLongDouble,
} from '../../src/request/arguments/long-double.ts'

/** `digits` × 10^`power` as a multiple of 2^-20000 at least, exact but for a bit that says that there is more. */
function exact(digits: string, power: number): bigint {
  const size = BigInt(digits) << 20_001n
  if (power >= 0) return size * 10n ** BigInt(power)
  const divisor = 10n ** BigInt(-power)
  return (size / divisor) | (size % divisor === 0n ? 0n : 1n)
}

/** What the number is, rounded to 64 bits, or less near zero, ties to even: a multiple of 2^-20001. */
function rounded(digits: string, power: number): bigint {
  const size = exact(digits, power)
  const bits = size.toString(2).length
  const excess = BigInt(Math.max(bits - 64, 20_001 - 16_445))
  const unit = 1n << excess
  const floor = size / unit
  const rest = size - floor * unit
  const isUp = 2n * rest > unit || (2n * rest === unit && floor % 2n === 1n)
  return (floor + (isUp ? 1n : 0n)) * unit
}

const tieDigits = fc
  .tuple(fc.bigInt({ min: 1n << 63n, max: (1n << 64n) - 1n }), fc.nat({ max: 300 }))
  .chain(([significand, exponent]) => {
    const tie = ((2n * significand + 1n) << BigInt(exponent)).toString()
    return fc.constantFrom(
      tie,
      `${tie}${'0'.repeat(100)}`,
      `${tie}${'0'.repeat(100)}1`,
      `${BigInt(tie) - 1n}${'9'.repeat(100)}`,
    )
  })
const digits = fc.oneof(
  fc.stringMatching(/^[1-9][0-9]{0,120}$/),
  fc.stringMatching(/^[1-9]0{30,60}[0-9]{0,9}$/),
  fc.stringMatching(/^9{30,60}[0-9]{0,9}$/),
  tieDigits,
)

test('a decimal is rounded as if all of its digits were looked at', () => {
  const power = fc.oneof(fc.integer({ min: -5100, max: 4900 }), fc.integer({ min: -200, max: 10 }))
  fc.assert(
    fc.property(digits, power, fc.boolean(), (text, power, isNegative) => {
      const expected = rounded(text, power)
      const value = parseLongDouble(`${isNegative ? '-' : ''}${text}e${power}`)
      const isTooGreat = expected >= 1n << BigInt(16_384 + 20_001)
      if (expected === 0n || isTooGreat) {
        expect(value).toBeUndefined()
        return
      }
      if (value === undefined || value === 'infinite') throw new Error('no number')
      const size = isNegative ? -value.significand : value.significand
      expect(size << BigInt(value.exponent + 20_001)).toBe(expected)
    }),
    { numRuns: 1000 },
  )
})

test('of thousands of digits only the first are read, unless more are needed', () => {
  const read = vi.spyOn(globalThis, 'BigInt')
  onTestFinished(() => read.mockRestore())
  const longest = () =>
    Math.max(...read.mock.calls.map(([given]) => (typeof given === 'string' ? given.length : 0)))
  parseLongDouble(`0.${'1'.repeat(4900)}`)
  parseLongDouble('7'.repeat(4900))
  expect(longest()).toBe(40)
  // Half of the last bit, and a little more.
  const sum = addLongDoubles(
    parseLongDouble(`${(1n << 64n) + 1n}.${'0'.repeat(4000)}1`) as never,
    parseLongDouble(String(-(1n << 64n))) as never,
  )
  expect(formatLongDouble(sum as never)).toBe('2')
  expect(longest()).toBeGreaterThan(4000)
})

test('a great power of ten is made once', async () => {
  // As a module of its own, because the generated numbers may have asked for this power already.
  vi.resetModules()
  const { parseLongDouble } = await import('../../src/request/arguments/long-double.ts')
  const made = vi.spyOn(globalThis, 'BigInt')
  onTestFinished(() => made.mockRestore())
  for (let i = 0; i < 100; i++) parseLongDouble('1e-4899')
  expect(made.mock.calls.filter(([given]) => given === 4899)).toHaveLength(1)
})
