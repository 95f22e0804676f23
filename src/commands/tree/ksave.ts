// KSAVE · KRECOVER

import type { MemoryGauge } from '../../metrics/memory-gauge.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import { closeWatchers } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import type { ReplySource, ReplyWriter } from '../../resp/reply-writer.ts'
import type { RequestArguments } from '../../resp/request-arguments.ts'
import type { Shared } from '../../resp/shared-memory.ts'
import type { References } from '../../store/loose-values.ts'
import type { SnapshotCopy } from '../../store/snapshot/snapshot-pieces.ts'
import type { Value } from '../../store/value.ts'

/** Pieces up to this many bytes together are kept, so that most states need not be made twice. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024

/** Only the state that is being sent keeps its pieces. */
const KEPT: Shared = { key: {}, weight: MAX_KEPT_BYTES }

/**
 * A state as a bulk string. Its length comes first, so the whole state is made once to be counted,
 * and once more to be sent.
 */
class StateSource implements ReplySource {
  readonly weight: number
  readonly shared: readonly Shared[]
  readonly references: References
  readonly #copy: SnapshotCopy
  #pieces: Iterator<Value, undefined>
  #counts = true
  #length = 0
  #kept: Value[] | undefined = []

  constructor(copy: SnapshotCopy) {
    this.#copy = copy
    this.#pieces = copy.pieces()
    this.weight = copy.weight
    this.shared = [{ key: copy.nodes, weight: copy.nodes.weight }, KEPT]
    this.references = copy.references
  }

  next(reply: ReplyWriter): boolean {
    const { value: piece } = this.#pieces.next()
    if (this.#counts) {
      if (piece === undefined) this.#endCount(reply)
      else this.#count(piece)
      return true
    }
    if (piece !== undefined && typeof piece !== 'string') reply.encoded(piece)
    else reply.raw(piece ?? '\r\n')
    return piece !== undefined
  }

  #count(piece: Value): void {
    this.#length += piece.length
    if (this.#length > MAX_KEPT_BYTES) this.#kept = undefined
    this.#kept?.push(piece)
  }

  #endCount(reply: ReplyWriter): void {
    reply.raw(`$${this.#length}\r\n`)
    this.#counts = false
    this.#pieces = this.#kept?.values() ?? this.#copy.pieces()
    this.#kept = undefined
  }
}

/** Bytes of memory that reading takes at most for each byte of a state: small nodes take one or two. */
const RECOVERY_FACTOR = 3

function heapNeed(request: RequestArguments): number {
  return request[1].length * RECOVERY_FACTOR
}

function checkRoom(memory: MemoryGauge, request: RequestArguments): void {
  if (memory.heapHasRoomFor(heapNeed(request))) return
  throw new CommandError(
    "OOM command not allowed when it needs more memory than the process's heap has left.",
  )
}

/** Saving and recovering the whole store. */
export const ksaveCommands: readonly Command[] = [
  {
    name: 'krecover',
    summary: 'Replaces the whole store with a state saved by KSAVE or by etcd.',
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of nodes and events in the state',
    arity: 2,
    flags: ['write', 'admin', 'denyoom'],
    reach: 'all',
    audit: { event: 'recover' },
    args: [{ name: 'state', type: 'string', value: true }],
    takesValues: true,
    heapNeed,
    checkRoom,
    run(client, args: readonly [name: string, state: Value]) {
      checkRoom(client.server.memory, args)
      client.server.store.recovery(args[1])
      closeWatchers(client.server)
      client.reply.ok()
    },
  },
  {
    name: 'ksave',
    summary: "Returns the whole store as one JSON document in etcd's format.",
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of nodes and kept events',
    arity: 1,
    flags: ['readonly', 'admin'],
    broad: true,
    reach: 'all',
    run(client) {
      // Nobody would see the copy.
      if (client.reply.muted) return
      client.reply.produce(new StateSource(client.server.store.snapshotCopy()))
    },
  },
]
