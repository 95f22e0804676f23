import { pathOfKey } from '../../keyspace/key.ts'
import { isSameKey, lookup, noSuchKey, wrongType } from '../../keyspace/keyspace.ts'
import type { Client } from '../../request/client.ts'
import { type Command, KEY } from '../../request/command.ts'
import { StoreError } from '../../store/errors.ts'

/** What these commands have in common. */
const GENERIC = { group: 'generic', since: '0.1.0' } as const

/** @throws CommandError unless there is a node to be moved, and no directory in its way */
export function moveNode(client: Client, from: string, to: string): void {
  const replaces = lookup(client, to) !== undefined
  try {
    client.server.store.rename(pathOfKey(from), pathOfKey(to))
    // Redis deletes the former key first; of one that is new the store tells.
    if (replaces) client.server.notifyKeyspace('new', to)
    client.server.notifyKeyspace('rename_from', from)
    client.server.notifyKeyspace('rename_to', to)
  } catch (error) {
    if (error instanceof StoreError && error.code === 102) throw wrongType()
    throw error
  }
}

export function rename(client: Client, [, from, to]: readonly string[]): void {
  if (lookup(client, from) === undefined) throw noSuchKey()
  if (!isSameKey(from, to)) moveNode(client, from, to)
  client.reply.ok()
}

export function renameIfFree(client: Client, [, from, to]: readonly string[]): void {
  if (lookup(client, from) === undefined) throw noSuchKey()
  const free = lookup(client, to) === undefined
  if (free) moveNode(client, from, to)
  client.reply.integer(free ? 1 : 0)
}

/** RENAME and RENAMENX. */
export const renameCommands: readonly Command[] = [
  {
    name: 'rename',
    summary: 'Renames a key, or moves a directory with all below it.',
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
    run: rename,
  },
  {
    name: 'renamenx',
    summary: 'Renames a key, or moves a directory, where nothing stands in the way.',
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
    run: renameIfFree,
  },
]
