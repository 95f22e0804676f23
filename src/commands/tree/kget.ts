import type { Command } from '../../request/command.ts'
import { writeEvent, writeFile } from './event-reply.ts'

/** Reading the tree. */
export const treeReadCommands: readonly Command[] = [
  {
    name: 'kget',
    summary: 'Returns a node; of a directory also what is in it, one level or all.',
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of nodes returned, O(N log N) when sorted',
    arity: -2,
    flags: ['readonly'],
    keys: [1, 1, 1],
    parsed: true,
    args: [
      { name: 'path', type: 'key' },
      { name: 'recursive', type: 'pure-token', token: 'RECURSIVE', optional: true },
      { name: 'sorted', type: 'pure-token', token: 'SORTED', optional: true },
    ],
    run({ reply, server: { store } }, args, options) {
      // Options say nothing about a file.
      const file = store.getFile(args[1])
      if (file !== undefined) {
        writeFile(reply, args[1], file, store.index)
        return
      }
      const recursive = options.has('recursive')
      writeEvent(reply, store.get(args[1], { recursive, sorted: options.has('sorted') }))
    },
  },
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
  {
    name: 'ksave',
    summary: "Returns the whole store as one JSON document in etcd's format.",
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of nodes and kept events',
    arity: 1,
    flags: ['readonly', 'admin'],
    run(client) {
      // Nothing can change the store while it is being written: no copy is needed.
      client.reply.bulk(client.server.store.saveNoCopy())
    },
  },
]
