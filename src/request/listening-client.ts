import { CommandError } from './arguments/errors.ts'
import type { Client } from './client.ts'
import type { PreparedCommand } from './prepared-command.ts'

/** @throws CommandError if a client that listens to channels may not use a command: in RESP2 it could not tell replies apart */
export function checkListening({ reply }: Client, { command, fullName }: PreparedCommand): void {
  if (reply.protocol !== 2 || command.inPubSub === true) return
  throw new CommandError(
    `ERR Can't execute '${fullName}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
  )
}
