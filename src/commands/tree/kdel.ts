// KDEL

import { PATH } from '../../request/arguments/argument.ts'
import { hasToken } from '../../request/arguments/token.ts'
import type { Command } from '../../request/command.ts'
import { expireBelow } from '../../request/expiry-slice.ts'
import { StoreError } from '../../store/errors.ts'
import { replyEvent } from './event-reply.ts'
import { WRITES } from './kset.ts'

/** Deleting from the tree. */
export const kdelCommands: readonly Command[] = [
  {
    name: 'kdel',
    summary:
      'Deletes a file; DIR also takes an empty directory, RECURSIVE any directory and all below it.',
    ...WRITES,
    arity: -2,
    keyFlags: [['RW', 'access', 'delete']],
    reach: (request) => (hasToken(request, 2, 'RECURSIVE') ? 'subtree' : 'directory'),
    args: [
      PATH,
      { name: 'dir', type: 'pure-token', token: 'DIR', optional: true },
      { name: 'recursive', type: 'pure-token', token: 'RECURSIVE', optional: true },
    ],
    expiries({ store }, args, options) {
      const isEmptied = options.has('dir') && !options.has('recursive')
      return isEmptied ? store.expiriesIn(args[1]) : undefined
    },
    run(client, args, options) {
      const dir = options.has('dir')
      const recursive = options.has('recursive')
      // A directory is empty if all its children have expired.
      if (dir && !recursive) expireBelow(client, args[1])
      const event = client.server.store.deleteIfThere(args[1], { dir, recursive })
      if (event instanceof StoreError) return event
      replyEvent(client, event)
      return undefined
    },
  },
]
