// SAVE · BGSAVE · LASTSAVE

import { CommandError } from '../../request/arguments/errors.ts'
import type { Command, Flag } from '../../request/command.ts'
import { replyLater } from '../../request/reply-later.ts'

const FLAGS: readonly Flag[] = ['admin', 'noscript', 'no_async_loading']

/** Putting writes on disk. Here every commit is a save. */
export const saveCommands: readonly Command[] = [
  {
    name: 'save',
    summary: 'Puts all writes so far on disk, and replies when they are there.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of nodes changed since the last commit',
    arity: 1,
    flags: [...FLAGS, 'no_multi'],
    run(client) {
      const { reply, server } = client
      replyLater(client, server.persistence.save(), () => reply.ok())
    },
  },
  {
    name: 'bgsave',
    summary: 'Puts all writes so far on disk in the background.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -1,
    flags: FLAGS,
    args: [{ name: 'schedule', type: 'pure-token', token: 'SCHEDULE', optional: true }],
    parsed: true,
    run({ reply, server }) {
      const { persistence, logger } = server
      if (persistence.durability === 'no') {
        throw new CommandError('ERR durability is no: nothing is kept on disk')
      }
      persistence.save().catch((error: unknown) => logger.warn({ err: error }, 'BGSAVE failed'))
      reply.simple('Background saving started')
    },
  },
  {
    name: 'lastsave',
    summary: 'Returns the time of the last commit to disk, in Unix seconds.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    categories: ['admin'],
    run({ reply, server }) {
      reply.integer(Math.floor(server.persistence.lastSave / 1000))
    },
  },
]
