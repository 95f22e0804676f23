import type { Command } from '../request/command.ts'

/**
 * The keys in a request, by the command's declaration.
 *
 * @param args the whole request, the command's name first
 */
export function requestKeys({ keys }: Command, args: readonly string[]): string[] {
  if (keys === undefined) return []
  const [first, last, step] = keys
  const end = last < 0 ? args.length + last : last
  return args.filter((_, i) => i >= first && i <= end && (i - first) % step === 0)
}
