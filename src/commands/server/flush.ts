// FLUSHALL · FLUSHDB · SWAPDB

import type { Argument } from '../../request/arguments/argument.ts'
import { CommandError, syntaxError } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'

/** What FLUSHALL and FLUSHDB have in common, there being one database. */
const FLUSH = {
  group: 'server',
  since: '0.1.0',
  complexity: 'O(1)',
  arity: -1,
  flags: ['write'],
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

/** Both ways take no time: the tree is let go of in one piece. */
function flush({ server, reply }: Client, args: readonly string[]): void {
  if (args.length > 1) {
    const mode = tokenOf(args[1])
    if (args.length > 2 || (mode !== 'ASYNC' && mode !== 'SYNC')) throw syntaxError()
  }
  server.store.flush()
  reply.ok()
}

const MAX_32 = 2n ** 31n - 1n

/** @throws CommandError unless it is a database's number */
function checkIndex(text: string, which: string): bigint {
  const index = readInteger64(text)
  if (index !== undefined && index <= MAX_32 && index >= -MAX_32 - 1n) return index
  throw new CommandError(`ERR invalid ${which} DB index`)
}

const INDEXES: readonly Argument[] = [
  { name: 'index1', type: 'integer' },
  { name: 'index2', type: 'integer' },
]

/** The database as a whole. */
export const flushCommands: readonly Command[] = [
  {
    name: 'flushall',
    summary: 'Deletes everything, directories too.',
    ...FLUSH,
    categories: ['keyspace', 'dangerous'],
    run: flush,
  },
  {
    name: 'flushdb',
    summary: 'Deletes everything, directories too, like FLUSHALL.',
    ...FLUSH,
    categories: ['keyspace', 'dangerous'],
    run: flush,
  },
  {
    name: 'swapdb',
    summary: 'Swaps the one database with itself.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 3,
    flags: ['write', 'fast'],
    categories: ['keyspace', 'dangerous'],
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
