/**
 * Takes certain characters away from both ends of a text. A regular expression for this takes time
 * that grows with the square of a run of these characters that is not at an end.
 */
export function trim(text: string, characters: string): string {
  const kept = trimEnd(text, characters)
  let start = 0
  while (start < kept.length && characters.includes(kept[start])) start++
  return kept.slice(start)
}

/** Like {@link trim}, but leaves the beginning as it is. */
export function trimEnd(text: string, characters: string): string {
  let end = text.length
  while (end > 0 && characters.includes(text[end - 1])) end--
  return text.slice(0, end)
}
