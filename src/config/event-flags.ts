/** The classes of events that `A` stands for, including those of types that ktree does not have. */
const ALL = 'g$lshzxetd'
/** The letters that `A` does not include. */
const OTHERS = 'KEmn'
const KNOWN = new RegExp(`^[A${ALL}${OTHERS}]*$`)

/**
 * Sorts the letters of `notify-keyspace-events` as Redis does: `AKE` for `KEg$lshzxetd`.
 *
 * @param text letters in any order
 * @returns undefined if a letter is unknown
 */
export function orderEventFlags(text: string): string | undefined {
  if (!KNOWN.test(text)) return undefined
  const flags = parseEventFlags(text)
  const kept = (letters: string): string => [...letters].filter((each) => flags.has(each)).join('')
  return (kept(ALL) === ALL ? 'A' : kept(ALL)) + kept('nKEm')
}

/**
 * The letters as CONFIG GET shows them. Like Redis, leaves out `n` if `A` is shown, even though `n`
 * is on.
 */
export function showEventFlags(ordered: string): string {
  return ordered.startsWith('A') ? ordered.replace('n', '') : ordered
}

/** The set of letters, with `A` replaced by its letters. */
export function parseEventFlags(text: string): ReadonlySet<string> {
  const known = [...ALL, ...OTHERS]
  const all = text.includes('A')
  return new Set(known.filter((each) => text.includes(each) || (all && ALL.includes(each))))
}
