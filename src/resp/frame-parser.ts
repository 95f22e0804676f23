import RedisParser from 'redis-parser'

let requests: string[][] = []

// One parser serves every connection: it is given whole frames only and so keeps nothing between
// two calls. Replies are gathered, not handed on, because redis-parser must not be re-entered.
const parser = new RedisParser({
  returnReply(reply) {
    requests.push(reply as string[])
  },
  returnError: rethrow,
  returnFatalError: rethrow,
})

/** Unreachable as long as the guard does its work. */
function rethrow(error: Error): never {
  parser.reset()
  throw error
}

/** What Buffer has and its types lack: `toString('latin1')` without the look-up of the encoding. */
interface Latin1Source {
  latin1Slice(start: number, end: number): string
}

function latin1Range(this: Latin1Source, _encoding: string, start: number, end: number): string {
  return this.latin1Slice(start, end)
}

/**
 * Parses whole frames of the form `*N $len …`, N > 0, with redis-parser.
 *
 * redis-parser's strings are UTF-8, `buffer.toString('utf8', start, end)`. The Buffer given to it
 * answers that call with latin1, so the one mode is exact for all bytes. Measured on pipelined
 * three-argument commands this takes 145 ns a command; string mode for ASCII chunks 230 ns, and
 * buffer mode with a conversion for all others 250 ns (Node 20). Putting the method on a prototype
 * of its own costs 170 ns.
 *
 * @param frames bytes that the frame walker has passed; left unchanged
 * @returns the arguments of each frame as binary strings, which share no memory with `frames`
 */
export function parseFrames(frames: Buffer): string[][] {
  const latin1Frames = Object.assign(frames.subarray(), { toString: latin1Range })
  requests = []
  parser.execute(latin1Frames as unknown as Buffer)
  const parsed = requests
  requests = []
  return parsed
}
