import { CommandError } from './arguments/errors.ts'
import type { Client } from './client.ts'
import type { PreparedCommand } from './prepared-command.ts'

/**
 * Checks one of Redis's protected commands: all clients, local clients or none may use it.
 *
 * @throws CommandError
 */
export function checkProtected(client: Client, { protectedBy, command }: PreparedCommand): void {
  if (protectedBy === undefined) return
  const allowed = client.server.config.get(protectedBy)
  if (allowed === 'yes') return
  if (allowed === 'local' && client.isLocal) return
  throw new CommandError(
    `ERR ${command.name.toUpperCase()} command not allowed. If the ${protectedBy} option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.`,
  )
}
