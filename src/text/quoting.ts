import { splitInlineRequest } from './split-words.ts'

/**
 * Splits a line of a conf file into words. As in Redis, the rules are those of inline requests.
 * @returns undefined if the quotes are unbalanced
 */
export function splitWords(line: string): string[] | undefined {
  // Redis reads conf files as C strings, which end at a NUL.
  const [text] = line.split('\0', 1)
  return splitInlineRequest(Buffer.from(text, 'latin1'))
}

const named: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '"': '\\"',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\x07': '\\a',
  '\b': '\\b',
}

/** Quotes bytes so that `splitWords` reads the same bytes again. */
export function quoteWord(bytes: string): string {
  const inner = bytes.replace(
    /[^ !#-[\]-~]/g,
    (char) => named[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
  return `"${inner}"`
}

/** How each byte is quoted. */
const quotedBytes = Array.from({ length: 256 }, (_, byte) =>
  Buffer.from(quoteWord(String.fromCharCode(byte)).slice(1, -1), 'latin1'),
)
/** The most bytes that {@link quoteWord} makes of one. */
export const MAX_QUOTED_BYTES = 4

/**
 * Puts bytes into a buffer as {@link quoteWord} quotes them, without the quotes around them.
 *
 * @param buffer has room for `MAX_QUOTED_BYTES` times as many bytes
 * @returns where they end
 */
export function putQuoted(buffer: Buffer, start: number, bytes: Uint8Array): number {
  let at = start
  for (const byte of bytes) {
    const quoted = quotedBytes[byte]
    for (let i = 0; i < quoted.length; i++) buffer[at++] = quoted[i]
  }
  return at
}
