// DBSIZE

import { READ } from '../../access/selector.ts'
import type { User } from '../../access/user.ts'
import type { Command } from '../../request/command.ts'
import type { Store } from '../../store/store.ts'
import { pathOf } from '../../store/tree/node.ts'

/** How many files a user may read. */
function countReadable({ files, fileList }: Store, user: User): number {
  if (user.selectors.some((selector) => selector.allowsBelow('/', READ))) return files
  let count = 0
  for (let i = 0; i < fileList.length; i++) if (user.mayRead(pathOf(fileList.at(i)))) count++
  return count
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
    categories: ['keyspace'],
    reach: 'readable',
    run({ server, reply, user }) {
      reply.integer(countReadable(server.store, user))
    },
  },
]
