// ROLE

import type { Command } from '../../request/command.ts'

/** The server's role: always a master without replicas. */
export const roleCommands: readonly Command[] = [
  {
    name: 'role',
    summary: 'Returns the role: a master without replicas.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast'],
    categories: ['admin'],
    run({ reply }) {
      reply.array(3)
      reply.bulk('master')
      reply.integer(0)
      reply.array(0)
    },
  },
]
