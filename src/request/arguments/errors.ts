import type { RequestArguments } from '../../resp/request-arguments.ts'
import { ExpectedError } from '../../text/expected-error.ts'
import { textOf } from './token.ts'

/** The error for an unknown command shows this much of its name, and of its arguments (Redis). */
export const MAX_SHOWN_CHARACTERS = 128

/** An error that becomes an error reply; its message begins with the code: `ERR syntax error`. */
export class CommandError extends ExpectedError {
  override readonly name = 'CommandError'
}

export const syntaxError = (): CommandError => new CommandError('ERR syntax error')

export const notAnInteger = (): CommandError =>
  new CommandError('ERR value is not an integer or out of range')

/** @param name the command's full name (`client|list`) */
export const wrongArity = (name: string): CommandError =>
  new CommandError(`ERR wrong number of arguments for '${name}' command`)

/** Redis's error for an unknown command, including the blank after each argument. */
export function unknownCommand(args: RequestArguments): CommandError {
  let shown = ''
  for (let i = 1; i < args.length && shown.length < MAX_SHOWN_CHARACTERS; i++) {
    shown += `'${textOf(args[i], MAX_SHOWN_CHARACTERS - shown.length)}' `
  }
  const name = textOf(args[0], MAX_SHOWN_CHARACTERS)
  return new CommandError(`ERR unknown command '${name}', with args beginning with: ${shown}`)
}
