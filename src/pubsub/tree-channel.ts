import { CommandError } from '../request/arguments/errors.ts'
import { parseInteger } from '../request/arguments/integer.ts'
import { checkDepth, cleanPath } from '../store/path.ts'

/** The longest options of a tree channel, in bytes. */
const MAX_OPTIONS_BYTES = 1000

/** The parts of a tree channel's name. */
export interface TreeChannelName {
  readonly path: string
  readonly recursive: boolean
  /** The first index to deliver; 0 for "from now on". */
  readonly since: number
}

/** Whether a channel or pattern belongs to the tree rather than to Redis's channels. */
export function isTreeChannel(channel: string): boolean {
  return channel.startsWith('/')
}

/** Whether a request may have tree channels deliver events of the past. */
export function hasReplay(request: readonly string[]): boolean {
  return request.some((channel) => isTreeChannel(channel) && channel.includes('since='))
}

/**
 * Reads a tree channel: `/jobs?recursive=true&since=120`. The first `?` ends the path, so a key with
 * a `?` can only be watched from its directory, or with a pattern.
 *
 * @throws CommandError for an unknown or repeated option, or a bad value
 * @throws PathError for a path that is too long or too deep
 */
export function parseTreeChannel(channel: string): TreeChannelName {
  const question = channel.indexOf('?')
  const path = cleanPath(question === -1 ? channel : channel.slice(0, question))
  checkDepth(path)
  if (question === -1) return { path, recursive: false, since: 0 }
  const options = channel.slice(question + 1)
  if (options.length > MAX_OPTIONS_BYTES) {
    throw badOption(`options are longer than ${MAX_OPTIONS_BYTES} bytes`)
  }
  let recursive = false
  let since = 0
  const seen = new Set<string>()
  for (const option of options.split('&')) {
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
