// TIME

import type { Command } from '../../request/command.ts'

/** TIME: the server's clock. */
export const timeCommands: readonly Command[] = [
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
]
