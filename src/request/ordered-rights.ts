import type { User } from '../access/user.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Store } from '../store/store.ts'
import type { CommandError } from './arguments/errors.ts'
import { isOverBound, longerThanAsked } from './copy-bounds.ts'
import type { Denial } from './denial.ts'
import { DeniedError } from './denied-error.ts'
import { denialAtDirectory, denialOf, meetsDirectory } from './permission.ts'
import type { PreparedCommand } from './prepared-command.ts'
import type { Transaction } from './transaction.ts'

type Find = (args: RequestArguments) => PreparedCommand

/**
 * What a log is told of a request that its user may make only where no directory stands. Whether one does is judged when it
 * runs, because other nodes may have made one until then.
 */
const FILES_ONLY = 'FILES'
/** What a log is told of a COPY, with how long the value may be: others may have written a longer one until it runs. */
const UP_TO = 'UPTO'

/** What a request depends on when it runs. */
export interface Conditions {
  /** Why its client may not make it if a directory stands there. */
  readonly deniedBelow: Denial | undefined
  /** How long the value may be that it copies. */
  readonly copyBound: number | undefined
}

/** Why a user may not make a request if a directory stands there by the time that it runs. */
export function deniedBelow(
  user: User,
  command: PreparedCommand | undefined,
  args: RequestArguments,
): Denial | undefined {
  if (user.unrestricted || command === undefined) return undefined
  return denialAtDirectory(user, command.access, args)
}

/** The request as a log has it. A COPY does nothing to a directory, so nothing depends on both. */
export function asLogged(
  args: RequestArguments,
  { deniedBelow, copyBound }: Conditions,
): RequestArguments {
  if (deniedBelow !== undefined) return [FILES_ONLY, ...args]
  return copyBound === undefined ? args : [UP_TO, String(copyBound), ...args]
}

/** The request that a log has, as its client has sent it. */
export function asSent(logged: RequestArguments): RequestArguments {
  const words = logged[0] === FILES_ONLY ? 1 : logged[0] === UP_TO ? 2 : 0
  return words === 0 ? logged : (logged.slice(words) as unknown as RequestArguments)
}

/** Whether a request that a log has does nothing. @param sent as its client has sent it */
export function isLeftOut(
  logged: RequestArguments,
  command: PreparedCommand,
  sent: RequestArguments,
  store: Store,
): boolean {
  if (logged[0] === FILES_ONLY) return meetsDirectory(command.access, sent, store)
  return logged[0] === UP_TO && isOverBound(command, sent, store, Number(logged[1]))
}

/** Why a request does not run, once a log has put it in order. */
export function refusalInOrder(
  { deniedBelow, copyBound }: Conditions,
  command: PreparedCommand,
  args: RequestArguments,
  store: Store,
): CommandError | DeniedError | undefined {
  if (deniedBelow !== undefined && meetsDirectory(command.access, args, store))
    return new DeniedError(deniedBelow, command.fullName)
  return isOverBound(command, args, store, copyBound) ? longerThanAsked() : undefined
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
    const copyBound = command.command.source === 'copied' ? transaction.copyBound : undefined
    logged.push(asLogged(args, { deniedBelow: below, copyBound }))
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
