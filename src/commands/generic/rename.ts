// RENAME · RENAMENX

import { JoinedWork } from '../../keyspace/joined-work.ts'
import { pathOfKey } from '../../keyspace/key.ts'
import { isSameKey, noSuchKey, wrongType } from '../../keyspace/keyspace.ts'
import type { MemoryGauge } from '../../metrics/memory-gauge.ts'
import { KEY } from '../../request/arguments/argument.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { checkWork } from '../../request/exec-limits.ts'
import { expireBelow } from '../../request/expiry-slice.ts'
import { MAX_TRIED_PATTERNS, TIME_OF } from '../../request/long-work.ts'
import { checkRoomToRead } from '../../request/room.ts'
import type { RequestArguments } from '../../resp/request-arguments.ts'
import { StoreError } from '../../store/errors.ts'
import { cleanPath } from '../../store/path.ts'
import { MoveWork, TooManyNodesError } from '../../store/rename.ts'
import type { Store } from '../../store/store.ts'
import { textOfValue } from '../../store/value.ts'

/** So many count as one moved node. */
const TRIED_PER_NODE = 20

/** A message that a moved node is new takes as long as moving so many. */
const NODES_PER_MESSAGE = 2

/** Shared by both commands. */
const GENERIC = {
  group: 'generic',
  since: '0.1.0',
  reach: 'directory',
  source: 'moved',
  checkRoom,
} as const

/** What a node takes while its directory moves, in bytes of the heap, and one with a TTL besides. */
const MOVED_NODE_BYTES = 16
const MOVED_LEASE_BYTES = 150

/**
 * Refuses a RENAME that makes directories if memory is short, because they stay when the node moves on, and one of a directory
 * if the heap has no room for what is noted of its nodes meanwhile. `maxmemory` refuses no other one, as in Redis.
 *
 * @throws CommandError
 */
function checkRoom(memory: MemoryGauge, [, from, to]: RequestArguments, store: Store): void {
  const node = store.lookup(pathOfKey(textOfValue(from)))
  if (node?.dir === true) {
    const leases = Math.min(node.nodes, store.leases)
    checkRoomToRead(memory, node.nodes * MOVED_NODE_BYTES + leases * MOVED_LEASE_BYTES)
  }
  const path = pathOfKey(textOfValue(to))
  const end = path.lastIndexOf('/')
  if (end <= 0 || store.lookup(path.slice(0, end)) !== undefined) return
  if (memory.isExceeded([path])) throw new CommandError(memory.reason)
}

/**
 * Moves a node. A directory moves with all nodes below it.
 *
 * @throws CommandError WRONGTYPE if the new path is a directory; if the EXEC has moved too many nodes; if too many
 * patterns would have to be compared with the keys of all nodes
 * @throws StoreError if the store refuses the move
 */
function moveNode(client: Client, from: string, to: string): void {
  checkWork(client, 'movedNodes')
  const { memory, store, longWork } = client.server
  checkRoom(memory, ['RENAME', from, to], store)
  expireBelow(client, pathOfKey(from))
  const node = store.lookup(pathOfKey(from))
  if (node?.dir === true) longWork.begin(node.nodes * TIME_OF.movedNode, client.executing)
  const listening = node?.dir === true ? new Listening(client, from, to, node.nodes) : undefined
  const { index } = store
  const replaces = client.server.keyspace.lookup(to) !== undefined
  const work = listening?.work ?? new MoveWork()
  try {
    store.rename(pathOfKey(from), pathOfKey(to), work)
    // Redis first deletes the key that is already at `to`, and so reports the replacement as `new`.
    // If nothing was at `to`, the store's own event already leads to `new`.
    if (replaces) client.server.keyspace.notify('new', to)
    client.server.keyspace.notify('rename_from', from)
    client.server.keyspace.notify('rename_to', to)
  } catch (error) {
    if (error instanceof StoreError && error.code === 102) throw wrongType()
    if (error instanceof TooManyNodesError) throw tooManyTries(listening?.patterns ?? 0)
    throw error
  } finally {
    // Each node makes an event. A rename that is refused has looked at nodes, too.
    const moved = store.index - index
    client.movedNodes += Math.max(moved, work.nodes)
    longWork.ofWrites += moved * TIME_OF.movedNode
    if (node?.dir === true) client.movedNodes += moved * NODES_PER_MESSAGE * messagesOf(client)
    const tries = work.tries + (listening?.tries ?? 0)
    client.movedNodes += tries / TRIED_PER_NODE
    longWork.note(tries * TIME_OF.triedPattern)
  }
}

/** How many messages tell that one key is new. None where a log is applied. */
function messagesOf({ server: { keyspace, longWork } }: Client): number {
  return longWork.unlimited ? 0 : (keyspace.notifier?.messagesOfNew ?? 0)
}

/**
 * The patterns that the events of a directory's move are compared with, and notifications of its keys. None where an
 * entry of the log is applied, because what comes of it must not depend on who listens.
 */
class Listening {
  /** How many there are. */
  readonly patterns: number = 0
  /** What it takes to find that out, and to compare them with the directory itself. */
  tries = 0
  readonly work: MoveWork | undefined

  /** @param nodes how many are moved */
  constructor({ server }: Client, from: string, to: string, nodes: number) {
    if (server.longWork.unlimited) return
    const [oldPath, path] = [from, to].map((key) => cleanPath(pathOfKey(key)))
    const { pubsub, keyspace } = server
    const notified = keyspace.notifier?.newKeyWork(path)
    const events = new JoinedWork(
      [pubsub.patternWorkAround(path, nodes), notified?.atKey],
      notified?.atEvent,
    )
    const removal = new JoinedWork([pubsub.patternWorkAround(oldPath, 1)])
    if (removal.isNone && events.isNone) return
    this.patterns = Math.max(removal.most, events.most)
    this.tries = removal.here + events.here
    this.work = new MoveWork(MAX_TRIED_PATTERNS, events, () => {
      const expiries = new JoinedWork([pubsub.patternWorkAround(oldPath)])
      this.tries += expiries.here
      return expiries
    })
  }
}

function tooManyTries(patterns: number): CommandError {
  return new CommandError(
    `ERR too many nodes to move while clients listen to ${patterns} patterns (the limit is ${MAX_TRIED_PATTERNS} comparisons)`,
  )
}

/** RENAME. */
function rename(client: Client, [, from, to]: readonly string[]): void {
  if (client.server.keyspace.lookup(from) === undefined) throw noSuchKey()
  if (!isSameKey(from, to)) moveNode(client, from, to)
  client.reply.ok()
}

/** RENAMENX. */
function renameIfFree(client: Client, [, from, to]: readonly string[]): void {
  if (client.server.keyspace.lookup(from) === undefined) throw noSuchKey()
  const free = client.server.keyspace.lookup(to) === undefined
  if (free) moveNode(client, from, to)
  client.reply.integer(free ? 1 : 0)
}

/** Renaming keys, and moving directories. */
export const renameCommands: readonly Command[] = [
  {
    name: 'rename',
    summary: 'Renames a key, or moves a directory and all nodes below it.',
    ...GENERIC,
    complexity: 'O(1); for a directory O(N) where N is the number of nodes below it',
    arity: 3,
    flags: ['write'],
    keys: [1, 2, 1],
    keyFlags: [
      ['RW', 'access', 'delete'],
      ['OW', 'update'],
    ],
    args: [KEY, { name: 'newkey', type: 'key' }],
    expiries: ({ store }, [, from, to]) => store.expiriesOfRename(pathOfKey(from), pathOfKey(to)),
    run: rename,
  },
  {
    name: 'renamenx',
    summary: 'Renames a key, or moves a directory, if the new name is free.',
    ...GENERIC,
    complexity: 'O(1); for a directory O(N) where N is the number of nodes below it',
    arity: 3,
    flags: ['write', 'fast'],
    keys: [1, 2, 1],
    keyFlags: [
      ['RW', 'access', 'delete'],
      ['OW', 'insert'],
    ],
    args: [KEY, { name: 'newkey', type: 'key' }],
    expiries: ({ store, keyspace }, [, from, to]) =>
      keyspace.lookup(to) === undefined
        ? store.expiriesOfRename(pathOfKey(from), pathOfKey(to))
        : undefined,
    run: renameIfFree,
  },
]
