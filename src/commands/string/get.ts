// GET · MGET · STRLEN · GETSET · GETDEL · GETEX

import { pathOfKey } from '../../keyspace/key.ts'
import { wrongType } from '../../keyspace/keyspace.ts'
import { KEY, VALUE } from '../../request/arguments/argument.ts'
import { parseExpiry } from '../../request/arguments/expire-time.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { writeBulkOrNull, writeList } from '../../resp/reply-list.ts'
import { PIECE_BYTES } from '../../resp/reply-parts.ts'
import { References } from '../../store/loose-values.ts'
import type { Value } from '../../store/value.ts'
import { FAST_WRITES, type KeyValue } from './set.ts'
import { GETEX_OPTIONS, parseStringOptions } from './set-options.ts'

/** Shared by the commands that only read. */
export const READS = {
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  flags: ['readonly', 'fast'],
  keys: [1, 1, 1],
} as const

/** Shared by the commands that read and change a key, but take no more memory. */
const FAST_CHANGES = { ...FAST_WRITES, flags: ['write', 'fast'] } as const

/** GETEX. */
function getAndExpire(client: Client, args: readonly string[]): void {
  const { reply, server } = client
  const { ttl, persists } = parseStringOptions(args, 2, 'getex')
  const file = server.keyspace.find(args[1])
  server.keyspace.noteRead(args[1], file !== undefined)
  if (file === undefined) {
    reply.null()
    return
  }
  const { value } = file
  let isGone = false
  if (persists && file.lease !== null) {
    server.keyspace.update(args[1], value, undefined)
    server.keyspace.notify('persist', args[1])
  } else if (ttl !== undefined) {
    const expireTime = parseExpiry(ttl.token, ttl.text, server.clock, 'getex')
    isGone = expireTime <= server.clock.now()
    if (isGone) server.keyspace.delete(args[1])
    else server.keyspace.update(args[1], value, expireTime)
    server.keyspace.notify(isGone ? 'del' : 'expire', args[1])
  }
  if (isGone) reply.looseBulkOrNull(value)
  else reply.bulk(value)
}

/** Reading a value as a whole. */
export const getCommands: readonly Command[] = [
  {
    name: 'get',
    summary: 'Returns the value of a key.',
    ...READS,
    arity: 2,
    args: [KEY],
    run(client, args) {
      const { keyspace } = client.server
      const file = keyspace.nodeAt(args[1])
      if (file?.dir === true) return wrongType()
      keyspace.noteRead(args[1], file !== undefined)
      client.reply.bulkOrNull(file?.value ?? null)
      return undefined
    },
  },
  {
    name: 'mget',
    summary: 'Returns the values of several keys, null for each key that does not exist.',
    ...READS,
    complexity: 'O(N) where N is the number of keys',
    arity: -2,
    keys: [1, -1, 1],
    args: [{ ...KEY, multiple: true }],
    run(client, args) {
      const { reply, server } = client
      reply.array(args.length - 1)
      const end = reply.length + PIECE_BYTES
      /** The values that do not go into the first piece. */
      let rest: (Value | null)[] | undefined
      for (let i = 1; i < args.length; i++) {
        const node = server.store.lookup(pathOfKey(args[i]))
        server.keyspace.noteRead(args[i], node !== undefined)
        const value = node === undefined || node.dir ? null : node.value
        if (rest !== undefined) rest.push(value)
        else if (reply.length < end) reply.bulkOrNull(value)
        else rest = [value]
      }
      if (rest !== undefined) writeList(reply, rest, writeBulkOrNull, 0, new References(rest))
    },
  },
  {
    name: 'strlen',
    summary: 'Returns the length of the value of a key, in bytes.',
    ...READS,
    arity: 2,
    keyFlags: [['RO']],
    args: [KEY],
    run(client, args) {
      client.reply.integer(client.server.keyspace.read(args[1])?.length ?? 0)
    },
  },
  {
    name: 'getset',
    summary: 'Sets the value of a key and returns the former value.',
    ...FAST_WRITES,
    arity: 3,
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY, VALUE],
    takesValues: true,
    run(client, args: KeyValue) {
      const before = client.server.keyspace.read(args[1])
      client.server.keyspace.set(args[1], args[2])
      client.server.keyspace.notify('set', args[1])
      client.reply.looseBulkOrNull(before ?? null)
    },
  },
  {
    name: 'getdel',
    summary: 'Returns the value of a key and deletes the key.',
    ...FAST_CHANGES,
    arity: 2,
    keyFlags: [['RW', 'access', 'delete']],
    args: [KEY],
    run(client, args) {
      const value = client.server.keyspace.read(args[1])
      if (value !== undefined) {
        client.server.keyspace.delete(args[1])
        client.server.keyspace.notify('del', args[1])
      }
      client.reply.looseBulkOrNull(value ?? null)
    },
  },
  {
    name: 'getex',
    summary: 'Returns the value of a key, and sets or removes its TTL.',
    ...FAST_CHANGES,
    arity: -2,
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY, ...GETEX_OPTIONS],
    run(client, args) {
      getAndExpire(client, args)
    },
  },
]
