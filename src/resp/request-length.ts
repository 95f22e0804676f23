const MIN_INT64 = -(2n ** 63n)
const MAX_INT64 = 2n ** 63n - 1n

/**
 * Reads a length in a request's header the way Redis's string2ll does: no sign but `-`, no leading
 * zeros, no spaces, 64 bits.
 *
 * @param text the header line without its type byte and its end of line
 * @returns the number (rounded above 2^53, where every limit has been passed), or undefined
 */
export function parseRequestLength(text: string): number | undefined {
  if (!/^(?:0|-?[1-9][0-9]*)$/.test(text)) return undefined
  const value = BigInt(text)
  return value < MIN_INT64 || value > MAX_INT64 ? undefined : Number(value)
}
