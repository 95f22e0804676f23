import { CommandError } from './errors.ts'
import { readInteger64 } from './integer.ts'

/**
 * Reads a timeout.
 *
 * @returns milliseconds, as many as 64 bits can count
 * @throws CommandError in Redis's words, if it is no integer, or negative
 */
export function parseTimeout(text: string): number {
  const timeout = readInteger64(text)
  if (timeout === undefined) {
    throw new CommandError('ERR timeout is not an integer or out of range')
  }
  if (timeout < 0n) throw new CommandError('ERR timeout is negative')
  return Number(timeout)
}
