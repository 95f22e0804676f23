/** What must not reach a terminal: controls, invisible marks, and what has no character yet. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}\\]/gu
const UTF8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Bytes as text for a log: UTF-8 as it is, and `\\xHH` or `\\u{H}` for whatever could not be seen, or
 * would change what is seen.
 *
 * @param bytes a binary string
 */
export function printable(bytes: string): string {
  if (/^[ -[\]-~]*$/.test(bytes)) return bytes
  try {
    return UTF8.decode(Buffer.from(bytes, 'latin1')).replace(UNPRINTABLE, escaped)
  } catch {
    // Not UTF-8.
    return bytes.replace(/[^ -[\]-~]/g, escaped)
  }
}

function escaped(char: string): string {
  if (char === '\\') return '\\\\'
  const code = (char.codePointAt(0) ?? 0).toString(16)
  return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u{${code}}`
}
