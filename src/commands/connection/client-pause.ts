import { CommandError } from '../../request/arguments/errors.ts'
import { parseTimeout } from '../../request/arguments/timeout.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'

/**
 * CLIENT PAUSE timeout [WRITE | ALL], the timeout in milliseconds.
 *
 * @throws CommandError if an argument is wrong
 */
export function pauseClients({ server, reply }: Client, args: readonly string[]): void {
  if (args.length > 4) {
    throw new CommandError(
      `ERR unknown subcommand or wrong number of arguments for '${args[1]}'. Try CLIENT HELP.`,
    )
  }
  const mode = tokenOf(args[3] ?? 'ALL')
  if (mode !== 'WRITE' && mode !== 'ALL') {
    throw new CommandError('ERR CLIENT PAUSE mode must be WRITE or ALL')
  }
  server.pause.begin(parseTimeout(args[2]), mode === 'WRITE')
  reply.ok()
}
