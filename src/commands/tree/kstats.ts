// KSTATS · KINDEX · KVERSION

import type { Command } from '../../request/command.ts'
export const kstatsCommands: readonly Command[] = [
  {
    name: 'kindex',
    summary: "Returns the store's index, which every write and every expiry raises by one.",
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 1,
    flags: ['readonly', 'fast'],
    run(client) {
      client.reply.integer(client.server.store.index)
    },
  },
  {
    name: 'kversion',
    summary: "Returns the version of the store's data model, as etcd counts it.",
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 1,
    flags: ['readonly', 'fast'],
    run(client) {
      client.reply.integer(client.server.store.version)
    },
  },
  {
    name: 'kstats',
    summary: 'Returns how often each operation succeeded and failed, expiries and watchers.',
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 1,
    flags: ['readonly', 'fast'],
    run(client) {
      const stats = Object.entries(client.server.store.statsMap())
      client.reply.map(stats.length)
      for (const [name, value] of stats) {
        client.reply.bulk(name)
        client.reply.integer(value)
      }
    },
  },
]
