// RENAME · RENAMENX

import { pathOfKey } from '../../keyspace/key.ts'
import { isSameKey, noSuchKey, wrongType } from '../../keyspace/keyspace.ts'
import { KEY } from '../../request/arguments/argument.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { checkWork } from '../../request/exec-limits.ts'
import { TIME_OF } from '../../request/long-work.ts'
import { StoreError } from '../../store/errors.ts'
import { cleanPath } from '../../store/path.ts'
import { MoveWork, TooManyNodesError } from '../../store/rename.ts'

/** So many comparisons of keys with patterns, in PSUBSCRIBE, one RENAME may cause: about a second of them. */
const MAX_TRIED_PATTERNS = 20_000_000
/** So many count as one moved node. */
const TRIED_PER_NODE = 20

/** Shared by both commands. */
const GENERIC = { group: 'generic', since: '0.1.0', reach: 'directory' } as const

/**
 * Moves a node. A directory moves with all nodes below it.
 *
 * @throws CommandError WRONGTYPE if the new path is a directory; if the EXEC has moved too many nodes; if too many
 * patterns would have to be compared with the keys of all nodes
 * @throws StoreError if the store refuses the move
 */
function moveNode(client: Client, from: string, to: string): void {
  checkWork(client, 'movedNodes')
  const { store, longWork } = client.server
  const node = store.lookup(pathOfKey(from))
  const patterns = node?.dir === true ? patternsAround(client, from, to) : 0
  if (node?.dir === true) {
    const time = TIME_OF.movedNode + patterns * TIME_OF.triedPattern
    longWork.begin(node.files * time, client.executing)
  }
  const { index } = store
  const replaces = client.server.keyspace.lookup(to) !== undefined
  const work = new MoveWork(patterns === 0 ? undefined : MAX_TRIED_PATTERNS / patterns)
  try {
    store.rename(pathOfKey(from), pathOfKey(to), work)
    // Redis first deletes the key that is already at `to`, and so reports the replacement as `new`.
    // If nothing was at `to`, the store's own event already leads to `new`.
    if (replaces) client.server.keyspace.notify('new', to)
    client.server.keyspace.notify('rename_from', from)
    client.server.keyspace.notify('rename_to', to)
  } catch (error) {
    if (error instanceof StoreError && error.code === 102) throw wrongType()
    if (error instanceof TooManyNodesError) throw tooManyTries(patterns)
    throw error
  } finally {
    // Each node makes an event. A rename that is refused has looked at nodes, too.
    client.movedNodes += Math.max(store.index - index, work.nodes)
    client.movedNodes += ((1 + work.nodes) * patterns) / TRIED_PER_NODE
  }
}

/**
 * How many patterns of the tree the events of a directory's move are compared with at most. None where an entry of the
 * log is applied, because what comes of it must not depend on who listens.
 */
function patternsAround({ server }: Client, from: string, to: string): number {
  const { longWork, pubsub } = server
  if (longWork.unlimited) return 0
  const [old, path] = [from, to].map((key) => pubsub.countPatternsAround(cleanPath(pathOfKey(key))))
  return Math.max(old, path)
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
    isLong: true,
    keys: [1, 2, 1],
    keyFlags: [
      ['RW', 'access', 'delete'],
      ['OW', 'update'],
    ],
    args: [KEY, { name: 'newkey', type: 'key' }],
    run: rename,
  },
  {
    name: 'renamenx',
    summary: 'Renames a key, or moves a directory, if the new name is free.',
    ...GENERIC,
    complexity: 'O(1); for a directory O(N) where N is the number of nodes below it',
    arity: 3,
    flags: ['write', 'fast'],
    isLong: true,
    keys: [1, 2, 1],
    keyFlags: [
      ['RW', 'access', 'delete'],
      ['OW', 'insert'],
    ],
    args: [KEY, { name: 'newkey', type: 'key' }],
    run: renameIfFree,
  },
]
