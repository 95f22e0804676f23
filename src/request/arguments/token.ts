import { textOfValue, type Value } from '../../store/value.ts'

/** An argument as C reads it, up to the first NUL byte. @param length the most characters to return */
export function textOf(argument: Value, length = argument.length): string {
  if (typeof argument !== 'string') return textOf(textOfValue(argument.subarray(0, length)))
  const end = argument.indexOf('\0')
  return argument.slice(0, end < 0 ? length : Math.min(end, length))
}

/** Whether a word is among the arguments from a place on, whatever its place and case. */
export function hasToken(args: readonly string[], from: number, token: string): boolean {
  for (let at = from; at < args.length; at++) if (args[at].toUpperCase() === token) return true
  return false
}

/** A word of a request as Redis compares it: without regard to case, up to the first NUL byte. */
export function tokenOf(argument: Value): string {
  // No word is as long as a large argument.
  return typeof argument === 'string' ? textOf(argument).toUpperCase() : ''
}
