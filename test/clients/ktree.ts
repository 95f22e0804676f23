import { afterEach, beforeEach } from 'vitest'
import { type RunningServer, type StartOptions, startServer } from '../../src/server/start.ts'

/** The server of the running test. */
export interface TestServer {
  readonly port: number
  readonly server: RunningServer
  /** Restarts it on the same port, empty. */
  restart(): Promise<void>
}

/** Starts a server on a free loopback port before each test, and closes it after. */
export function useServer(options: StartOptions = {}): TestServer {
  let server: RunningServer
  beforeEach(async () => {
    server = await startServer(options)
  })
  afterEach(() => server.close())
  const port = (): number => {
    if (server.port === undefined) throw new Error('the server has no TCP port')
    return server.port
  }
  return {
    get port() {
      return port()
    },
    get server() {
      return server
    },
    async restart() {
      const same = port()
      await server.close()
      server = await startServer({ ...options, port: same })
    },
  }
}
