/** A byte as a signed C `char`, as Redis compares ranges on x86: bytes above 127 are negative. */
function signed(byte: number): number {
  return (byte << 24) >> 24
}

/** Whether the class `[...]` that opens at `pattern[at]` matches `char`, and where it ends. */
function matchClass(pattern: string, at: number, char: number): { taken: boolean; end: number } {
  let from = at + 1
  const negated = pattern[from] === '^'
  if (negated) from++
  let taken = false
  // An unclosed class ends with the pattern, as in Redis.
  for (; from < pattern.length && pattern[from] !== ']'; from++) {
    if (pattern[from] === '\\' && from + 1 < pattern.length) {
      from++
      if (pattern.charCodeAt(from) === char) taken = true
    } else if (pattern[from + 1] === '-' && from + 2 < pattern.length) {
      const a = signed(pattern.charCodeAt(from))
      const b = signed(pattern.charCodeAt(from + 2))
      const c = signed(char)
      if (c >= Math.min(a, b) && c <= Math.max(a, b)) taken = true
      from += 2
    } else if (pattern.charCodeAt(from) === char) {
      taken = true
    }
  }
  return { taken: taken !== negated, end: Math.min(from + 1, pattern.length) }
}

/**
 * Matches a whole string against a glob as Redis does (PSUBSCRIBE, CONFIG GET): `*`, `?`,
 * `[abc]`, `[a-z]`, `[^a]`, and `\` before a literal. The time grows at most with the product of
 * both lengths, so no client's pattern can hold up the server.
 */
export function matchGlob(pattern: string, text: string): boolean {
  let p = 0
  let t = 0
  // Where matching resumes after the last `*` if the rest does not match here.
  let starPattern = -1
  let starText = 0
  while (t < text.length) {
    const next = p < pattern.length ? step(pattern, p, text.charCodeAt(t)) : -1
    if (next === STAR) {
      starPattern = ++p
      starText = t
    } else if (next >= 0) {
      p = next
      t++
    } else if (starPattern >= 0) {
      p = starPattern
      t = ++starText
    } else {
      return false
    }
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

const STAR = -2

/**
 * Matches one character.
 *
 * @returns the next position in the pattern; -1 without a match; STAR for `*`
 */
function step(pattern: string, at: number, char: number): number {
  switch (pattern[at]) {
    case '*':
      return STAR
    case '?':
      return at + 1
    case '[': {
      const { taken, end } = matchClass(pattern, at, char)
      return taken ? end : -1
    }
    case '\\': {
      const literal = at + 1 < pattern.length ? at + 1 : at
      return pattern.charCodeAt(literal) === char ? literal + 1 : -1
    }
    default:
      return pattern.charCodeAt(at) === char ? at + 1 : -1
  }
}
