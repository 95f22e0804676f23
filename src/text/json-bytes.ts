/*
 * Problem: the length of a long text as JSON is needed before the text is sent, and JSON.stringify writes bytes that
 * have to be escaped at 7 ns each, into a string that then has to be copied.
 *
 * Trick: a table says how many bytes each byte is written as, and others which.
 *
 * Price: text of few bytes to be escaped is written no faster.
 * Gain: 60 MB of control characters: the length in 45 ms instead of 430, the text in 210 instead of 430.
 * Can be deleted by calling JSON.stringify.
 */

const HEX = '0123456789abcdef'
const BACKSLASH = 92
const U = 117
const ZERO = 48

const ESCAPED = Array.from({ length: 256 }, (_, byte) =>
  JSON.stringify(String.fromCharCode(byte)).slice(1, -1),
)
/** How many bytes each byte is written as: 1, 2 (`\n`) or 6 (`\u0001`). */
const LENGTHS = Uint8Array.from(ESCAPED, (text) => text.length)
/** What follows the backslash of those that are written as 2. */
const SHORT = Uint8Array.from(ESCAPED, (text) => (text.length === 2 ? text.charCodeAt(1) : 0))
const HIGH = Uint8Array.from(ESCAPED, (_, byte) => HEX.charCodeAt(byte >> 4))
const LOW = Uint8Array.from(ESCAPED, (_, byte) => HEX.charCodeAt(byte & 15))

/** How many bytes a text has as JSON, without the quotes. @param text UTF-8 */
export function jsonLength(text: Uint8Array): number {
  let length = 0
  for (let at = 0; at < text.length; at++) length += LENGTHS[text[at]]
  return length
}

/** A text as JSON, without the quotes: itself if nothing has to be escaped. @param text UTF-8 */
export function jsonBytes(text: Buffer): Buffer {
  const length = jsonLength(text)
  if (length === text.length) return text
  const json = Buffer.allocUnsafeSlow(length)
  let to = 0
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]
    const written = LENGTHS[byte]
    if (written === 1) {
      json[to++] = byte
      continue
    }
    json[to++] = BACKSLASH
    if (written === 2) {
      json[to++] = SHORT[byte]
      continue
    }
    json[to++] = U
    json[to++] = ZERO
    json[to++] = ZERO
    json[to++] = HIGH[byte]
    json[to++] = LOW[byte]
  }
  return json
}
