import { within } from './children.ts'
import { httpLoad } from './http-load.ts'
import { exchangeAll, frame, open } from './load-client.ts'
import type { Server } from './peers.ts'
import type { Request } from './resp-connection.ts'

/** Bytes in one write. */
const MAX_WRITE_BYTES = 1_000_000
/** Requests in one write. */
const MAX_WRITE_REQUESTS = 5_000

const TIMEOUT_MS = 240_000

/** Sends requests over one connection, many in one write. @throws Error for an error reply */
async function fillResp(
  port: number,
  count: number,
  request: (i: number) => Request,
): Promise<void> {
  const size = request(0).join('').length
  const batch = Math.max(1, Math.min(MAX_WRITE_REQUESTS, Math.floor(MAX_WRITE_BYTES / size)))
  const socket = await open(port)
  try {
    for (let from = 0; from < count; from += batch) {
      let requests = ''
      for (let i = from; i < Math.min(from + batch, count); i++) requests += frame(...request(i))
      await exchangeAll(socket, requests)
    }
  } finally {
    socket.destroy()
  }
}

/** The keys to write, as requests for each kind of server. */
export interface Filling {
  readonly count: number
  /** The i-th request to Redis or ktree. */
  resp(i: number): Request
  /** The i-th request to etcd. */
  http?(i: number): string
}

/** Writes many keys as fast as the server takes them. */
export async function fill(server: Server, { count, resp, http }: Filling): Promise<void> {
  if (server.name !== 'etcd') {
    await within(TIMEOUT_MS, 'filling', fillResp(server.port, count, resp))
    return
  }
  if (!http) throw new Error('etcd has nothing like it')
  await httpLoad({ port: server.port, clients: 50, pipeline: 16, requests: count, request: http })
}
