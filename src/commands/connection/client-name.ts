import { CommandError } from '../../request/arguments/errors.ts'
import type { Client } from '../../request/client.ts'
import { ownCopy } from '../../store/path.ts'

/** The longest name of a client or a library; limited because CLIENT LIST shows it to others. */
const MAX_NAME_BYTES = 1024

/** What CLIENT LIST cannot show, because it separates fields by spaces and clients by line feeds. */
const BLANK_OR_SPECIAL = /[^!-~]/

/**
 * Whether CLIENT LIST can show a text.
 *
 * @param text a binary string
 */
export function isShowable(text: string): boolean {
  return !BLANK_OR_SPECIAL.test(text)
}

/**
 * A name to keep for a client.
 *
 * @param what the beginning of the error
 * @throws CommandError if it is longer than {@link MAX_NAME_BYTES}
 */
export function keptClientName(name: string, what: string): string {
  if (name.length <= MAX_NAME_BYTES) return ownCopy(name)
  throw new CommandError(`ERR ${what} cannot be longer than ${MAX_NAME_BYTES} bytes.`)
}

/**
 * Names a client (CLIENT SETNAME, HELLO SETNAME).
 *
 * @param name the empty name removes the former one
 * @throws CommandError if the name has spaces or special characters, or is too long
 */
export function setClientName(client: Client, name: string): void {
  if (!isShowable(name)) {
    throw new CommandError(
      'ERR Client names cannot contain spaces, newlines or special characters.',
    )
  }
  client.name = keptClientName(name, 'Client names')
}
