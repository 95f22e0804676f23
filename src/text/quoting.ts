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
