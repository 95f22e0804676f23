import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Client, ServerContext } from './client.ts'
import { madeKeys } from './key-specs.ts'
import { PUT_OFF } from './long-work.ts'
import type { PreparedCommand } from './prepared-command.ts'

/** A request that takes less, in microseconds, is not counted: even many of them in one turn stop nobody. */
export const MIN_TAKEN_US = 200
/** A name that is shorter, in bytes, has few directories, which are made in no time. */
const MIN_LONG_NAME = 200

/** They look for all patterns that the keys below a directory may match, before anything refuses them. */
const MOVES: ReadonlySet<string> = new Set(['rename', 'renamenx'])

/**
 * Puts a request off if the turn has spent enough on long ones, and this may be another: it looks through all users,
 * clients or statistics, or may make hundreds of directories. Hundreds of clients can send one at a time, of some
 * bytes each, and each takes some milliseconds.
 *
 * @throws PutOff
 */
export function checkTurn(
  { group }: ServerContext,
  client: Client,
  { broad, command, ordered, writes }: PreparedCommand,
  args: RequestArguments,
): void {
  // A transaction has begun, and what a log has put in order stays so.
  if (client.executing || (group !== undefined && ordered)) return
  if (broad === true || MOVES.has(command.name)) throw PUT_OFF
  if (writes && madeKeys(command, args).some(({ length }) => length >= MIN_LONG_NAME)) throw PUT_OFF
}
