// KSAVE · KRECOVER

import type { Command } from '../../request/command.ts'
import type { Value } from '../../store/value.ts'

/** Saving and recovering the whole store. */
export const ksaveCommands: readonly Command[] = [
  {
    name: 'krecover',
    summary: 'Replaces the whole store with a state saved by KSAVE or by etcd.',
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of nodes and events in the state',
    arity: 2,
    flags: ['write', 'admin', 'denyoom'],
    reach: 'all',
    audit: { event: 'recover' },
    args: [{ name: 'state', type: 'string', value: true }],
    runWithValues(client, args: readonly [name: string, state: Value]) {
      client.server.store.recovery(args[1])
      client.server.pubsub.closeWatchers()
      client.reply.ok()
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
    reach: 'all',
    run(client) {
      // No copy is needed, because nothing can change the store while it is being written.
      client.reply.bulkOf(client.server.store.saveInPieces())
    },
  },
]
