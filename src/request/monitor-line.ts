import type { RequestArguments } from '../resp/request-arguments.ts'
import { textOfValue } from '../store/value.ts'
import { quoteWord } from '../text/quoting.ts'

/** How many bytes of a large argument are quoted at a time: each becomes up to four. */
const PIECE_BYTES = 64 * 1024

/**
 * A line of MONITOR, in pieces if an argument is large.
 *
 * @param start the time, and the client's address
 * @param secrets positions of the arguments that must not be shown
 */
export function* monitorLine(
  start: string,
  args: RequestArguments,
  secrets: readonly number[],
): Generator<Buffer, void> {
  let text = `+${start}`
  for (const [i, arg] of args.entries()) {
    if (secrets.includes(i)) text += ' "(redacted)"'
    else if (typeof arg === 'string') text += ` ${quoteWord(arg)}`
    else {
      yield Buffer.from(`${text} "`, 'latin1')
      for (let at = 0; at < arg.length; at += PIECE_BYTES) {
        const quoted = quoteWord(textOfValue(arg.subarray(at, at + PIECE_BYTES)))
        yield Buffer.from(quoted.slice(1, -1), 'latin1')
      }
      text = '"'
    }
  }
  yield Buffer.from(`${text}\r\n`, 'latin1')
}
