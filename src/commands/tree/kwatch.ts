// KWATCH · KWAIT · KUNWATCH

import { eventAsSeen } from '../../pubsub/event-as-seen.ts'
import { hasReplay } from '../../pubsub/tree-channel.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import { parseInteger } from '../../request/arguments/integer.ts'
import { parseTimeout } from '../../request/arguments/timeout.ts'
import { hasToken } from '../../request/arguments/token.ts'
import type { Command } from '../../request/command.ts'
import { guarded } from '../../request/guard.ts'
import { TIME_OF } from '../../request/long-work.ts'
import type { Event } from '../../store/event.ts'
import { cleanPath, ownCopy } from '../../store/path.ts'
import { writeEvent } from './event-reply.ts'

/** Watching the tree. */
export const kwatchCommands: readonly Command[] = [
  {
    name: 'kwait',
    summary: 'Returns the first event at a path from an index on; waits if there is none yet.',
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of kept events since the index',
    arity: -2,
    flags: ['readonly', 'blocking'],
    broad: true,
    keys: [1, 1, 1],
    reach: (request) => (hasToken(request, 2, 'RECURSIVE') ? 'subtree' : 'node'),
    keeps: true,
    parsed: true,
    args: [
      { name: 'path', type: 'key' },
      { name: 'recursive', type: 'pure-token', token: 'RECURSIVE', optional: true },
      { name: 'index', type: 'integer', token: 'SINCE', optional: true },
      { name: 'milliseconds', type: 'integer', token: 'TIMEOUT', optional: true },
    ],
    run(client, args, options) {
      const { store, clock, longWork } = client.server
      const timeout = parseTimeout(options.get('milliseconds') ?? '0')
      const since = parseInteger(options.get('index') ?? '0', 0)
      const path = ownCopy(cleanPath(args[1]))
      if (since > 0) {
        const time = store.history.looksFrom(since) * TIME_OF.searchedEvent
        longWork.begin(time, client.executing)
      }
      let answered = false
      let unblock: (() => void) | undefined
      let cancelTimer: (() => void) | undefined
      const watchOptions = {
        recursive: options.has('recursive'),
        since,
        onFailure: (error: unknown) => client.fail(error),
      }
      const onEvent = guarded(client, (event: Event) => {
        answered = true
        cancelTimer?.()
        client.awaited = undefined
        writeEvent(client.reply, eventAsSeen(client, path, event))
        unblock?.()
      })
      const watcher = store.watch(path, watchOptions, onEvent)
      if (answered) return
      if (client.executing) {
        // Like BLPOP, it does not wait in EXEC, because nobody else can write before EXEC ends.
        watcher.remove()
        client.reply.nullArray()
        return
      }
      client.awaited = args.map(ownCopy)
      unblock = client.block(() => {
        client.awaited = undefined
        watcher.remove()
        cancelTimer?.()
      })
      if (timeout === 0) return
      const giveUp = guarded(client, () => {
        watcher.remove()
        client.awaited = undefined
        client.reply.nullArray()
        unblock?.()
      })
      cancelTimer = clock.schedule(giveUp, timeout)
    },
  },
  {
    name: 'kwatch',
    summary:
      'Streams the events of tree channels, like SUBSCRIBE, which every client can use: a path, then ?recursive=true&since=index.',
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of kept events since the index',
    arity: -2,
    flags: ['pubsub', 'readonly'],
    broad: hasReplay,
    channels: 'listen',
    args: [{ name: 'channel', type: 'string', multiple: true }],
    keeps: true,
    inPubSub: true,
    run(client, args) {
      for (const channel of args.slice(1)) {
        if (channel.startsWith('/')) continue
        throw new CommandError(
          'ERR a tree channel begins with a slash: /path?recursive=true&since=1',
        )
      }
      client.server.pubsub.subscribe(client, args.slice(1))
    },
  },
  {
    name: 'kunwatch',
    summary: 'Ends the streams of the given channels, or of all channels.',
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of channels',
    arity: -1,
    flags: ['pubsub', 'readonly'],
    reach: 'nothing',
    args: [{ name: 'channel', type: 'string', optional: true, multiple: true }],
    inPubSub: true,
    run(client, args) {
      client.server.pubsub.unsubscribe(client, args.slice(1))
    },
  },
]
