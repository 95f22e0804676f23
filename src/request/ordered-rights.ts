import type { User } from '../access/user.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Store } from '../store/store.ts'
import type { Denial } from './denial.ts'
import { denialAtDirectory, denialOf, meetsDirectory } from './permission.ts'
import type { PreparedCommand } from './prepared-command.ts'
import type { Transaction } from './transaction.ts'

type Find = (args: RequestArguments) => PreparedCommand

/**
 * What a log is told of a request that its user may make only where no directory stands. Whether one does is judged when it
 * runs, because other nodes may have made one until then.
 */
const FILES_ONLY = 'FILES'

/** Why a user may not make a request if a directory stands there by the time that it runs. */
export function deniedBelow(
  user: User,
  command: PreparedCommand | undefined,
  args: RequestArguments,
): Denial | undefined {
  if (user.unrestricted || command === undefined) return undefined
  return denialAtDirectory(user, command.access, args)
}

/** The request as a log has it. */
export function forFilesOnly(args: RequestArguments): RequestArguments {
  return [FILES_ONLY, ...args]
}

/** The request that a log has, as its client has sent it. */
export function asSent(logged: RequestArguments): RequestArguments {
  return logged[0] === FILES_ONLY ? (logged.slice(1) as unknown as RequestArguments) : logged
}

/**
 * Judges the requests of an EXEC for which a log is to find a place: what is denied now, and what would be if a directory
 * stood there, is noted in the transaction.
 *
 * @returns those that the log is to have
 */
export function judgeOrdered(
  transaction: Transaction,
  user: User,
  store: Store,
  find: Find,
): RequestArguments[] {
  const denied = new Map<RequestArguments, Denial>()
  const belows = new Map<RequestArguments, Denial>()
  const logged: RequestArguments[] = []
  for (const args of transaction.requests) {
    const command = find(args)
    if (!command.ordered) continue
    const denial = denialOf(user, command.access, args, store)
    if (denial !== undefined) {
      denied.set(args, denial)
      continue
    }
    const below = deniedBelow(user, command, args)
    if (below !== undefined) belows.set(args, below)
    logged.push(below === undefined ? args : forFilesOnly(args))
  }
  transaction.denied = denied
  transaction.deniedBelow = belows
  return logged
}

/** Why a request of an EXEC does not run, once a log has put the EXEC in order. */
export function denialInOrder(
  { denied, deniedBelow }: Transaction,
  { access }: PreparedCommand,
  args: RequestArguments,
  store: Store,
): Denial | undefined {
  const below = deniedBelow?.get(args)
  if (below !== undefined && meetsDirectory(access, args, store)) return below
  return denied?.get(args)
}
