/**
 * Whether a request's first word comes from an HTTP request that a browser can send. Such a request
 * is refused, because a web page must not write to the tree.
 */
export function isHttp(word: string): boolean {
  if (word.length !== 4 && word.length !== 5) return false
  // P, p, H or h: nearly every command name fails here, before a lower-case copy is made.
  const first = word.charCodeAt(0) | 0x20
  if (first !== 0x70 && first !== 0x68) return false
  const lower = word.toLowerCase()
  return lower === 'post' || lower === 'host:'
}
