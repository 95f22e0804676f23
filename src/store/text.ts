import { isAscii, isUtf8 } from 'node:buffer'
import type { Value } from './value.ts'

const ASCII = /^[\0-\x7f]*$/

/** Whether the bytes of a one-byte string are valid UTF-8, so that JSON can hold them as they are. */
export function isText(bytes: string): boolean {
  // The pattern is faster for short strings, the native check for long ones.
  if (bytes.length < 64) return ASCII.test(bytes) || isUtf8(Buffer.from(bytes, 'latin1'))
  const buffer = Buffer.from(bytes, 'latin1')
  return isAscii(buffer) || isUtf8(buffer)
}

export function toBase64(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('base64')
}

export function fromBase64(text: string): string {
  return Buffer.from(text, 'base64').toString('latin1')
}

/** Text as a one-byte string of its UTF-8. */
export function textToBytes(text: string): string {
  return ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** The text whose UTF-8 a one-byte string holds. */
export function bytesToText(bytes: Value): string {
  if (typeof bytes !== 'string') return bytes.toString('utf8')
  return ASCII.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8')
}
