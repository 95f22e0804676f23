// DBSIZE

import type { Command } from '../../request/command.ts'

/** DBSIZE: how many files there are. */
export const dbsizeCommands: readonly Command[] = [
  {
    name: 'dbsize',
    summary: 'Returns the number of files in the tree.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 1,
    flags: ['readonly', 'fast'],
    categories: ['keyspace'],
    run({ server, reply }) {
      reply.integer(server.store.files)
    },
  },
]
