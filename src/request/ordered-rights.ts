import type { User } from '../access/user.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Store } from '../store/store.ts'
import type { Value } from '../store/value.ts'
import type { CommandError } from './arguments/errors.ts'
import { isOverBound, longerThanAsked } from './copy-bounds.ts'
import type { Denial } from './denial.ts'
import { DeniedError } from './denied-error.ts'
import { denialAtDirectory, denialsOf, meetsDirectory } from './permission.ts'
import type { PreparedCommand } from './prepared-command.ts'
import type { Transaction } from './transaction.ts'
import { grownMeanwhile } from './tree-room.ts'

type Find = (args: RequestArguments) => PreparedCommand

/**
 * What a log is told of a request that its user may make only where no directory stands. Whether one does is judged when it
 * runs, because other nodes may have made one until then.
 */
const FILES_ONLY = 'FILES'
/** What a log is told of a COPY, with how long the value may be: others may have written a longer one until it runs. */
const UP_TO = 'UPTO'
/** What a log is told of a long request, or of an EXEC, with how many nodes the tree may have: others may write until it runs. */
const ROOM = 'ROOM'

/** What a request depends on when it runs. */
export interface Conditions {
  /** Why its client may not make it if a directory stands there. */
  readonly deniedBelow: Denial | undefined
  /** How long the value may be that it copies. */
  readonly copyBound: number | undefined
  /** How many nodes the tree may have; undefined if that does not matter. */
  readonly mostNodes: number | undefined
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
  { deniedBelow, copyBound, mostNodes }: Conditions,
): RequestArguments {
  const sent = mostNodes === undefined ? args : withinRoom(args, mostNodes)
  if (deniedBelow !== undefined) return [FILES_ONLY, ...sent]
  return copyBound === undefined ? sent : [UP_TO, String(copyBound), ...sent]
}

/** What does nothing if the tree has more nodes. */
export function withinRoom(args: RequestArguments, mostNodes: number): RequestArguments {
  return [ROOM, String(mostNodes), ...args]
}

/** The request that a log has, as its client has sent it. */
export function asSent(logged: RequestArguments): RequestArguments {
  const words = conditionWords(logged)
  return words === 0 ? logged : (logged.slice(words) as unknown as RequestArguments)
}

/** How many words stand before a request that a log has: one condition after the other. */
export function conditionWords(logged: RequestArguments): number {
  let words = 0
  for (;;) {
    const more = wordsFrom(logged[words])
    if (more === 0) return words
    words += more
  }
}

/** How many words a condition has. @returns 0 if it is none */
function wordsFrom(word: Value | undefined): number {
  if (word === FILES_ONLY) return 1
  return word === UP_TO || word === ROOM ? 2 : 0
}

/** Whether a request that a log has does nothing. @param sent as its client has sent it */
export function isLeftOut(
  logged: RequestArguments,
  command: PreparedCommand,
  sent: RequestArguments,
  store: Store,
): boolean {
  const end = conditionWords(logged)
  for (let at = 0; at < end; at += wordsFrom(logged[at])) {
    const bound = Number(logged[at + 1])
    if (logged[at] === FILES_ONLY && meetsDirectory(command.access, sent, store)) return true
    if (logged[at] === UP_TO && isOverBound(command, sent, store, bound)) return true
    if (logged[at] === ROOM && store.nodes > bound) return true
  }
  return false
}

/** What an EXEC as a whole depends on. @param head its first entry, as a log has it */
export function conditionsOfExec(head: RequestArguments): Conditions {
  const mostNodes = head[0] === ROOM ? Number(head[1]) : undefined
  return { deniedBelow: undefined, copyBound: undefined, mostNodes }
}

/** Why a request does not run, once a log has put it in order. */
export function refusalInOrder(
  { deniedBelow, copyBound, mostNodes }: Conditions,
  command: PreparedCommand,
  args: RequestArguments,
  store: Store,
): CommandError | DeniedError | undefined {
  if (deniedBelow !== undefined && meetsDirectory(command.access, args, store))
    return new DeniedError(deniedBelow, command.fullName)
  if (mostNodes !== undefined && store.nodes > mostNodes) return grownMeanwhile()
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
    const { now, atDirectory: below } = denialsOf(user, command.access, args, store)
    if (now !== undefined) {
      denied.set(args, now)
      continue
    }
    if (below !== undefined) belows.set(args, below)
    const copyBound = command.command.source === 'copied' ? transaction.copyBound : undefined
    logged.push(asLogged(args, { deniedBelow: below, copyBound, mostNodes: undefined }))
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
