import { textOfValue, type Value } from '../store/value.ts'
import type { Command } from './command.ts'

/** Redis's key specification: the positions of keys in a request, and their flags. */
export interface KeySpec {
  readonly first: number
  /** A negative position counts from the request's end. */
  readonly last: number
  readonly step: number
  /** Redis's key flags, in Redis's order. */
  readonly flags: readonly string[]
}

/** A command's key specifications: one, or two if it uses its two keys differently. */
export function keySpecsOf({ keys, keyFlags, flags }: Command): readonly KeySpec[] {
  if (keys === undefined) return []
  const [first, last, step] = keys
  if (keyFlags?.length === 2) {
    return [
      { first, last: first, step, flags: keyFlags[0] },
      { first: last, last, step, flags: keyFlags[1] },
    ]
  }
  const usual = flags.includes('write') ? ['RW', 'update'] : ['RO', 'access']
  return [{ first, last, step, flags: keyFlags?.[0] ?? usual }]
}

/** Keys of a request that it uses in the same way. */
export interface UsedKeys {
  readonly keys: readonly string[]
  readonly flags: readonly string[]
}

/**
 * The keys in a request, with the flags of this request.
 *
 * @param request the whole request, the command's name first
 */
export function usedKeys(command: Command, request: readonly string[]): UsedKeys[] {
  return keySpecsOf(command).map(({ first, last, step, flags }) => {
    const end = last < 0 ? request.length + last : Math.min(last, request.length - 1)
    const keys: string[] = []
    for (let i = first; i <= end; i += step) keys.push(request[i])
    return { keys, flags: command.keyFlagsOf?.(request) ?? flags }
  })
}

/** The keys that a request may make. @param args the whole request, the command's name first */
export function madeKeys(command: Command, args: readonly Value[]): string[] {
  const made: string[] = []
  for (const { first, last, step, flags } of keySpecsOf(command)) {
    if (!flags.includes('update') && !flags.includes('insert')) continue
    const end = last < 0 ? args.length + last : Math.min(last, args.length - 1)
    for (let i = first; i <= end; i += step) made.push(textOfValue(args[i]))
  }
  return made
}

/**
 * The keys in a request.
 *
 * @param args the whole request, the command's name first
 */
export function requestKeys({ keys }: Command, args: readonly Value[]): string[] {
  if (keys === undefined) return []
  const [first, last, step] = keys
  const end = last < 0 ? args.length + last : Math.min(last, args.length - 1)
  const found: string[] = []
  for (let i = first; i <= end; i += step) found.push(textOfValue(args[i]))
  return found
}
