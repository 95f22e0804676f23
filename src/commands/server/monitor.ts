// MONITOR

import { CommandError } from '../../request/arguments/errors.ts'
import type { Command } from '../../request/command.ts'

/** MONITOR: shows a client what all clients do. */
export const monitorCommands: readonly Command[] = [
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
