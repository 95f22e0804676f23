import { MAX_HASHED_LENGTH } from '../../store/path.ts'
import { Glob } from '../../text/glob.ts'
import { CommandError } from './errors.ts'

/**
 * The longest pattern and the longest channel, in bytes. 1 KB more than the longest path, for what may stand
 * before and behind it in the name of a channel.
 */
export const MAX_NAME_BYTES = MAX_HASHED_LENGTH

/** @throws CommandError if a pattern is longer than {@link MAX_NAME_BYTES} */
export function checkPattern(pattern: string): void {
  checkName(pattern, 'pattern')
}

/**
 * A glob for keys. With a slash in front it means the same as without: a key is a path.
 *
 * @throws CommandError if it is longer than {@link MAX_NAME_BYTES}
 */
export function keyGlob(pattern: string): Glob {
  checkPattern(pattern)
  return new Glob(pattern.startsWith('/') ? pattern.slice(1) : pattern)
}

/** @throws CommandError if a channel is longer than {@link MAX_NAME_BYTES} */
export function checkChannel(channel: string): void {
  checkName(channel, 'channel')
}

function checkName({ length }: string, what: string): void {
  if (length <= MAX_NAME_BYTES) return
  throw new CommandError(
    `ERR ${what} is too long (${length} bytes, the limit is ${MAX_NAME_BYTES})`,
  )
}
