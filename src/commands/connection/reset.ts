// RESET · QUIT · SELECT

import { CommandError } from '../../request/arguments/errors.ts'
import { parseInteger32 } from '../../request/arguments/integer.ts'
import { endTransaction } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { OPEN_FLAGS } from './hello.ts'

/** Ending and resetting a connection, and choosing its database. */
export const resetCommands: readonly Command[] = [
  {
    name: 'quit',
    summary: 'Ends the connection.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -1,
    flags: OPEN_FLAGS,
    inPubSub: true,
    inMulti: true,
    run(client) {
      client.reply.ok()
      client.close()
    },
  },
  {
    name: 'reset',
    summary: 'Resets the connection to the state of a new one.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of subscriptions',
    arity: 1,
    flags: OPEN_FLAGS,
    inPubSub: true,
    inMulti: true,
    run(client) {
      const { server, reply } = client
      server.monitors.delete(client)
      client.monitor = false
      server.pubsub.drop(client)
      endTransaction(client)
      client.name = ''
      server.clientsByUser.move(client, server.users.default)
      client.authenticated = !server.users.loginRequired
      // After CLIENT REPLY SKIP the reply stays muted, because RESET is the request that SKIP
      // skips.
      if (client.replyMode === 'off') reply.muted = false
      client.replyMode = 'on'
      reply.protocol = 2
      reply.simple('RESET')
    },
  },
  {
    name: 'select',
    summary: 'Chooses the database; there is only 0.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    args: [{ name: 'index', type: 'integer' }],
    run(client, args) {
      if (parseInteger32(args[1]) !== 0) throw new CommandError('ERR DB index is out of range')
      client.reply.ok()
    },
  },
]
