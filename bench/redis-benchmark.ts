import { startChild, within } from './children.ts'
import type { Throughput } from './latencies.ts'

/** The longest that one run may take. */
const TIMEOUT_MS = 120_000

/** A load for redis-benchmark. */
export interface Load {
  readonly port: number
  /** The certificate of the authority to trust; undefined for connections that are not encrypted. */
  readonly authority?: string
  /** The command and its arguments; a random number replaces `__rand_int__` in them. */
  readonly command: readonly string[]
  readonly clients: number
  /** Requests that a client sends before it waits for the replies. */
  readonly pipeline: number
  /** Requests of all clients together. */
  readonly requests: number
  /** Random numbers are below this one. */
  readonly keyspace: number
}

/** One column of the summary that redis-benchmark prints. */
function summary(output: string, name: string): number {
  const [, names = '', values = ''] = /\n +(avg .*)\n +([\d. ]+)\n/.exec(output) ?? []
  return Number(values.trim().split(/ +/)[names.trim().split(/ +/).indexOf(name)])
}

/** The lowest latency in the printed distribution that a percentage of requests does not exceed. */
function percentile(output: string, percent: number): number {
  for (const [, share, latency] of output.matchAll(/^([\d.]+)% <= ([\d.]+) milliseconds/gm)) {
    if (Number(share) >= percent) return Number(latency)
  }
  return Number.NaN
}

/**
 * Runs redis-benchmark once.
 *
 * @returns requests per second, and the waits for their replies
 * @throws Error with the program's output, such as an error reply of the server
 */
export async function redisBenchmark(load: Load): Promise<Throughput> {
  const { port, authority, clients, pipeline, requests, keyspace } = load
  const numbers = { p: port, c: clients, P: pipeline, n: requests, r: keyspace }
  const options = Object.entries(numbers).flatMap(([name, value]) => [`-${name}`, `${value}`])
  const tls = authority === undefined ? [] : ['--tls', '--cacert', authority]
  const args = ['-h', '127.0.0.1', ...options, ...tls]
  const [command, ...rest] = load.command
  // The last argument comes from standard input, because Linux allows no argument above 128 kB.
  const last = rest.pop()
  const child =
    last === undefined
      ? startChild('redis-benchmark', [...args, command])
      : startChild('redis-benchmark', [...args, '-x', command, ...rest], { input: last })
  try {
    const code = await within(TIMEOUT_MS, 'redis-benchmark', child.exited)
    const { out, err } = child.output
    if (code !== 0) throw new Error(`redis-benchmark: ${`${err}${out}`.trim().slice(0, 300)}`)
    const rate = Number(/throughput summary: ([\d.]+)/.exec(out)?.[1])
    return {
      rate,
      seconds: requests / rate,
      p50: summary(out, 'p50'),
      p99: summary(out, 'p99'),
      p999: percentile(out, 99.9),
      longest: summary(out, 'max'),
    }
  } finally {
    await child.end()
  }
}
