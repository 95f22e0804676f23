/** An error that becomes an error reply; its message begins with the code: `ERR syntax error`. */
export class CommandError extends Error {
  override readonly name = 'CommandError'

  constructor(reply: string) {
    // An error reply is no bug and needs no stack, which would cost more than the command.
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    super(reply)
    Error.stackTraceLimit = limit
  }
}

export const syntaxError = (): CommandError => new CommandError('ERR syntax error')

export const notAnInteger = (): CommandError =>
  new CommandError('ERR value is not an integer or out of range')

/** @param name the command's full name (`client|list`) */
export const wrongArity = (name: string): CommandError =>
  new CommandError(`ERR wrong number of arguments for '${name}' command`)
