import { PathError, SnapshotError, StoreError } from '../store/errors.ts'
import { bytesToText, textToBytes } from '../store/text.ts'
import { toValue, type Value } from '../store/value.ts'

/** Text, which is kept as UTF-8, or the bytes themselves. */
export type Text = string | Uint8Array

const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * The one-byte string that ktree keeps of a text.
 *
 * @throws TypeError for half of a surrogate pair, which UTF-8 cannot express
 */
export function encodeText(text: Text): string {
  if (typeof text === 'string') {
    if (LONE_SURROGATE.test(text)) throw new TypeError('the text is not well-formed UTF-16')
    return textToBytes(text)
  }
  return Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString('latin1')
}

/** The value that ktree keeps of a text. @throws TypeError like {@link encodeText} */
export function encodeValue(text: Text): Value {
  return toValue(encodeText(text))
}

/** The text of a one-byte string; bytes that are no UTF-8 become U+FFFD. */
export function decodeText(bytes: string): string {
  return bytesToText(bytes)
}

/** The bytes of a one-byte string. */
export function decodeBytes(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1')
}

/** Calls an operation of the store; its errors tell of paths and values as text. */
export function withTextErrors<T>(operation: () => T): T {
  try {
    return operation()
  } catch (error) {
    throw textError(error)
  }
}

function textError(error: unknown): unknown {
  if (error instanceof StoreError) {
    return new StoreError(error.code, decodeText(error.cause), error.index)
  }
  if (error instanceof PathError) return new PathError(decodeText(error.message))
  if (error instanceof SnapshotError) return new SnapshotError(decodeMessage(error.message))
  return error
}

/** A message about a saved state may quote its text besides the bytes of a path. */
function decodeMessage(message: string): string {
  return /^[\0-\xff]*$/.test(message) ? decodeText(message) : message
}
