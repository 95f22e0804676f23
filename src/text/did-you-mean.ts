/**
 * The fewest insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
 */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(rows[i - 1][j] + 1, row[j - 1] + 1, replace)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j], rows[i - 2][j - 2] + 1)
      }
    }
    rows.push(row)
  }
  return rows[a.length][b.length]
}

/**
 * The name that the author of `word` most likely meant: the nearest one, if it is near enough;
 * otherwise the only one that begins with `word`, or that `word` begins with.
 */
export function didYouMean(word: string, names: readonly string[]): string | undefined {
  const lower = word.toLowerCase().slice(0, 64)
  const allowed = Math.max(1, Math.floor(lower.length / 3))
  let best: string | undefined
  let bestDistance = allowed + 1
  for (const name of names) {
    const distance = editDistance(lower, name)
    if (distance < bestDistance) {
      best = name
      bestDistance = distance
    }
  }
  if (best || lower.length < 3) return best
  const longer = names.filter((name) => name.startsWith(lower) || lower.startsWith(name))
  return longer.length === 1 ? longer[0] : undefined
}
