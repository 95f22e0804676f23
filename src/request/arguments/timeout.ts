import { CommandError } from './errors.ts'
import { readInteger64 } from './integer.ts'

/** The longest timer of Node.js, about 24 days. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/**
 * Reads a timeout.
 *
 * @returns milliseconds
 * @throws CommandError in Redis's words, if it is no integer, negative, or above
 * {@link MAX_TIMEOUT_MS}
 */
export function parseTimeout(text: string): number {
  const timeout = readInteger64(text)
  if (timeout === undefined) {
    throw new CommandError('ERR timeout is not an integer or out of range')
  }
  if (timeout < 0n) throw new CommandError('ERR timeout is negative')
  if (timeout > MAX_TIMEOUT_MS) throw new CommandError('ERR timeout is out of range')
  return Number(timeout)
}
