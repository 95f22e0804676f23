import type { MemoryGauge } from '../metrics/memory-gauge.ts'
import { MAX_VALUE_BYTES } from '../store/value.ts'
import { CommandError } from './arguments/errors.ts'
import type { Client } from './client.ts'

/**
 * Work that short requests of an EXEC could multiply until all others wait for minutes. A request that begins
 * more of it is refused when those before it have done so much.
 */
const WORK = {
  /** By RENAME. */
  movedNodes: { done: 'nodes moved', most: 250_000 },
  /** By SETRANGE, which copies the large value that it writes into, and by COPY. */
  copiedBytes: { done: 'bytes copied', most: 512 * 1024 * 1024 },
  /** By GETRANGE and DUMP. A count of its own, because what writes do must not depend on reads. */
  copiedForReplies: { done: 'bytes copied for replies', most: 512 * 1024 * 1024 },
  /** By SLOWLOG, SCAN and RANDOMKEY, to find out what a user may see. */
  triedPatterns: { done: 'patterns tried', most: 5_000_000 },
  /** By ACL SETUSER that takes rights from a user, of what the user's clients listen to or wait for. */
  judgedRights: { done: 'rights judged', most: 5_000_000 },
} as const

/** How much the COPYs of an EXEC copy at most: the last one begins below the limit, and no value is longer than {@link MAX_VALUE_BYTES}. */
export const MOST_COPIED_BYTES = WORK.copiedBytes.most + MAX_VALUE_BYTES

const MAX_BYTES = 256 * 1024 * 1024
/** Or this share of the heap, where lists are kept until they are sent. */
const HEAP_SHARE = 1 / 8

/**
 * How many bytes the replies of one EXEC may have together, because they are gathered before they are sent.
 * Values that are not copied do not count.
 */
export function mostReplyBytes({ heapLimit }: MemoryGauge): number {
  return Math.min(MAX_BYTES, Math.floor(heapLimit * HEAP_SHARE))
}

/** Nothing of an EXEC has run yet that is bounded. */
export function beginExecuting(client: Client): void {
  client.executing = true
  client.movedNodes = 0
  client.copiedBytes = 0
  client.copiedForReplies = 0
  client.triedPatterns = 0
  client.searchTries = 0
  client.judgedRights = 0
}

/** @throws CommandError if the client's EXEC may not begin more work of this kind */
export function checkWork(client: Client, kind: keyof typeof WORK): void {
  const { done, most } = WORK[kind]
  if (client.executing && client[kind] >= most) throw tooMuch(done, most)
}

/** The refusal of a request because of what the EXEC has done before it. */
export function tooMuch(done: string, most: number): CommandError {
  return new CommandError(`ERR too many ${done} by one transaction (the limit is ${most})`)
}

/**
 * Begins a copy of bytes of a value, and counts it. To be called by a command that has done nothing yet.
 *
 * @param time for each byte, in milliseconds: one of `TIME_OF`
 * @throws CommandError if the client's EXEC has copied too many of this kind
 * @throws PutOff if the copy is for a later turn
 */
export function beginCopy(
  client: Client,
  kind: 'copiedBytes' | 'copiedForReplies',
  bytes: number,
  time: number,
): void {
  checkWork(client, kind)
  const { longWork } = client.server
  longWork.begin(bytes * time, client.executing)
  if (kind === 'copiedBytes') longWork.ofWrites += bytes * time
  client[kind] += bytes
}
