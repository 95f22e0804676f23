// MONITOR · TIME · DBSIZE

import { CommandError } from '../../request/arguments/errors.ts'
import type { Command } from '../../request/command.ts'

/** The time, the size of the tree, and what the server does. */
export const monitorCommands: readonly Command[] = [
  {
    name: 'time',
    summary: "Returns the server's time: Unix seconds, and the microseconds of the current second.",
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    run({ server, reply }) {
      const now = server.clock.now()
      reply.array(2)
      reply.bulk(String(Math.floor(now / 1000)))
      reply.bulk(String(Math.floor(now % 1000) * 1000))
    },
  },
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
  {
    name: 'monitor',
    summary: 'Streams all commands that the server runs, without passwords.',
    group: 'server',
    since: '0.1.0',
    arity: 1,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    run(client) {
      if (client.executing) {
        throw new CommandError("ERR MONITOR isn't allowed for DENY BLOCKING client")
      }
      // A second MONITOR gets no reply, as in Redis.
      if (client.monitor) return
      client.monitor = true
      client.server.monitors.add(client)
      client.reply.ok()
    },
  },
]
