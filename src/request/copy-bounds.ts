import { pathOfKey } from '../keyspace/key.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Store } from '../store/store.ts'
import type { Node } from '../store/tree/node.ts'
import { textOfValue, type Value } from '../store/value.ts'
import { CommandError } from './arguments/errors.ts'
import { MOST_COPIED_BYTES } from './exec-limits.ts'
import type { PreparedCommand } from './prepared-command.ts'
import type { Transaction } from './transaction.ts'

/*
 * The problem: a COPY of a few bytes adds a value of up to 256 MB. A node of a group counts it while it is on its way, but others
 * may write a longer value meanwhile, and all nodes would then copy that, however many such requests there are.
 *
 * So the log has how long the value may be: what was counted. All nodes refuse the COPY alike if the value is longer by then.
 */

/** Finds the command of a request. */
export type Find = (args: RequestArguments) => PreparedCommand | undefined

/** A value may be longer than it was when its COPY was asked for by this much, so that short ones are never refused. */
export const COPY_SLACK_BYTES = 64 * 1024

/** How long the value may be that a request copies; undefined if it copies none. */
export function copyBound(
  prepared: PreparedCommand | undefined,
  args: RequestArguments,
  store: Store,
): number | undefined {
  if (prepared?.command.source !== 'copied') return undefined
  return copiedBytes(prepared.command, args, store)
}

/** Whether the value that a request copies is longer than it may be. */
export function isOverBound(
  { command }: PreparedCommand,
  args: RequestArguments,
  store: Store,
  bound: number | undefined,
): boolean {
  if (bound === undefined || command.source !== 'copied') return false
  return copiedBytes(command, args, store) - COPY_SLACK_BYTES > bound
}

/** The refusal of a COPY of such a value. */
export function longerThanAsked(): CommandError {
  return new CommandError(
    'ERR the value to copy has changed meanwhile and is longer now, try again',
  )
}

/** Of its value, and the slack. */
function copiedBytes(
  { adds }: PreparedCommand['command'],
  args: RequestArguments,
  store: Store,
): number {
  try {
    return adds?.(args, store) ?? 0
  } catch {
    // Its path is refused when it runs.
    return 0
  }
}

/**
 * What the requests of an EXEC take until they have been run, and may add to the tree, in bytes, about. How long the values may be
 * that its COPYs copy is noted in the transaction: as long as any of them that is there, and all that the others may add to it.
 */
export function takenByExec(transaction: Transaction, find: Find, store: Store): number {
  const { requests } = transaction
  transaction.copyBound = undefined
  let bytes = 0
  let copies = 0
  let longest = 0
  for (const args of requests) {
    const found = find(args)
    bytes += found?.takes(args, store) ?? 0
    const bound = copyBound(found, args, store)
    if (bound === undefined) continue
    copies++
    bytes -= bound
    longest = Math.max(longest, bound)
  }
  if (copies === 0) return bytes
  const moved = longestMoved(requests, find, store)
  if (moved === undefined) return bytes + MOST_COPIED_BYTES
  const bound = Math.max(longest, moved + COPY_SLACK_BYTES) + bytes
  // The limit of an EXEC holds at all nodes alike, too.
  if (copies * bound >= MOST_COPIED_BYTES) return bytes + MOST_COPIED_BYTES
  transaction.copyBound = bound
  return bytes + copies * bound
}

/** The longest value that an EXEC moves to another key; undefined if it moves directories. */
function longestMoved(
  requests: readonly RequestArguments[],
  find: Find,
  store: Store,
): number | undefined {
  let longest = 0
  for (const args of requests) {
    if (find(args)?.command.source !== 'moved') continue
    const node = nodeAt(store, args[1])
    if (node?.dir === true) return
    if (node !== undefined) longest = Math.max(longest, node.value.length)
  }
  return longest
}

function nodeAt(store: Store, key: Value): Node | undefined {
  try {
    return store.lookup(pathOfKey(textOfValue(key)))
  } catch {
    return
  }
}
