// DEL · UNLINK · EXISTS · TOUCH · TYPE

import { pathOfKey } from '../../keyspace/key.ts'
import type { Argument } from '../../request/arguments/argument.ts'
import { KEY } from '../../request/arguments/argument.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { checkLength, MAX_PATH_LENGTH } from '../../store/path.ts'

const KEYS: Argument = { ...KEY, multiple: true }
const EACH = 'O(N) where N is the number of keys'

/** Shared by the commands of this file. */
const GENERIC = { group: 'generic', since: '0.1.0', reach: 'node' } as const
/** Shared by the commands that take several keys. */
const MANY_KEYS = { ...GENERIC, complexity: EACH, arity: -2, keys: [1, -1, 1] } as const

/** DEL and UNLINK. A directory is not a key, and stays. */
function deleteKeys(client: Client, args: readonly string[]): void {
  let deleted = 0
  // Checked before anything is deleted, because an error would deny that.
  for (let i = 1; i < args.length; i++) {
    if (args[i].length >= MAX_PATH_LENGTH) checkLength(pathOfKey(args[i]))
  }
  client.server.store.checkWrites(args.length - 1)
  for (let i = 1; i < args.length; i++) {
    const node = client.server.keyspace.lookup(args[i])
    if (node === undefined || node.dir) continue
    client.server.keyspace.delete(args[i])
    client.server.keyspace.notify('del', args[i])
    deleted++
  }
  client.reply.integer(deleted)
}

/** EXISTS and TOUCH. A key given twice counts twice. */
function countKeys(client: Client, args: readonly string[]): void {
  let count = 0
  for (let i = 1; i < args.length; i++) {
    if (client.server.keyspace.lookupToRead(args[i])?.dir === false) count++
  }
  client.reply.integer(count)
}

/** Deleting and counting keys, and telling what they are. */
export const delCommands: readonly Command[] = [
  {
    name: 'del',
    summary: 'Deletes keys.',
    ...MANY_KEYS,
    flags: ['write'],
    keyFlags: [['RM', 'delete']],
    args: [KEYS],
    run: deleteKeys,
  },
  {
    name: 'unlink',
    summary: 'Deletes keys, like DEL.',
    ...MANY_KEYS,
    flags: ['write', 'fast'],
    keyFlags: [['RM', 'delete']],
    args: [KEYS],
    run: deleteKeys,
  },
  {
    name: 'exists',
    summary: 'Counts the given keys that exist.',
    ...MANY_KEYS,
    flags: ['readonly', 'fast'],
    keyFlags: [['RO']],
    args: [KEYS],
    run: countKeys,
  },
  {
    name: 'touch',
    summary: 'Counts the given keys that exist, like EXISTS.',
    ...MANY_KEYS,
    flags: ['readonly', 'fast'],
    keyFlags: [['RO']],
    args: [KEYS],
    run: countKeys,
  },
  {
    name: 'type',
    summary: 'Returns the type of a key: string, directory or none.',
    ...GENERIC,
    complexity: 'O(1)',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: [1, 1, 1],
    keyFlags: [['RO']],
    args: [KEY],
    run(client, args) {
      const node = client.server.keyspace.lookupToRead(args[1])
      client.reply.simple(node === undefined ? 'none' : node.dir ? 'directory' : 'string')
    },
  },
]
