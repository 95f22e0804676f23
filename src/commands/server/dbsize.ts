// DBSIZE

import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { readsAll, searchKeys } from '../generic/key-search.ts'

/** Replies with the number of files that the user may read. */
function countReadable(client: Client): void {
  let count = 0
  searchKeys(client, {
    withExpired: true,
    look: () => {
      count++
    },
    reply: (reply) => {
      reply.integer(count)
      return undefined
    },
  })
}

/** DBSIZE: how many files there are. */
export const dbsizeCommands: readonly Command[] = [
  {
    name: 'dbsize',
    summary: 'Returns the number of files in the tree.',
    group: 'server',
    since: '0.1.0',
    complexity:
      'O(1); O(N) where N is the number of files, for a user who may not read all of them',
    arity: 1,
    flags: ['readonly', 'fast'],
    broad: true,
    categories: ['keyspace'],
    reach: 'readable',
    run(client) {
      if (readsAll(client.user)) client.reply.integer(client.server.store.files)
      else countReadable(client)
    },
  },
]
