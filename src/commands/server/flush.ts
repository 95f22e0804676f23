// FLUSHALL · FLUSHDB · SWAPDB

import type { Argument } from '../../request/arguments/argument.ts'
import { CommandError, syntaxError } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'

/** The largest integer of 32 bits. */
const MAX_32 = 2n ** 31n - 1n

/** Shared by FLUSHALL and FLUSHDB, which do the same because there is one database. */
const FLUSH = {
  group: 'server',
  since: '0.1.0',
  complexity: 'O(1)',
  arity: -1,
  flags: ['write'],
  reach: 'all',
  audit: { event: 'flush' },
  args: [
    {
      name: 'async',
      type: 'oneof',
      optional: true,
      args: [
        { name: 'async', type: 'pure-token', token: 'ASYNC' },
        { name: 'sync', type: 'pure-token', token: 'SYNC' },
      ],
    },
  ],
} as const satisfies Partial<Command>

/** FLUSHALL and FLUSHDB. ASYNC and SYNC do the same, because dropping the tree takes no time. */
function flush({ server, reply }: Client, args: readonly string[]): void {
  if (args.length > 1) {
    const mode = tokenOf(args[1])
    if (args.length > 2 || (mode !== 'ASYNC' && mode !== 'SYNC')) throw syntaxError()
  }
  server.store.flush()
  reply.ok()
}

/**
 * @param which `first` or `second`, for the error
 * @throws CommandError unless the text is an integer of 32 bits
 */
function checkIndex(text: string, which: string): bigint {
  const index = readInteger64(text)
  if (index !== undefined && index <= MAX_32 && index >= -MAX_32 - 1n) return index
  throw new CommandError(`ERR invalid ${which} DB index`)
}

const INDEXES: readonly Argument[] = [
  { name: 'index1', type: 'integer' },
  { name: 'index2', type: 'integer' },
]

/** Deleting everything, and swapping databases. */
export const flushCommands: readonly Command[] = [
  {
    name: 'flushall',
    summary: 'Deletes all files and directories.',
    ...FLUSH,
    categories: ['keyspace', 'dangerous'],
    run: flush,
  },
  {
    name: 'flushdb',
    summary: 'Deletes all files and directories, like FLUSHALL.',
    ...FLUSH,
    categories: ['keyspace', 'dangerous'],
    run: flush,
  },
  {
    name: 'swapdb',
    summary: 'Does nothing, because there is only one database to swap.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 3,
    flags: ['write', 'fast'],
    categories: ['keyspace', 'dangerous'],
    reach: 'nothing',
    args: INDEXES,
    run({ reply }, args) {
      const indexes = [checkIndex(args[1], 'first'), checkIndex(args[2], 'second')]
      if (indexes.some((index) => index !== 0n)) {
        throw new CommandError('ERR DB index is out of range')
      }
      reply.ok()
    },
  },
]
