import { asSent, conditionWords } from '../request/ordered-rights.ts'
import type { WatchedKeys } from '../request/watched-keys.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import { textOfValue } from '../store/value.ts'

/**
 * An EXEC is an entry of several requests. The first is none of the client's: it tells an EXEC of one
 * request from that request alone, and what the EXEC depends on. How large the tree may be stands before it.
 */
export const PLAIN_EXEC: RequestArguments = ['MULTI']

/** What the client of an EXEC has watched. */
export interface ExecWatch {
  /** How many changes the node that was asked had applied when it took the EXEC. */
  readonly changes: number
  readonly keys: readonly WatchedKey[]
}

export interface WatchedKey {
  readonly path: string
  /** Expiries after this time count, in Unix milliseconds; none if there was no node. */
  readonly since: number
}

/** @param changes how many this node has applied */
export function watchedExec(watched: WatchedKeys, changes: number): RequestArguments {
  const args: [string, ...string[]] = ['WATCH', String(changes)]
  for (const { path, existed, madeAt } of watched.guards) {
    args.push(path, existed ? String(madeAt) : '')
  }
  return args
}

export function isExec([head]: readonly RequestArguments[]): boolean {
  const word = head[conditionWords(head)]
  return word === 'MULTI' || word === 'WATCH'
}

/** Whether the EXEC depends on something. */
export function isWatched([head]: readonly RequestArguments[]): boolean {
  return head[conditionWords(head)] === 'WATCH'
}

/** @returns undefined if the EXEC depends on nothing */
export function watchOf(requests: readonly RequestArguments[]): ExecWatch | undefined {
  if (!isWatched(requests)) return
  const first = asSent(requests[0])
  const keys: WatchedKey[] = []
  for (let i = 2; i + 1 < first.length; i += 2) {
    const since = first[i + 1] === '' ? Number.POSITIVE_INFINITY : Number(first[i + 1])
    keys.push({ path: textOfValue(first[i]), since })
  }
  return { changes: Number(first[1]), keys }
}
