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

/** A key of a request. */
export interface UsedKey {
  readonly key: string
  readonly flags: readonly string[]
}

/**
 * The keys in a request, with the flags of this request.
 *
 * @param request the whole request, the command's name first
 */
export function usedKeys(command: Command, request: readonly string[]): UsedKey[] {
  return keySpecsOf(command).flatMap(({ first, last, step, flags }) => {
    const end = last < 0 ? request.length + last : last
    const used = command.keyFlagsOf?.(request) ?? flags
    return request
      .filter((_, i) => i >= first && i <= end && (i - first) % step === 0)
      .map((key) => ({ key, flags: used }))
  })
}

/**
 * The keys in a request.
 *
 * @param args the whole request, the command's name first
 */
export function requestKeys({ keys }: Command, args: readonly Value[]): string[] {
  if (keys === undefined) return []
  const [first, last, step] = keys
  const end = last < 0 ? args.length + last : last
  return args.filter((_, i) => i >= first && i <= end && (i - first) % step === 0).map(textOfValue)
}
