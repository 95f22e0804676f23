import { CommandError } from '../../request/arguments/errors.ts'
import type { Client } from '../../request/client.ts'

/** CLIENT LIST separates by blanks and line feeds, so that none may be in what it shows. */
const BLANK_OR_SPECIAL = /[^!-~]/

/**
 * Whether CLIENT LIST can show it.
 *
 * @param text a binary string
 */
export function isShowable(text: string): boolean {
  return !BLANK_OR_SPECIAL.test(text)
}

/**
 * Names a client; the empty name takes it back (CLIENT SETNAME, HELLO SETNAME).
 *
 * @throws CommandError if there are blanks or special characters in it
 */
export function setClientName(client: Client, name: string): void {
  if (!isShowable(name)) {
    throw new CommandError(
      'ERR Client names cannot contain spaces, newlines or special characters.',
    )
  }
  client.name = name
}
