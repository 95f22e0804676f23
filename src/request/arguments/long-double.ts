/**
 * The numbers of INCRBYFLOAT: C's `long double` on x86, with 64 bits of significand and 15 of
 * exponent. JavaScript's numbers have 53 bits of significand, so 0.1 + 0.2 would differ from Redis.
 */

/** A finite number, `significand` × 2^`exponent`, rounded; or infinity, of either sign. */
export type LongDouble = { readonly significand: bigint; readonly exponent: number } | 'infinite'

/** Bits of the significand. */
const PRECISION_BITS = 64
/** The smallest number above zero is 2 to this power. */
const MIN_EXPONENT = -16445
/** All finite numbers are less than 2 to this power. */
const MAX_EXPONENT = 16384
/** Redis refuses a text of this length or more. */
const LENGTH_LIMIT = 5 * 1024
/** Redis writes at most this many digits after the point. */
const DECIMALS = 17
/** A number with more digits before the point is out of range. */
const MAX_WHOLE_DIGITS = 4933
/** A number with more zeros after the point is out of range. */
const MAX_FRACTION_ZEROS = 5000

/** So many digits are tried first; some twenty decide, unless those behind are zeros or nines. */
const FIRST_DIGITS = 40
/** So many powers of ten are kept, of 2 to 4 KB each. */
const KEPT_POWERS = 32

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i
const HEXADECIMAL = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i
const INFINITE = /^[+-]?inf(?:inity)?$/i

/**
 * Reads a number like C's strtold, and as strictly as Redis.
 *
 * @returns undefined if the text is no number, or a number too great or too near zero for a long
 * double
 */
export function parseLongDouble(text: string): LongDouble | undefined {
  if (text.length >= LENGTH_LIMIT) return undefined
  if (INFINITE.test(text)) return 'infinite'
  const decimal = DECIMAL.exec(text)
  const parts = decimal ?? HEXADECIMAL.exec(text)
  if (parts === null) return undefined
  const [, sign, whole, fraction = '', power = '0'] = parts
  const digits = whole + fraction
  if (digits === '') return undefined
  const significant = digits.replace(/^0+/, '')
  if (significant === '') return { significand: 0n, exponent: 0 }
  if (decimal !== null && isFarOut(significant.length + Number(power) - fraction.length)) {
    return undefined
  }
  const rounded =
    decimal === null
      ? roundBinary(BigInt(`0x${significant}`), Number(power) - 4 * fraction.length)
      : roundDigits(significant, Number(power) - fraction.length)
  if (rounded === undefined || rounded.significand === 0n) return undefined
  return sign === '-' ? { ...rounded, significand: -rounded.significand } : rounded
}

/** Adds two numbers. @returns undefined if the sum is infinite, or not a number */
export function addLongDoubles(a: LongDouble, b: LongDouble): LongDouble | undefined {
  if (a === 'infinite' || b === 'infinite') return undefined
  const exponent = Math.min(a.exponent, b.exponent)
  const sum =
    (a.significand << BigInt(a.exponent - exponent)) +
    (b.significand << BigInt(b.exponent - exponent))
  return roundBinary(sum, exponent)
}

/** Writes a number with up to 17 digits after the point, and never with an exponent (Redis). */
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

/** Whether a number needs no computation. @param magnitude digits before the point, or -zeros after it */
function isFarOut(magnitude: number): boolean {
  return magnitude > MAX_WHOLE_DIGITS || magnitude < -MAX_FRACTION_ZEROS
}

/**
 * `digits` × 10^`power`, rounded; undefined if it is too great. The first digits nearly always suffice: they
 * do if that many with one added at the last are rounded to the same number.
 */
function roundDigits(digits: string, power: number): Finite | undefined {
  const more = digits.length - FIRST_DIGITS
  if (more > 0) {
    const first = BigInt(digits.slice(0, FIRST_DIGITS))
    const low = roundDecimal(first, power + more)
    const high = roundDecimal(first + 1n, power + more)
    if (low?.exponent === high?.exponent && low?.significand === high?.significand) return low
  }
  return roundDecimal(BigInt(digits), power)
}

/** `size` × 10^`power`, rounded; undefined if it is too great. @param size not negative */
function roundDecimal(size: bigint, power: number): Finite | undefined {
  if (power >= 0) return roundBinary(size * powerOfTen(power), 0)
  const divisor = powerOfTen(-power)
  // The quotient has two bits more than are kept; a remainder of the division counts as one more.
  const shift = Math.max(0, bitLength(divisor) - bitLength(size) + PRECISION_BITS + 2)
  const dividend = size << BigInt(shift)
  const quotient = dividend / divisor
  const sticky = (quotient << 1n) | (dividend % divisor === 0n ? 0n : 1n)
  return roundBinary(sticky, -shift - 1)
}

/** `amount` × 2^`power`, rounded, ties to even; undefined if it is too great. */
function roundBinary(amount: bigint, power: number): Finite | undefined {
  if (amount === 0n) return { significand: 0n, exponent: 0 }
  const size = amount < 0n ? -amount : amount
  const bits = bitLength(size)
  if (bits + power > MAX_EXPONENT) return undefined
  if (bits + power < MIN_EXPONENT) return { significand: 0n, exponent: 0 }
  const excess = Math.max(bits - PRECISION_BITS, MIN_EXPONENT - power)
  if (excess <= 0) return { significand: amount, exponent: power }
  const significand = shiftRight(size, excess)
  const exponent = power + excess
  if (bitLength(significand) + exponent > MAX_EXPONENT) return undefined
  return { significand: amount < 0n ? -significand : significand, exponent }
}

/** Divides by 2^`bits` and rounds, ties to even. Neither argument may be negative. */
function shiftRight(size: bigint, bits: number): bigint {
  if (bits === 0) return size
  const shift = BigInt(bits)
  const quotient = size >> shift
  const rest = size - (quotient << shift)
  const half = 1n << (shift - 1n)
  return rest > half || (rest === half && (quotient & 1n) === 1n) ? quotient + 1n : quotient
}

/** Powers of ten that have been asked for of late, because a great one takes long to make. */
const powers = new Map<number, bigint>()

function powerOfTen(power: number): bigint {
  const known = powers.get(power)
  if (known !== undefined) return known
  const made = 10n ** BigInt(power)
  if (powers.size === KEPT_POWERS) powers.clear()
  powers.set(power, made)
  return made
}

/** The number of bits of a positive integer. */
function bitLength(size: bigint): number {
  const digits = size.toString(16)
  return 4 * digits.length - Math.clz32(Number.parseInt(digits[0], 16)) + 28
}
