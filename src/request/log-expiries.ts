import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Expiries } from '../store/expiring-tree.ts'
import type { ServerContext } from './client.ts'
import type { Dispatcher } from './dispatcher.ts'
import { writtenPaths } from './expiry-slice.ts'
import { NO_OPTIONS } from './option-parser.ts'
import { hasLarge, withoutLarge } from './value-places.ts'

/**
 * Expires, bit by bit, what a request that a log has put in order would expire first, in one go. The clock must stand
 * at the time of its entry.
 */
export function* expiriesOfRequest(
  server: ServerContext,
  dispatcher: Dispatcher,
  args: RequestArguments,
): Expiries {
  const entry = dispatcher.find(args)
  if (entry?.command.expiries === undefined) return
  let expiries: Expiries | undefined
  try {
    const words = hasLarge(args) ? withoutLarge(args, entry.values) : args
    const options = entry.options === undefined ? NO_OPTIONS : entry.options.parse(words)
    expiries = entry.command.expiries(server, words as readonly string[], options)
  } catch {
    // The request is refused, and expires nothing.
  }
  if (expiries !== undefined) yield* expiries
}

/** {@link expiriesOfRequest}, of an EXEC. @param requests those that are in the log */
export function expiriesOfExec(
  { store }: ServerContext,
  dispatcher: Dispatcher,
  requests: readonly RequestArguments[],
): Expiries {
  return store.expiriesBefore(writtenPaths(requests, (args) => dispatcher.find(args)))
}
