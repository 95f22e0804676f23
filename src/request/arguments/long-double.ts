/**
 * The numbers of INCRBYFLOAT: C's `long double` as it is on x86, 64 bits of significand and 15 of
 * exponent. JavaScript's numbers have 53: 0.1 + 0.2 would not come out as in Redis.
 */

/** A finite number, `significand` × 2^`exponent`, rounded; or one without end, of either sign. */
export type LongDouble = { readonly significand: bigint; readonly exponent: number } | 'infinite'

const PRECISION = 64
/** Of the least number above zero. */
const MIN_EXPONENT = -16445
/** The greatest number is less than 2 to this power. */
const MAX_BITS = 16384
/** Redis reads at most so many characters, and one less. */
const MAX_LENGTH = 5 * 1024
/** Digits after the point in what Redis writes. */
const DECIMALS = 17

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i
const HEXADECIMAL = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i
const INFINITE = /^[+-]?inf(?:inity)?$/i

/**
 * Reads a number as C's strtold does, and as strictly as Redis takes it.
 *
 * @returns undefined if it is none, or one too great or too near zero for a long double
 */
export function parseLongDouble(text: string): LongDouble | undefined {
  if (text.length >= MAX_LENGTH) return undefined
  if (INFINITE.test(text)) return 'infinite'
  const decimal = DECIMAL.exec(text)
  const parts = decimal ?? HEXADECIMAL.exec(text)
  if (parts === null) return undefined
  const [, sign, whole, fraction = '', power = '0'] = parts
  const digits = whole + fraction
  if (digits === '') return undefined
  const amount = BigInt(decimal === null ? `0x${digits}` : digits)
  if (amount === 0n) return { significand: 0n, exponent: 0 }
  const signed = sign === '-' ? -amount : amount
  const rounded =
    decimal === null
      ? roundBinary(signed, Number(power) - 4 * fraction.length)
      : roundDecimal(signed, Number(power) - fraction.length)
  return rounded === undefined || rounded.significand === 0n ? undefined : rounded
}

/** @returns undefined if the sum is without end, or not a number */
export function addLongDoubles(a: LongDouble, b: LongDouble): LongDouble | undefined {
  if (a === 'infinite' || b === 'infinite') return undefined
  const exponent = Math.min(a.exponent, b.exponent)
  const sum =
    (a.significand << BigInt(a.exponent - exponent)) +
    (b.significand << BigInt(b.exponent - exponent))
  return roundBinary(sum, exponent)
}

/** The digits, 17 after the point and no zeros at the end, never with an exponent (Redis). */
export function formatLongDouble(value: LongDouble): string {
  if (value === 'infinite') return 'inf'
  const { significand, exponent } = value
  const negative = significand < 0n
  const size = (negative ? -significand : significand) * 10n ** BigInt(DECIMALS)
  const scaled = exponent < 0 ? shiftRight(size, -exponent) : size << BigInt(exponent)
  const digits = scaled.toString().padStart(DECIMALS + 1, '0')
  const fraction = digits.slice(-DECIMALS).replace(/0+$/, '')
  const whole = digits.slice(0, -DECIMALS)
  const shown = fraction === '' ? whole : `${whole}.${fraction}`
  return negative && shown !== '0' ? `-${shown}` : shown
}

type Finite = Exclude<LongDouble, 'infinite'>

/** `amount` × 10^`power`, rounded; undefined if it is too great. */
function roundDecimal(amount: bigint, power: number): Finite | undefined {
  const size = amount < 0n ? -amount : amount
  const magnitude = size.toString().length + power
  // Far from all that can be rounded to: no need to work it out.
  if (magnitude > 5000) return undefined
  if (magnitude < -5000) return { significand: 0n, exponent: 0 }
  if (power >= 0) return roundBinary(amount * 10n ** BigInt(power), 0)
  const divisor = 10n ** BigInt(-power)
  // Two bits more than are kept; what is left of the division counts as a last bit.
  const shift = Math.max(0, bitLength(divisor) - bitLength(size) + PRECISION + 2)
  const dividend = size << BigInt(shift)
  const quotient = dividend / divisor
  const sticky = (quotient << 1n) | (dividend % divisor === 0n ? 0n : 1n)
  return roundBinary(amount < 0n ? -sticky : sticky, -shift - 1)
}

/** `amount` × 2^`power`, rounded, a tie to the even; undefined if it is too great. */
function roundBinary(amount: bigint, power: number): Finite | undefined {
  if (amount === 0n) return { significand: 0n, exponent: 0 }
  const size = amount < 0n ? -amount : amount
  const bits = bitLength(size)
  if (bits + power > MAX_BITS) return undefined
  if (bits + power < MIN_EXPONENT) return { significand: 0n, exponent: 0 }
  const excess = Math.max(bits - PRECISION, MIN_EXPONENT - power)
  if (excess <= 0) return { significand: amount, exponent: power }
  const significand = shiftRight(size, excess)
  const exponent = power + excess
  if (bitLength(significand) + exponent > MAX_BITS) return undefined
  return { significand: amount < 0n ? -significand : significand, exponent }
}

/** Divides by 2^`bits` and rounds, a tie to the even. @param size not negative, as `bits` */
function shiftRight(size: bigint, bits: number): bigint {
  if (bits === 0) return size
  const shift = BigInt(bits)
  const quotient = size >> shift
  const rest = size - (quotient << shift)
  const half = 1n << (shift - 1n)
  return rest > half || (rest === half && (quotient & 1n) === 1n) ? quotient + 1n : quotient
}

/** How many bits a positive integer has. */
function bitLength(size: bigint): number {
  const digits = size.toString(16)
  return 4 * digits.length - Math.clz32(Number.parseInt(digits[0], 16)) + 28
}
