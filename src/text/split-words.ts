const TAB = 9
const LINE_FEED = 10
const CARRIAGE_RETURN = 13
const SPACE = 32
const DOUBLE_QUOTE = 34
const SINGLE_QUOTE = 39
const BACKSLASH = 92

/**
 * Escapes with a meaning inside double quotes. After a backslash, any other byte stands for itself,
 * except in \xHH.
 */
const escapes = new Map([
  [0x6e, LINE_FEED],
  [0x72, CARRIAGE_RETURN],
  [0x74, TAB],
  [0x62, 8],
  [0x61, 7],
])

/**
 * Splits an inline request into its arguments by the rules of Redis's sdssplitargs. Arguments are
 * separated by blanks. "…" may hold \n \r \t \b \a \xHH, and \ before any other byte. Inside '…'
 * the only escape is \'. A closing quote must be followed by a blank or the end of the line.
 *
 * @param line the request, with or without its end of line, which counts as a blank; no NUL byte
 * @returns the arguments as binary strings, none for a blank line; undefined if quotes are
 *   unbalanced
 */
export function splitInlineRequest(line: Buffer): string[] | undefined {
  const args: string[] = []
  // Bytes are gathered here, because an argument that is a slice of the line would keep the line
  // alive, and an argument built with `+=` takes many times its length.
  const bytes = Buffer.allocUnsafe(line.length)
  let at = 0
  for (;;) {
    while (at < line.length && isBlank(line[at])) at++
    if (at >= line.length) return args
    let count = 0
    let quote = 0
    while (at < line.length || quote !== 0) {
      if (at >= line.length) return undefined
      const byte = line[at]
      if (quote === 0) {
        if (endsBareWord(byte)) break
        if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) quote = byte
        else bytes[count++] = byte
        at++
      } else if (byte === quote) {
        at++
        if (at < line.length && !isBlank(line[at])) return undefined
        break
      } else if (byte === BACKSLASH && quote === DOUBLE_QUOTE && at + 1 < line.length) {
        const coded = hexByte(line, at + 1)
        bytes[count++] = coded ?? escapes.get(line[at + 1]) ?? line[at + 1]
        at += coded === undefined ? 2 : 4
      } else if (byte === BACKSLASH && quote === SINGLE_QUOTE && line[at + 1] === SINGLE_QUOTE) {
        bytes[count++] = SINGLE_QUOTE
        at += 2
      } else {
        bytes[count++] = byte
        at++
      }
    }
    args.push(bytes.toString('latin1', 0, count))
  }
}

/** C's isspace, for blanks between arguments and after a closing quote. */
function isBlank(byte: number): boolean {
  return byte === SPACE || (byte >= TAB && byte <= CARRIAGE_RETURN)
}

/** Unlike the other blanks, vertical tab and form feed do not end a bare word. */
function endsBareWord(byte: number): boolean {
  return byte === SPACE || byte === TAB || byte === LINE_FEED || byte === CARRIAGE_RETURN
}

/** The byte of `xHH` at this position. */
function hexByte(line: Buffer, at: number): number | undefined {
  const text = line.toString('latin1', at, at + 3)
  return /^x[0-9a-fA-F]{2}$/.test(text) ? Number.parseInt(text.slice(1), 16) : undefined
}
