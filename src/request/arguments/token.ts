/** A text as C reads it: up to its first NUL byte. */
export function textOf(argument: string, length = argument.length): string {
  const end = argument.indexOf('\0')
  return argument.slice(0, end < 0 ? length : Math.min(end, length))
}

/** A word of a request as Redis compares it: in any case, up to its first NUL byte. */
export function tokenOf(argument: string): string {
  return textOf(argument).toUpperCase()
}
