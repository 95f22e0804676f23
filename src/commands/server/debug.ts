// DEBUG

import { countError } from '../../metrics/counters.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import { textOf, tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { printable } from '../../text/printable.ts'

const HELP = [
  'DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'ERROR <string>',
  '    Reply with this error, which begins with its code.',
  'LOG <message>',
  '    Write a line to the log.',
  'SLEEP <seconds>',
  '    Block the whole server for this long; fractions are allowed.',
  'HELP',
  '    Print this help.',
]

/** Blocks the whole process, as a slow command would. @param seconds NaN means 0 (Redis) */
function sleep(seconds: number): void {
  const ms = Number.isFinite(seconds) ? Math.max(0, seconds * 1000) : 0
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** DEBUG. @throws CommandError if the subcommand is unknown */
function debug({ server, reply }: Client, args: readonly string[]): void {
  const name = tokenOf(args[1])
  if (name === 'SLEEP' && args.length === 3) {
    sleep(Number.parseFloat(args[2]))
    reply.ok()
  } else if (name === 'ERROR' && args.length === 3) {
    countError(server.stats, args[2])
    reply.error(args[2])
  } else if (name === 'LOG' && args.length === 3) {
    server.logger.warn(`DEBUG LOG: ${printable(args[2])}`)
    reply.ok()
  } else if (name === 'HELP' && args.length === 2) {
    reply.array(HELP.length)
    for (const line of HELP) reply.simple(line)
  } else {
    throw new CommandError(
      `ERR unknown subcommand or wrong number of arguments for '${textOf(args[1], 128)}'. Try DEBUG HELP.`,
    )
  }
}

/** For testing clients: errors, log lines and delays on request. */
export const debugCommands: readonly Command[] = [
  {
    name: 'debug',
    summary:
      'Blocks the server or replies with an error, to test clients; see enable-debug-command.',
    group: 'server',
    since: '0.1.0',
    complexity: 'Depends on subcommand',
    arity: -2,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    broad: true,
    protectedBy: 'enable-debug-command',
    args: [
      { name: 'subcommand', type: 'string' },
      { name: 'argument', type: 'string', optional: true },
    ],
    run: debug,
  },
]
