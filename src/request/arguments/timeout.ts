import { CommandError } from './errors.ts'
import { readInteger64 } from './integer.ts'

/** The longest wait: what a timer can hold, some 24 days, in milliseconds. */
const MAX_TIMEOUT = 2 ** 31 - 1

/**
 * Reads how long a command may take.
 *
 * @returns milliseconds
 * @throws CommandError in Redis's words
 */
export function parseTimeout(text: string): number {
  const timeout = readInteger64(text)
  if (timeout === undefined) {
    throw new CommandError('ERR timeout is not an integer or out of range')
  }
  if (timeout < 0n) throw new CommandError('ERR timeout is negative')
  if (timeout > MAX_TIMEOUT) throw new CommandError('ERR timeout is out of range')
  return Number(timeout)
}
