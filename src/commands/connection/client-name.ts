import { CommandError } from '../../request/arguments/errors.ts'
import type { Client } from '../../request/client.ts'

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
 * Names a client (CLIENT SETNAME, HELLO SETNAME).
 *
 * @param name the empty name removes the former one
 * @throws CommandError if the name has spaces or special characters
 */
export function setClientName(client: Client, name: string): void {
  if (!isShowable(name)) {
    throw new CommandError(
      'ERR Client names cannot contain spaces, newlines or special characters.',
    )
  }
  client.name = name
}
