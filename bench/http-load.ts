import { within } from './children.ts'
import { HttpConnection } from './http-connection.ts'
import { summarize, type Throughput } from './latencies.ts'

const TIMEOUT_MS = 120_000

/** A load for etcd, like that of redis-benchmark. */
export interface HttpLoad {
  readonly port: number
  /** The i-th request. */
  request(i: number): string
  readonly clients: number
  /** Requests that a client sends in one write before it waits for all the responses. */
  readonly pipeline: number
  /** Requests of all clients together. */
  readonly requests: number
}

/**
 * Sends requests over connections that are kept alive.
 *
 * @returns requests per second, and the waits for their responses
 * @throws Error at the first response that is no success
 */
export async function httpLoad(load: HttpLoad): Promise<Throughput> {
  const { port, request, clients, pipeline, requests } = load
  const connections = await Promise.all(
    Array.from({ length: clients }, () => HttpConnection.open(port)),
  )
  const waits: number[] = []
  let sent = 0
  const work = async (connection: HttpConnection): Promise<void> => {
    connection.onAnswer = (wait) => waits.push(wait)
    while (sent < requests) {
      const count = Math.min(pipeline, requests - sent)
      const first = sent
      sent += count
      const answers = await connection.ask(
        Array.from({ length: count }, (_, i) => request(first + i)),
      )
      for (const { status, body } of answers) {
        if (status >= 300) throw new Error(`etcd answered ${status} ${body.trim()}`)
      }
    }
  }
  try {
    const started = performance.now()
    await within(TIMEOUT_MS, 'the load', Promise.all(connections.map(work)))
    const seconds = (performance.now() - started) / 1000
    return { rate: requests / seconds, seconds, ...summarize(waits) }
  } finally {
    for (const connection of connections) connection.close()
  }
}
