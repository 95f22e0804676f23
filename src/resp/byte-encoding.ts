/**
 * How what goes into a reply is put into a Buffer, at a place that has room for it. Each function
 * returns the place behind what it has put.
 *
 * A call that leaves JavaScript costs as much as some forty steps of a loop: shorter texts are put
 * byte by byte.
 */

const CARRIAGE_RETURN = 13
const LINE_FEED = 10
const DOLLAR = 36
const ZERO = 48

const SHORT_TEXT = 40
const SHORT_BYTES = 28
/** Numbers below this are written with the machine's integers. */
export const MAX_SMALL = 2 ** 31

/** The logarithm to the base of ten of 2, times 4096. */
const LOG10_OF_2 = 1233
const POWERS = Float64Array.from({ length: 11 }, (_, i) => 10 ** i)

/** The bytes that a bulk string takes beside its text, at the most. */
export const BULK_OVERHEAD = 16
/** The bytes that a line with an integer takes, at the most. */
export const INTEGER_LENGTH = 24

/** What Buffer has and its types lack: `write` without the look-up of the encoding. */
interface Latin1Target {
  latin1Write(text: string, at: number): number
}

/** @param text a binary string */
export function putText(buffer: Buffer, at: number, text: string): number {
  const { length } = text
  if (length > SHORT_TEXT) return at + (buffer as unknown as Latin1Target).latin1Write(text, at)
  for (let i = 0; i < length; i++) buffer[at + i] = text.charCodeAt(i)
  return at + length
}

export function putBytes(buffer: Buffer, at: number, bytes: Uint8Array): number {
  const { length } = bytes
  if (length > SHORT_BYTES) buffer.set(bytes, at)
  else for (let i = 0; i < length; i++) buffer[at + i] = bytes[i]
  return at + length
}

/** What the buffer holds already between two other places. */
export function putCopy(buffer: Buffer, at: number, start: number, end: number): number {
  const length = end - start
  if (length > SHORT_BYTES) buffer.copyWithin(at, start, end)
  else for (let i = 0; i < length; i++) buffer[at + i] = buffer[start + i]
  return at + length
}

/** The end of a line. */
export function putEnd(buffer: Buffer, at: number): number {
  buffer[at] = CARRIAGE_RETURN
  buffer[at + 1] = LINE_FEED
  return at + 2
}

/** The decimal digits of a safe integer that is not negative, and the end of the line. */
export function putNumber(buffer: Buffer, at: number, n: number): number {
  if (n >= MAX_SMALL) return putEnd(buffer, putText(buffer, at, String(n)))
  const end = at + digitsOf(n)
  putDigits(buffer, at, end, n)
  return putEnd(buffer, end)
}

/** The last decimal digits of a number below {@link MAX_SMALL}, as many as there is room for. */
export function putDigits(buffer: Buffer, at: number, end: number, n: number): void {
  let rest = n | 0
  for (let place = end - 1; place >= at; place--) {
    const tens = (rest / 10) | 0
    buffer[place] = ZERO + rest - tens * 10
    rest = tens
  }
}

/** How many decimal digits a number below {@link MAX_SMALL} has: from its binary ones, without a loop. */
export function digitsOf(n: number): number {
  const least = ((32 - Math.clz32(n | 1)) * LOG10_OF_2) >> 12
  return n >= POWERS[least] ? least + 1 : Math.max(1, least)
}

/** A bulk string. @param text a binary string */
export function putBulk(buffer: Buffer, at: number, text: string): number {
  buffer[at] = DOLLAR
  return putEnd(buffer, putText(buffer, putNumber(buffer, at + 1, text.length), text))
}
