// MULTI · EXEC · DISCARD · WATCH · UNWATCH

import { pathOfKey } from '../../keyspace/key.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import type { Client } from '../../request/client.ts'
import { endTransaction, limitKept, NAMES_PER_CHECK } from '../../request/client.ts'
import type { Command, Flag } from '../../request/command.ts'
import { expireBeforeExec } from '../../request/expiry-slice.ts'
import { withPathsOf } from '../../request/many-paths.ts'
import { Transaction } from '../../request/transaction.ts'
import { WatchedKeys } from '../../request/watched-keys.ts'

const FLAGS: readonly Flag[] = ['noscript', 'loading', 'stale', 'fast', 'allow_busy']

/** Runs all queued commands, or none if a watched key has changed. */
function execute(client: Client): void {
  const { transaction, watched, server } = client
  if (transaction === undefined) throw new CommandError('ERR EXEC without MULTI')
  // In a group one that writes has its place in the log already.
  if (server.group === undefined || !transaction.ordered) server.longWork.check()
  if (!transaction.failed) expireBeforeExec(client, transaction)
  try {
    if (transaction.failed) {
      throw new CommandError('EXECABORT Transaction discarded because of previous errors.')
    }
    // This client's watches end before its queue runs, so that its own writes do not count as
    // changes.
    const touched = watched?.check() === true
    watched?.clear()
    if (touched) client.reply.nullArray()
    else executeTimed(client, transaction)
  } finally {
    endTransaction(client)
  }
}

/** Other transactions wait for a later turn when those of this turn have taken long, because many may be sent at once. */
function executeTimed(client: Client, transaction: Transaction): void {
  const { server } = client
  const start = server.clock.lastLap
  server.audit?.beginExec()
  try {
    withPathsOf(server.store, transaction.requests, () => server.execute(client, transaction))
  } finally {
    server.audit?.endExec()
  }
  server.longWork.noteExec(server.clock.lap() - start)
}

/** Redis's transactions. */
export const multiCommands: readonly Command[] = [
  {
    name: 'multi',
    summary: 'Begins a transaction: queues the commands that follow until EXEC.',
    group: 'transactions',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 1,
    flags: FLAGS,
    inMulti: true,
    run(client) {
      if (client.transaction !== undefined) {
        throw new CommandError('ERR MULTI calls can not be nested')
      }
      client.transaction = new Transaction()
      client.reply.ok()
    },
  },
  {
    name: 'exec',
    summary: 'Runs the commands queued since MULTI, with no other command between them.',
    group: 'transactions',
    since: '0.1.0',
    complexity: 'Depends on the commands queued',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'skip_slowlog'],
    inMulti: true,
    run(client) {
      client.server.clock.stopFor(() => execute(client))
    },
  },
  {
    name: 'discard',
    summary: 'Drops the commands queued since MULTI, and ends all watches.',
    group: 'transactions',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of commands queued',
    arity: 1,
    flags: FLAGS,
    inMulti: true,
    run(client) {
      if (client.transaction === undefined) throw new CommandError('ERR DISCARD without MULTI')
      endTransaction(client)
      client.reply.ok()
    },
  },
  {
    name: 'watch',
    summary: 'Makes the next EXEC do nothing if a node at or below one of the paths has changed.',
    group: 'transactions',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of keys',
    arity: -2,
    flags: FLAGS,
    keys: [1, -1, 1],
    keyFlags: [['RO']],
    reach: 'unless-file',
    args: [{ name: 'key', type: 'key', multiple: true }],
    keeps: true,
    inMulti: true,
    run(client, args) {
      if (client.transaction !== undefined) {
        throw new CommandError('ERR WATCH inside MULTI is not allowed')
      }
      const watched = client.watched ?? new WatchedKeys(client.server.store)
      client.watched = watched
      for (let i = 1; i < args.length; i++) {
        watched.add(pathOfKey(args[i]))
        if (i % NAMES_PER_CHECK === 0 && !limitKept(client)) return
      }
      client.reply.ok()
      limitKept(client)
    },
  },
  {
    name: 'unwatch',
    summary: 'Ends all watches.',
    group: 'transactions',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of keys watched',
    arity: 1,
    flags: FLAGS,
    run(client) {
      client.watched?.clear()
      client.watched = undefined
      client.reply.ok()
    },
  },
]
