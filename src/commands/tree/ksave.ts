// KSAVE · KRECOVER

import { CommandError } from '../../request/arguments/errors.ts'
import type { Command } from '../../request/command.ts'

/** Bytes of memory that reading takes for each byte of a state with small nodes. */
const RECOVERY_FACTOR = 6

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
    args: [{ name: 'state', type: 'string' }],
    run(client, args) {
      const { memory } = client.server
      if (!memory.hasRoom(args[1].length * RECOVERY_FACTOR)) {
        throw new CommandError(
          "OOM command not allowed when it needs more memory than the process's heap has left.",
        )
      }
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
    run(client) {
      // No copy is needed, because nothing can change the store while it is being written.
      client.reply.bulk(client.server.store.saveNoCopy())
    },
  },
]
