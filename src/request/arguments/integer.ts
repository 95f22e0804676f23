import { CommandError, notAnInteger } from './errors.ts'

const INTEGER = /^(?:0|-?[1-9]\d{0,18})$/

/**
 * Reads an integer as strictly as Redis does: no sign but a minus, no leading zeros, no blanks.
 * Beyond 2^53, where JavaScript's numbers lose their last digit, it is out of range.
 *
 * @throws CommandError unless it is one, from `min` to `max`
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

const MAX_64 = 2n ** 63n - 1n
const MAX_32 = 2 ** 31 - 1

/** A 64-bit integer, in full; undefined if it is none. As strict as {@link parseInteger}. */
export function readInteger64(text: string): bigint | undefined {
  if (!INTEGER.test(text)) return undefined
  const value = BigInt(text)
  return value <= MAX_64 && value >= -MAX_64 - 1n ? value : undefined
}

/**
 * Reads what Redis keeps in a C `int`, with its own words for an integer that is too large for it.
 *
 * @throws CommandError
 */
export function parseInteger32(text: string): number {
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  if (value > MAX_32 || value < -MAX_32 - 1) {
    throw new CommandError(
      `ERR value is out of range, value must between ${-MAX_32 - 1} and ${MAX_32}`,
    )
  }
  return Number(value)
}
