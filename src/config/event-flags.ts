/** Redis's letters for classes of events that `A` stands for. There are no lists, sets ... here. */
const ALL = 'g$lshzxetd'
/** Those that `A` does not include. */
const OTHERS = 'KEmn'

/**
 * The value of `notify-keyspace-events` in Redis's order: `AKE` for `KEg$lshzxetd`.
 *
 * @param text letters in any order
 * @returns undefined if one of them is no class of events
 */
export function orderEventFlags(text: string): string | undefined {
  for (const letter of text) if (!`A${ALL}${OTHERS}`.includes(letter)) return undefined
  const flags = parseEventFlags(text)
  const kept = (letters: string): string => [...letters].filter((each) => flags.has(each)).join('')
  return (kept(ALL) === ALL ? 'A' : kept(ALL)) + kept('nKEm')
}

/** As Redis shows them, which leaves out n beside A, though it keeps it. */
export function showEventFlags(ordered: string): string {
  return ordered.startsWith('A') ? ordered.replace('n', '') : ordered
}

/** The letters, with those that `A` stands for. */
export function parseEventFlags(text: string): ReadonlySet<string> {
  return new Set(text.replace('A', ALL))
}
