import { notAnInteger } from './command.ts'

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
