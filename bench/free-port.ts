import { createServer } from 'node:net'

/** Below those that systems give to outgoing connections, one of which could take the port meanwhile. */
const FIRST_PORT = 12_000
const PORTS = 20_000

/** What has been returned may not be listened on yet. */
const given = new Set<number>()

/** A TCP port of the loopback interface that nobody listens on; each once in a process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (!isFree || given.has(port)) continue
    given.add(port)
    return port
  }
}
