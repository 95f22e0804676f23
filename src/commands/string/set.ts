// SET · SETNX · SETEX · PSETEX

import { KEY, VALUE } from '../../request/arguments/argument.ts'
import { parseExpiry } from '../../request/arguments/expire-time.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import type { FileNode } from '../../store/tree/node.ts'
import { equalValues, type Value } from '../../store/value.ts'
import { parseStringOptions, SET_OPTIONS, type StringOptions } from './set-options.ts'

/** Shared by the commands of this file. */
const WRITES = {
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  flags: ['write', 'denyoom'],
  keys: [1, 1, 1],
} as const

/** The same for commands that Redis flags as fast. */
export const FAST_WRITES = { ...WRITES, flags: ['write', 'denyoom', 'fast'] } as const

/** A key and its value. */
export type KeyValue = readonly [name: string, key: string, value: Value]
/** The rest are options; IFEQ's and IFNE's may be large. */
type SetArguments = readonly [...KeyValue, ...options: Value[]]
type SetExArguments = readonly [name: string, key: string, time: string, value: Value]

/** Whether the condition of a SET keeps it from writing. A missing key equals no value (Redis 8.4). */
function isRefused({ condition, comparand }: StringOptions, file: FileNode | undefined): boolean {
  if (condition === 'NX') return file !== undefined
  if (condition === 'XX') return file === undefined
  if (comparand === undefined) return false
  const equal = file !== undefined && equalValues(file.value, comparand)
  return condition === 'IFEQ' ? !equal : equal
}

function setWithOptions(client: Client, args: SetArguments): void {
  const { reply, server } = client
  const options = parseStringOptions(args, 3, 'set')
  const { condition, get, ttl, keeps } = options
  const expireTime = ttl && parseExpiry(ttl.token, ttl.text, server.clock, 'set')
  const asks = condition !== undefined || get || keeps
  const file = asks ? server.keyspace.find(args[1]) : undefined
  // The value is read now because setting the key changes the file.
  const before = file?.value ?? null
  const refused = isRefused(options, file)
  if (get) server.keyspace.noteRead(args[1], file !== undefined)
  if (!refused) {
    server.keyspace.set(args[1], args[2], keeps ? file?.lease?.expireTime : expireTime)
    server.keyspace.notify('set', args[1])
    if (expireTime !== undefined) server.keyspace.notify('expire', args[1])
  }
  if (get) reply.looseBulkOrNull(before)
  else if (refused) reply.null()
  else reply.ok()
}

/** SETEX and PSETEX. */
function setWithTtl(client: Client, args: SetExArguments, token: 'EX' | 'PX', name: string): void {
  const { reply, server } = client
  server.keyspace.set(args[1], args[3], parseExpiry(token, args[2], server.clock, name))
  server.keyspace.notify('set', args[1])
  server.keyspace.notify('expire', args[1])
  reply.ok()
}

/** Setting a value as a whole. */
export const setCommands: readonly Command[] = [
  {
    name: 'set',
    summary: 'Sets the value of a key; drops a former TTL unless KEEPTTL or a new one is given.',
    ...WRITES,
    arity: -3,
    keyFlags: [['RW', 'access', 'update', 'variable_flags']],
    keyFlagsOf: (request) =>
      // IFEQ and IFNE tell what the value is not, or is.
      request.some((word, at) => at > 2 && /^(get|ifeq|ifne)(\0|$)/i.test(word))
        ? ['RW', 'access', 'update']
        : ['OW', 'update'],
    args: [KEY, VALUE, ...SET_OPTIONS],
    takesValues: true,
    run(client, args: SetArguments) {
      if (args.length > 3) {
        setWithOptions(client, args)
        return
      }
      client.server.keyspace.set(args[1], args[2])
      client.server.keyspace.notify('set', args[1])
      client.reply.ok()
    },
  },
  {
    name: 'setnx',
    summary: 'Sets the value of a key that does not exist.',
    ...FAST_WRITES,
    arity: 3,
    keyFlags: [['OW', 'insert']],
    args: [KEY, VALUE],
    takesValues: true,
    run(client, args: KeyValue) {
      const missing = client.server.keyspace.find(args[1]) === undefined
      if (missing) {
        client.server.keyspace.set(args[1], args[2])
        client.server.keyspace.notify('set', args[1])
      }
      client.reply.integer(missing ? 1 : 0)
    },
  },
  {
    name: 'setex',
    summary: 'Sets the value of a key, and its TTL in seconds.',
    ...WRITES,
    arity: 4,
    keyFlags: [['OW', 'update']],
    args: [KEY, { name: 'seconds', type: 'integer' }, VALUE],
    takesValues: true,
    run(client, args: SetExArguments) {
      setWithTtl(client, args, 'EX', 'setex')
    },
  },
  {
    name: 'psetex',
    summary: 'Sets the value of a key, and its TTL in milliseconds.',
    ...WRITES,
    arity: 4,
    keyFlags: [['OW', 'update']],
    args: [KEY, { name: 'milliseconds', type: 'integer' }, VALUE],
    takesValues: true,
    run(client, args: SetExArguments) {
      setWithTtl(client, args, 'PX', 'psetex')
    },
  },
]
