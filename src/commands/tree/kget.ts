// KGET

import { hasToken } from '../../request/arguments/token.ts'
import type { Command } from '../../request/command.ts'
import { writeEvent, writeFile } from './event-reply.ts'
import { writeListing } from './listing-reply.ts'

/** Reading the tree. */
export const kgetCommands: readonly Command[] = [
  {
    name: 'kget',
    summary:
      'Returns a node; a directory with its children or, with RECURSIVE, with all nodes below it.',
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of nodes returned, O(N log N) when sorted',
    arity: -2,
    flags: ['readonly'],
    broad: ([, path], store) => store.lookup(path)?.dir === true,
    keys: [1, 1, 1],
    reach: (request) => (hasToken(request, 2, 'RECURSIVE') ? 'subtree' : 'directory'),
    parsed: true,
    args: [
      { name: 'path', type: 'key' },
      { name: 'recursive', type: 'pure-token', token: 'RECURSIVE', optional: true },
      { name: 'sorted', type: 'pure-token', token: 'SORTED', optional: true },
    ],
    run({ reply, server: { store } }, args, options) {
      // A file is returned the same whatever the options.
      const file = store.getFile(args[1])
      if (file !== undefined) {
        writeFile(reply, args[1], file, store.index)
        return
      }
      // A reply that is not sent needs no copy of the nodes.
      const recursive = options.has('recursive')
      const listing = store.getListing(args[1], { recursive, empty: reply.muted })
      if (listing === undefined) writeEvent(reply, store.get(args[1]))
      else writeListing(reply, listing, options.has('sorted'))
    },
  },
]
