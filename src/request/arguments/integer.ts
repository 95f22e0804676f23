import { CommandError, notAnInteger } from './errors.ts'

const INTEGER = /^(?:0|-?[1-9]\d{0,18})$/

/**
 * Reads an integer as strictly as Redis does: a plus sign, leading zeros and blanks are refused.
 * An integer beyond 2^53 is out of range, because a JavaScript number would lose its last digit.
 *
 * @throws CommandError if the text is no integer from `min` to `max`
 */
export function parseInteger(
  text: string,
  min = Number.MIN_SAFE_INTEGER,
  max = Number.MAX_SAFE_INTEGER,
): number {
  const value = INTEGER.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw notAnInteger()
}

const MAX_INTEGER_64 = 2n ** 63n - 1n
const MAX_INTEGER_32 = 2 ** 31 - 1

/** Reads a 64-bit integer as strictly as {@link parseInteger}; undefined if the text is none. */
export function readInteger64(text: string): bigint | undefined {
  if (!INTEGER.test(text)) return undefined
  const value = BigInt(text)
  return value <= MAX_INTEGER_64 && value >= -MAX_INTEGER_64 - 1n ? value : undefined
}

/**
 * Reads an integer that Redis keeps in a C `int`.
 *
 * @throws CommandError if the text is no integer, or in Redis's own words if it needs more than 32
 * bits
 */
export function parseInteger32(text: string): number {
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  if (value > MAX_INTEGER_32 || value < -MAX_INTEGER_32 - 1) {
    throw new CommandError(
      `ERR value is out of range, value must between ${-MAX_INTEGER_32 - 1} and ${MAX_INTEGER_32}`,
    )
  }
  return Number(value)
}
