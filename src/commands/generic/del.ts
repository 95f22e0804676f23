import { deleteKey, noteRead, pathOfKey, replaceKey, wrongType } from '../../keyspace/keyspace.ts'
import { parseInteger32 } from '../../request/arguments/integer.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import { type Argument, type Command, CommandError, syntaxError } from '../../request/command.ts'
import { StoreError } from '../../store/errors.ts'
import { cleanPath } from '../../store/path.ts'
import type { Node } from '../../store/tree/node.ts'

const KEY: Argument = { name: 'key', type: 'key' }
const KEYS: Argument = { ...KEY, multiple: true }
const EACH = 'O(N) where N is the number of keys'

/** What all these commands have in common. */
const GENERIC = { group: 'generic', since: '0.1.0' } as const
const MANY_KEYS = { ...GENERIC, complexity: EACH, arity: -2, keys: [1, -1, 1] } as const

const noSuchKey = (): CommandError => new CommandError('ERR no such key')
const sameObject = (): CommandError =>
  new CommandError('ERR source and destination objects are the same')

function lookup({ server }: Client, key: string): Node | undefined {
  return server.store.lookup(pathOfKey(key))
}

/** Looks a key up for a command that only reads: a miss is told to those who listen. */
function lookupToRead(client: Client, key: string): Node | undefined {
  const node = lookup(client, key)
  noteRead(client, key, node !== undefined)
  return node
}

/** Whether two keys are one. */
function isSameKey(a: string, b: string): boolean {
  return a === b || cleanPath(pathOfKey(a)) === cleanPath(pathOfKey(b))
}

/** DEL and UNLINK: a directory is no key, and stays. */
function deleteKeys(client: Client, args: readonly string[]): void {
  let deleted = 0
  for (let i = 1; i < args.length; i++) {
    const node = lookup(client, args[i])
    if (node === undefined || node.dir) continue
    deleteKey(client, args[i])
    client.server.notifyKeyspace('del', args[i])
    deleted++
  }
  client.reply.integer(deleted)
}

/** EXISTS and TOUCH: a key that is named twice counts twice. */
function countKeys(client: Client, args: readonly string[]): void {
  let count = 0
  for (let i = 1; i < args.length; i++) if (lookupToRead(client, args[i])?.dir === false) count++
  client.reply.integer(count)
}

/** @throws CommandError unless there is a node to be moved, and no directory in its way */
function moveNode(client: Client, from: string, to: string): void {
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

function rename(client: Client, [, from, to]: readonly string[]): void {
  if (lookup(client, from) === undefined) throw noSuchKey()
  if (!isSameKey(from, to)) moveNode(client, from, to)
  client.reply.ok()
}

function renameIfFree(client: Client, [, from, to]: readonly string[]): void {
  if (lookup(client, from) === undefined) throw noSuchKey()
  const free = lookup(client, to) === undefined
  if (free) moveNode(client, from, to)
  client.reply.integer(free ? 1 : 0)
}

/** @throws CommandError unless it is the one database that there is */
function checkDatabase(text: string): void {
  if (parseInteger32(text) !== 0) throw new CommandError('ERR DB index is out of range')
}

/** As Redis reads them: in any order, repeated or not. @returns whether REPLACE is among them */
function parseCopyOptions(args: readonly string[]): boolean {
  let replace = false
  for (let i = 3; i < args.length; i++) {
    const option = tokenOf(args[i])
    if (option === 'REPLACE') replace = true
    else if (option === 'DB' && i + 1 < args.length) {
      checkDatabase(args[++i])
    } else throw syntaxError()
  }
  return replace
}

function copy(client: Client, args: readonly string[]): void {
  const { reply, server } = client
  const [, from, to] = args
  const replace = parseCopyOptions(args)
  if (isSameKey(from, to)) throw sameObject()
  const file = lookupToRead(client, from)
  if (file?.dir) throw wrongType()
  const former = lookup(client, to)
  const copies = file !== undefined && (replace || former === undefined)
  if (copies) {
    replaceKey(client, to, file.value, file.lease?.expireTime, former)
    server.notifyKeyspace('copy_to', to)
  }
  reply.integer(copies ? 1 : 0)
}

/** What Redis has to name, to count and to move any key. */
export const keyCommands: readonly Command[] = [
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
    summary: 'Tells what there is at a key: string, directory or none.',
    ...GENERIC,
    complexity: 'O(1)',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: [1, 1, 1],
    keyFlags: [['RO']],
    args: [KEY],
    run(client, args) {
      const node = lookupToRead(client, args[1])
      client.reply.simple(node === undefined ? 'none' : node.dir ? 'directory' : 'string')
    },
  },
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
  {
    name: 'copy',
    summary: 'Copies a key, with its TTL.',
    ...GENERIC,
    complexity: 'O(1)',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: [1, 2, 1],
    keyFlags: [
      ['RO', 'access'],
      ['OW', 'update'],
    ],
    args: [
      { name: 'source', type: 'key' },
      { name: 'destination', type: 'key' },
      { name: 'destination-db', type: 'integer', token: 'DB', optional: true },
      { name: 'replace', type: 'pure-token', token: 'REPLACE', optional: true },
    ],
    run: copy,
  },
  {
    name: 'move',
    summary: 'Refused: there is one database.',
    ...GENERIC,
    complexity: 'O(1)',
    arity: 3,
    flags: ['write', 'fast'],
    keys: [1, 1, 1],
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY, { name: 'db', type: 'integer' }],
    run(_, args) {
      checkDatabase(args[2])
      throw sameObject()
    },
  },
]
