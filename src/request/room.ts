import type { User } from '../access/user.ts'
import { type MemoryGauge, MIN_STEP_BYTES } from '../metrics/memory-gauge.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import { CommandError } from './arguments/errors.ts'
import type { ServerContext } from './client.ts'
import type { KeptSize } from './command.ts'
import { tooMuch } from './exec-limits.ts'
import { TIME_OF } from './long-work.ts'

/** An argument that a client makes the server keep, such as a channel, takes about this much. */
const KEPT_ARGUMENT_BYTES = 512
/** A selector of a user takes about this much besides its rules. */
const SELECTOR_BYTES = 2048
/** All characters up to the space can stand between the rules of a selector, or nowhere. */
const SPACE = 0x20

/** Memory that the arguments of a command take that makes the server keep them, in bytes, about. */
export function keptBytes(args: RequestArguments): number {
  return args.length * KEPT_ARGUMENT_BYTES
}

/** The same of the rules of a user: one argument may be a selector with many rules. */
export function keptRuleBytes(args: RequestArguments): number {
  let bytes = keptBytes(args)
  for (const arg of args) {
    if (typeof arg !== 'string' || !arg.startsWith('(')) continue
    bytes += SELECTOR_BYTES
    for (let i = 0; i < arg.length; i++) {
      if (arg.charCodeAt(i) <= SPACE) bytes += KEPT_ARGUMENT_BYTES
    }
  }
  return bytes
}

/** Whether a command needs memory. */
interface NeedOfMemory {
  readonly grows: boolean
  readonly takesReserve: boolean
  readonly keeps: KeptSize | undefined
  readonly isExec: boolean
  readonly endsMulti: boolean
}

/**
 * Whether to refuse a request, because memory is short.
 *
 * @param transaction of its client
 * @param now milliseconds since the process began
 */
export function isShort(
  memory: MemoryGauge,
  command: NeedOfMemory,
  args: RequestArguments,
  transaction: { readonly grows: boolean } | undefined,
  now: number,
): boolean {
  if (!needsMemory(command, transaction)) {
    return command.takesReserve && memory.isReserveTaken(args, now)
  }
  const { keeps } = command
  return memory.isExceeded(args, now) || !memory.hasRoomFor(keeps === undefined ? 0 : keeps(args))
}

/**
 * Whether a request takes memory. In a transaction EXEC takes that of the queued requests, and all
 * others take some, except those that end it.
 */
function needsMemory(
  { grows, isExec, endsMulti }: NeedOfMemory,
  transaction: { readonly grows: boolean } | undefined,
): boolean {
  if (transaction === undefined) return grows
  return isExec ? transaction.grows : !endsMulti
}

/** The refusal of a request that needs more memory than there is. */
export function noRoom(): CommandError {
  return new CommandError(
    "OOM command not allowed when it needs more memory than 'maxmemory' or the process's heap has left.",
  )
}

/**
 * Refuses a request that reads much, because V8 ends the process when its heap is full.
 *
 * @param bytes of the heap that it may take
 * @throws CommandError
 */
export function checkRoomToRead(memory: MemoryGauge, bytes: number): void {
  if (bytes >= MIN_STEP_BYTES && !memory.heapHasRoomToRead(bytes)) throw noRoom()
}

/** How many times their length rules take while they are put together. */
const DESCRIPTION_FACTOR = 4

/** @throws CommandError if the heap has no room for the rules of users */
export function checkRoomToDescribe(memory: MemoryGauge, users: readonly User[]): void {
  const bytes = users.reduce((sum, { ruleBytes }) => sum + ruleBytes, 0)
  checkRoomToRead(memory, DESCRIPTION_FACTOR * bytes)
}

/** What a node takes in a copy of the tree, in bytes of the heap, while the copy is made. */
const COPIED_NODE_BYTES = 40
/** When the listings of an EXEC have copied so many nodes, it gets no more: each takes some 0.1 µs. */
const MAX_COPIED_NODES = 5_000_000

type CopyingServer = Pick<ServerContext, 'memory' | 'longWork' | 'pubsub' | 'store'>

/** Says whether many nodes may be copied for a listing. */
export class CopyRoom {
  readonly #server: CopyingServer
  /** How many nodes the present EXEC has copied; below 0 outside of one. */
  #copied = Number.NEGATIVE_INFINITY

  /** @param server whose store asks it from now on */
  constructor(server: CopyingServer) {
    this.#server = server
    server.store.beforeCopy = (nodes) => this.#take(nodes)
  }

  beginExec(): void {
    this.#copied = 0
  }

  endExec(): void {
    this.#copied = Number.NEGATIVE_INFINITY
  }

  /**
   * @throws CommandError if there is no room, or the EXEC has copied too many nodes
   * @throws PutOff if the turn has begun enough long work
   */
  #take(nodes: number): void {
    const { memory, longWork, pubsub } = this.#server
    checkRoomToRead(memory, nodes * COPIED_NODE_BYTES)
    // A copy that no client has asked for cannot be put off.
    if (pubsub.served !== undefined) longWork.begin(nodes * TIME_OF.copiedNode, this.#copied >= 0)
    if (this.#copied > MAX_COPIED_NODES) throw tooMuch('nodes listed', MAX_COPIED_NODES)
    this.#copied += nodes
  }
}
