// SET · SETNX · SETEX · PSETEX

import { KEY, VALUE } from '../../request/arguments/argument.ts'
import { parseExpiry } from '../../request/arguments/expire-time.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import type { FileNode } from '../../store/tree/node.ts'
import { parseStringOptions, SET_OPTIONS, type StringOptions } from './set-options.ts'

/** What these commands have in common. */
const WRITES = {
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  flags: ['write', 'denyoom'],
  keys: [1, 1, 1],
} as const

export const FAST_WRITES = { ...WRITES, flags: ['write', 'denyoom', 'fast'] } as const

/** Does the condition of a SET keep it from writing? As Redis 8.4: no key is equal to nothing. */
function isRefused({ condition, comparand }: StringOptions, file: FileNode | undefined): boolean {
  if (condition === 'NX') return file !== undefined
  if (condition === 'XX') return file === undefined
  if (condition === 'IFEQ') return file?.value !== comparand
  return condition === 'IFNE' && file !== undefined && file.value === comparand
}

function setWithOptions(client: Client, args: readonly string[]): void {
  const { reply, server } = client
  const options = parseStringOptions(args, 3, 'set')
  const { condition, get, ttl, keeps } = options
  const expireTime = ttl && parseExpiry(ttl.token, ttl.text, server.clock, 'set')
  const asks = condition !== undefined || get || keeps
  const file = asks ? client.server.keyspace.find(args[1]) : undefined
  // Setting the key changes the file.
  const before = file?.value ?? null
  const refused = isRefused(options, file)
  if (get) client.server.keyspace.noteRead(args[1], file !== undefined)
  if (!refused) {
    client.server.keyspace.set(args[1], args[2], keeps ? file?.lease?.expireTime : expireTime)
    server.keyspace.notify('set', args[1])
    if (expireTime !== undefined) server.keyspace.notify('expire', args[1])
  }
  if (get) reply.bulkOrNull(before)
  else if (refused) reply.null()
  else reply.ok()
}

/** SETEX and PSETEX. */
function setFor(client: Client, args: readonly string[], token: 'EX' | 'PX', name: string): void {
  const { reply, server } = client
  client.server.keyspace.set(args[1], args[3], parseExpiry(token, args[2], server.clock, name))
  server.keyspace.notify('set', args[1])
  server.keyspace.notify('expire', args[1])
  reply.ok()
}

/** Setting a string as a whole, and what reads and writes it in one. */
export const setCommands: readonly Command[] = [
  {
    name: 'set',
    summary: 'Sets a key to a string; a former TTL is dropped unless given again or kept.',
    ...WRITES,
    arity: -3,
    keyFlags: [['RW', 'access', 'update', 'variable_flags']],
    keyFlagsOf: (request) =>
      request.some((word, at) => at > 2 && /^get(\0|$)/i.test(word))
        ? ['RW', 'access', 'update']
        : ['OW', 'update'],
    args: [KEY, VALUE, ...SET_OPTIONS],
    run(client, args) {
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
    summary: 'Sets a key to a string if there is none.',
    ...FAST_WRITES,
    arity: 3,
    keyFlags: [['OW', 'insert']],
    args: [KEY, VALUE],
    run(client, args) {
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
    summary: 'Sets a key to a string that expires after so many seconds.',
    ...WRITES,
    arity: 4,
    keyFlags: [['OW', 'update']],
    args: [KEY, { name: 'seconds', type: 'integer' }, VALUE],
    run(client, args) {
      setFor(client, args, 'EX', 'setex')
    },
  },
  {
    name: 'psetex',
    summary: 'Sets a key to a string that expires after so many milliseconds.',
    ...WRITES,
    arity: 4,
    keyFlags: [['OW', 'update']],
    args: [KEY, { name: 'milliseconds', type: 'integer' }, VALUE],
    run(client, args) {
      setFor(client, args, 'PX', 'psetex')
    },
  },
]
