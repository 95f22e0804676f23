/**
 * Functions that put the parts of a reply into a Buffer, which must have room for them. Each
 * returns the position after the bytes that it has written.
 *
 * The problem: a call that leaves JavaScript, such as `buffer.write`, costs as much as about forty
 * steps of a loop, and most parts of a reply are shorter.
 *
 * The trick: short parts are put byte by byte.
 *
 * The price: two paths for each kind of part.
 *
 * Gain: see bench/HISTORY.md. Can be deleted by setting both MAX_LOOP constants to 0.
 *
 * @module
 */
import type { Value } from '../store/value.ts'

const CARRIAGE_RETURN = 13
const LINE_FEED = 10
const DOLLAR = 36
const ZERO = 48

const MAX_LOOP_CHARACTERS = 40
const MAX_LOOP_BYTES = 28
/** Numbers below this fit in the 32-bit integers that V8 computes fastest. */
export const MAX_SMALL = 2 ** 31

/** The decimal logarithm of 2, times 4096. */
const LOG10_OF_2 = 1233
const POWERS = Float64Array.from({ length: 11 }, (_, i) => 10 ** i)

/** The most bytes that a bulk string takes besides its text. */
export const BULK_OVERHEAD = 16
/** The most bytes that a line with an integer takes. */
export const INTEGER_LENGTH = 24

/** A method of Buffer that its types lack: `write` without the look-up of the encoding. */
interface Latin1Target {
  latin1Write(text: string, at: number): number
}

/** @param text a binary string */
export function putText(buffer: Buffer, at: number, text: string): number {
  const { length } = text
  if (length > MAX_LOOP_CHARACTERS)
    return at + (buffer as unknown as Latin1Target).latin1Write(text, at)
  for (let i = 0; i < length; i++) buffer[at + i] = text.charCodeAt(i)
  return at + length
}

export function putBytes(buffer: Buffer, at: number, bytes: Uint8Array): number {
  const { length } = bytes
  if (length > MAX_LOOP_BYTES) buffer.set(bytes, at)
  else for (let i = 0; i < length; i++) buffer[at + i] = bytes[i]
  return at + length
}

/** Repeats the bytes that the buffer already holds from `start` to `end`. */
export function putCopy(buffer: Buffer, at: number, start: number, end: number): number {
  const length = end - start
  if (length > MAX_LOOP_BYTES) buffer.copyWithin(at, start, end)
  else for (let i = 0; i < length; i++) buffer[at + i] = buffer[start + i]
  return at + length
}

/** The end of a line. */
export function putEnd(buffer: Buffer, at: number): number {
  buffer[at] = CARRIAGE_RETURN
  buffer[at + 1] = LINE_FEED
  return at + 2
}

/** The decimal digits of a safe, non-negative integer, and the end of the line. */
export function putNumber(buffer: Buffer, at: number, n: number): number {
  if (n >= MAX_SMALL) return putEnd(buffer, putText(buffer, at, String(n)))
  const end = at + digitsOf(n)
  putDigits(buffer, at, end, n)
  return putEnd(buffer, end)
}

/** The last decimal digits of a number below {@link MAX_SMALL}: as many as fit before `end`. */
export function putDigits(buffer: Buffer, at: number, end: number, n: number): void {
  let rest = n | 0
  for (let place = end - 1; place >= at; place--) {
    const tens = (rest / 10) | 0
    buffer[place] = ZERO + rest - tens * 10
    rest = tens
  }
}

/** Counts the decimal digits of a number below {@link MAX_SMALL} from its bits, without a loop. */
export function digitsOf(n: number): number {
  const least = ((32 - Math.clz32(n | 1)) * LOG10_OF_2) >> 12
  return n >= POWERS[least] ? least + 1 : Math.max(1, least)
}

/** A bulk string. */
export function putBulk(buffer: Buffer, at: number, value: Value): number {
  buffer[at] = DOLLAR
  const start = putNumber(buffer, at + 1, value.length)
  return putEnd(
    buffer,
    typeof value === 'string' ? putText(buffer, start, value) : putBytes(buffer, start, value),
  )
}
