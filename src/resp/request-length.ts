const MIN_INT64 = -(2n ** 63n)
const MAX_INT64 = 2n ** 63n - 1n

/**
 * Parses a length in a request's header as Redis's string2ll does: no sign except `-`, no leading
 * zeros, no spaces, 64 bits.
 *
 * @param text the header line without its type byte and end of line
 * @returns the number, or undefined; above 2^53 it is rounded, but every limit is lower
 */
export function parseRequestLength(text: string): number | undefined {
  if (!/^(?:0|-?[1-9][0-9]*)$/.test(text)) return undefined
  const value = BigInt(text)
  return value < MIN_INT64 || value > MAX_INT64 ? undefined : Number(value)
}
