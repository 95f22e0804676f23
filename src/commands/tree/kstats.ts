// KSTATS · KINDEX · KVERSION

import type { Command } from '../../request/command.ts'

/** The store's index, version and counters. */
export const kstatsCommands: readonly Command[] = [
  {
    name: 'kindex',
    summary: "Returns the store's index, which each write and each expiry raises by one.",
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 1,
    flags: ['readonly', 'fast'],
    reach: 'nothing',
    run(client) {
      client.reply.integer(client.server.store.index)
    },
  },
  {
    name: 'kversion',
    summary: "Returns the version of the store's data model, which is etcd's.",
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 1,
    flags: ['readonly', 'fast'],
    reach: 'nothing',
    run(client) {
      client.reply.integer(client.server.store.version)
    },
  },
  {
    name: 'kstats',
    summary: 'Counts successes and failures of each operation, expiries and watchers.',
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 1,
    flags: ['readonly', 'fast'],
    reach: 'nothing',
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
