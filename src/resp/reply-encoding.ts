/** Headers with a number below this are looked up rather than built. */
const CACHED_HEADERS = 1024

const bulkHeaders = headersOf('$')
const arrayHeaders = headersOf('*')
const integers = headersOf(':')

/** @returns a bulk string. @param s a binary string */
export function encodeBulk(s: string): string {
  const length = s.length
  return length < CACHED_HEADERS ? `${bulkHeaders[length]}${s}\r\n` : `$${length}\r\n${s}\r\n`
}

/** @returns an integer. @param n a safe integer or a 64-bit one */
export function encodeInteger(n: number | bigint): string {
  return (typeof n === 'number' ? integers[n] : undefined) ?? `:${n}\r\n`
}

/** @returns the header of an array. @param n its elements, which follow */
export function encodeArrayHeader(n: number): string {
  return arrayHeaders[n] ?? encodeHeader('*', n)
}

/** @returns the header of a RESP3 push. @param n its elements, which follow */
export function encodePushHeader(n: number): string {
  return encodeHeader('>', n)
}

/** @returns a type byte, a number, the end of the line */
export function encodeHeader(type: string, n: number): string {
  return `${type}${n}\r\n`
}

function headersOf(type: string): string[] {
  return Array.from({ length: CACHED_HEADERS }, (_, n) => encodeHeader(type, n))
}
