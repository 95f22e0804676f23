import { CommandError } from '../request/arguments/errors.ts'
import { parseInteger } from '../request/arguments/integer.ts'
import { checkDepth, cleanPath } from '../store/path.ts'

/** What a tree channel's name says. */
export interface TreeChannelName {
  readonly path: string
  readonly recursive: boolean
  /** The first index wanted; 0 for "from now on". */
  readonly since: number
}

/** Whether a channel or pattern is of the tree and not one of Redis's. */
export function isTreeChannel(channel: string): boolean {
  return channel.startsWith('/')
}

/**
 * Reads a tree channel: `/jobs?recursive=true&since=120`. The first `?` ends the path: a key that
 * holds one can be watched from its directory, or with a pattern.
 *
 * @throws CommandError naming the option that it does not know or cannot read
 * @throws PathError for a path that no node can have
 */
export function parseTreeChannel(channel: string): TreeChannelName {
  const question = channel.indexOf('?')
  const path = cleanPath(question === -1 ? channel : channel.slice(0, question))
  checkDepth(path)
  if (question === -1) return { path, recursive: false, since: 0 }
  let recursive = false
  let since = 0
  const seen = new Set<string>()
  for (const option of channel.slice(question + 1).split('&')) {
    if (option === '') continue
    const equals = option.indexOf('=')
    const name = equals === -1 ? option : option.slice(0, equals)
    const value = equals === -1 ? '' : option.slice(equals + 1)
    if (seen.has(name)) throw badOption(`option '${name}' is given twice`)
    seen.add(name)
    if (name === 'recursive') recursive = parseBoolean(name, value)
    else if (name === 'since') since = parseSince(value)
    else
      throw badOption(
        `unknown option '${name}', known are recursive=true and since=index (a key with a question mark can be watched from its directory)`,
      )
  }
  return { path, recursive, since }
}

function parseBoolean(name: string, value: string): boolean {
  if (value === 'true') return true
  if (value === 'false') return false
  throw badOption(`option '${name}' must be true or false`)
}

function parseSince(value: string): number {
  try {
    return parseInteger(value, 0)
  } catch {
    throw badOption("option 'since' must be an index, 0 or more")
  }
}

function badOption(what: string): CommandError {
  return new CommandError(`ERR bad tree channel: ${what}`)
}
