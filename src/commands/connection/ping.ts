// PING · ECHO

import { wrongArity } from '../../request/arguments/errors.ts'
import { isSubscriber } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import type { Value } from '../../store/value.ts'

type Message = readonly [name: string, message: Value]

/** Testing a connection. */
export const pingCommands: readonly Command[] = [
  {
    name: 'ping',
    summary: 'Returns PONG, or the message.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -1,
    flags: ['fast'],
    args: [{ name: 'message', type: 'string', value: true, optional: true }],
    inPubSub: true,
    takesValues: true,
    run(client, args: Message) {
      if (args.length > 2) throw wrongArity('ping')
      const { reply } = client
      if (reply.protocol === 2 && isSubscriber(client)) {
        // A RESP2 subscriber receives only arrays.
        reply.array(2)
        reply.bulk('pong')
        reply.looseBulkOrNull(args[1] ?? '')
      } else if (args.length === 2) {
        reply.looseBulkOrNull(args[1])
      } else {
        reply.simple('PONG')
      }
    },
  },
  {
    name: 'echo',
    summary: 'Returns the message.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    args: [{ name: 'message', type: 'string', value: true }],
    takesValues: true,
    run(client, args: Message) {
      client.reply.looseBulkOrNull(args[1])
    },
  },
]
