/** An argument as C reads it, up to the first NUL byte. @param length the most characters to return */
export function textOf(argument: string, length = argument.length): string {
  const end = argument.indexOf('\0')
  return argument.slice(0, end < 0 ? length : Math.min(end, length))
}

/** A word of a request as Redis compares it: without regard to case, up to the first NUL byte. */
export function tokenOf(argument: string): string {
  return textOf(argument).toUpperCase()
}
