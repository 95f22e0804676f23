// KDEL

import { PATH } from '../../request/arguments/argument.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import { hasToken } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { MAX_TRIED_PATTERNS, TIME_OF } from '../../request/long-work.ts'
import type { Node } from '../../store/tree/node.ts'
import { replyEvent } from './event-reply.ts'
import { WRITES } from './kset.ts'

/** @throws CommandError if too many patterns would have to be compared with the keys of children that expire */
function checkListeners({ server }: Client, path: string, due: readonly Node[]): void {
  // What comes of a log's entry must not depend on who listens.
  if (due.length === 0 || server.longWork.unlimited) return
  const work = server.pubsub.patternWorkAround(path)
  if (work === undefined) return
  let tries = work.looks
  for (const { name } of due) {
    tries += work.enter(name)
    work.leave()
    if (tries <= MAX_TRIED_PATTERNS) continue
    throw new CommandError(
      `ERR too many nodes to expire while clients listen to ${work.most} patterns (the limit is ${MAX_TRIED_PATTERNS} comparisons)`,
    )
  }
  server.longWork.note(tries * TIME_OF.triedPattern)
}

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
    run(client, args, options) {
      const event = client.server.store.delete(args[1], {
        dir: options.has('dir'),
        recursive: options.has('recursive'),
        beforeExpiry: (path, due) => checkListeners(client, path, due),
      })
      replyEvent(client, event)
    },
  },
]
