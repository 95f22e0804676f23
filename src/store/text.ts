import { isAscii, isUtf8 } from 'node:buffer'
import type { Value } from './value.ts'

const ASCII = /^[\0-\x7f]*$/

/** Whether the bytes of a one-byte string are valid UTF-8, and so may stand in JSON as they are. */
export function isText(bytes: string): boolean {
  // The pattern is the faster for short strings, the native check for long ones.
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

/** One byte a character, from text: what a one-byte string of its UTF-8 is. */
export function textToBytes(text: string): string {
  return ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** Text, from its UTF-8. */
export function bytesToText(bytes: Value): string {
  if (typeof bytes !== 'string') return bytes.toString('utf8')
  return ASCII.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8')
}
