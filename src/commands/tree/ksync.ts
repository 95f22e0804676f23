// KSYNC · KNODES

import type { Options } from '../../request/arguments/argument.ts'
import { parseInteger } from '../../request/arguments/integer.ts'
import { parseTimeout } from '../../request/arguments/timeout.ts'
import type { Client } from '../../request/client.ts'
import type { Command, Flag } from '../../request/command.ts'
import type { GroupNode } from '../../request/group.ts'
import { guarded } from '../../request/guard.ts'
import { blockOwed } from '../../request/reply-later.ts'
import { version } from '../../version.ts'

const FLAGS: readonly Flag[] = ['readonly', 'blocking']

/** KSYNC. */
function sync(client: Client, _: readonly string[], options: Options): void {
  const { store, group, clock } = client.server
  const { reply } = client
  const index = parseInteger(options.get('index') ?? '0', 0)
  const timeout = parseTimeout(options.get('milliseconds') ?? '0')
  const asks = group !== undefined && !options.has('index')
  if (client.executing || (!asks && store.index >= index)) {
    reply.integer(store.index)
    return
  }
  const over = new AbortController()
  let undo = (): void => {}
  let cancelTimer: (() => void) | undefined
  const stop = (): void => {
    over.abort()
    undo()
    cancelTimer?.()
  }
  // An index may never come, so such a client is gone when it half-closes.
  const resume = asks ? blockOwed(client, stop) : client.block(stop)
  const end = (write: () => void): void => {
    if (over.signal.aborted) return
    stop()
    write()
    resume()
  }
  const look = guarded(client, () => {
    if (over.signal.aborted) return
    if (store.index >= index) {
      end(() => reply.integer(store.index))
      return
    }
    undo = store.whenAt(index, () => setImmediate(look))
  })
  if (timeout > 0) {
    const giveUp = guarded(client, () => end(() => reply.bulkOrNull(null)))
    cancelTimer = clock.schedule(giveUp, timeout)
  }
  if (!asks) look()
  else {
    const fail = guarded(client, (error: unknown) =>
      end(() => reply.error(`CLUSTERDOWN ${error instanceof Error ? error.message : error}`)),
    )
    group.sync(over.signal).then(look, fail)
  }
}

/** KNODES. */
function nodes(client: Client): void {
  const { group, runId, port } = client.server
  const { reply } = client
  const write = (shown: readonly GroupNode[]): void => {
    reply.array(shown.length)
    for (const { id, name, address, version, applied, lag, isSelf } of shown) {
      reply.map(8)
      for (const [field, value] of Object.entries({ id, name, address, version })) {
        reply.bulk(field)
        reply.bulk(value)
      }
      reply.bulk('applied')
      reply.integer(applied)
      reply.bulk('lag-revisions')
      reply.integer(lag.revisions)
      reply.bulk('lag-ms')
      reply.integer(lag.ms)
      reply.bulk('self')
      reply.integer(isSelf ? 1 : 0)
    }
  }
  if (group === undefined || client.executing) {
    const { name = '', position: applied = 0, lag = { revisions: 0, ms: 0 } } = group ?? {}
    write([{ id: runId, name, address: String(port), version, applied, lag, isSelf: true }])
    return
  }
  const resume = blockOwed(client, () => {})
  group.nodes().then(
    guarded(client, (shown: readonly GroupNode[]) => {
      write(shown)
      resume()
    }),
    guarded(client, (error: unknown) => {
      reply.error(`CLUSTERDOWN ${error instanceof Error ? error.message : error}`)
      resume()
    }),
  )
}

/** Nodes that serve one tree. */
export const ksyncCommands: readonly Command[] = [
  {
    name: 'ksync',
    summary:
      'Waits until this node has applied all that was written before, or until an index, and returns the index.',
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -1,
    flags: FLAGS,
    reach: 'nothing',
    parsed: true,
    args: [
      { name: 'index', type: 'integer', token: 'INDEX', optional: true },
      { name: 'milliseconds', type: 'integer', token: 'TIMEOUT', optional: true },
    ],
    run: sync,
  },
  {
    name: 'knodes',
    summary: 'Lists the nodes that serve the tree.',
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of nodes',
    arity: 1,
    flags: FLAGS,
    reach: 'nothing',
    run: nodes,
  },
]
