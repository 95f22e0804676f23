// WAIT

import { notAnInteger } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { parseTimeout } from '../../request/arguments/timeout.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { guarded } from '../../request/guard.ts'

/** Waits until the timeout, because there are no replicas that could answer. */
function wait(client: Client, args: readonly string[]): void {
  const replicas = readInteger64(args[1])
  if (replicas === undefined) throw notAnInteger()
  const timeout = parseTimeout(args[2])
  if (replicas <= 0n || client.executing) {
    client.reply.integer(0)
    return
  }
  let cancelTimer: (() => void) | undefined
  const resume = client.block(() => cancelTimer?.())
  if (timeout === 0) return
  const giveUp = guarded(client, () => {
    client.reply.integer(0)
    resume()
  })
  cancelTimer = client.server.clock.schedule(giveUp, timeout)
}

/** Waiting for replicas. */
export const waitCommands: readonly Command[] = [
  {
    name: 'wait',
    summary: 'Waits until the timeout in milliseconds, because there are no replicas to wait for.',
    group: 'generic',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 3,
    flags: ['noscript'],
    categories: ['connection'],
    args: [
      { name: 'numreplicas', type: 'integer' },
      { name: 'timeout', type: 'integer' },
    ],
    run: wait,
  },
]
