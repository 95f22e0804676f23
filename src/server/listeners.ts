import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { type Config, pathFromBytes } from '../config/config.ts'

/** What a machine without IPv6, or without the address, answers. */
const NOT_AVAILABLE = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT', 'EINVAL'])

/** Half open: a client that has said all it had to say still gets its replies (`printf … | nc`). */
const OPTIONS = { noDelay: true, allowHalfOpen: true, pauseOnConnect: true } as const

/** The sockets on which a server listens. */
export interface Listeners {
  /** The TCP port; undefined if there is none. */
  readonly port: number | undefined
  /** `host:port`, and the path of a Unix socket. */
  readonly addresses: readonly string[]
  /** Accepts no more; who is connected stays. */
  close(): void
}

/**
 * Listens wherever the configuration says.
 *
 * @param port overrides the directive; 0 takes a free one
 * @throws the system's error if one of the addresses cannot be had, and then listens nowhere
 */
export async function listen(
  config: Config,
  port: number | undefined,
  onSocket: (socket: Socket, unixPath: string | undefined) => void,
): Promise<Listeners> {
  const open: NetServer[] = []
  const addresses: string[] = []
  let boundPort = port
  const close = (): void => {
    for (const server of open) server.close()
  }
  try {
    for (const entry of port === undefined ? [] : config.get('bind')) {
      const mayFail = entry.startsWith('-')
      const host = mayFail ? entry.slice(1) : entry
      const server = createServer(OPTIONS, (socket) => onSocket(socket, undefined))
      try {
        boundPort = await listenTcp(server, host, boundPort ?? 0, config.get('tcp-backlog'))
      } catch (error) {
        if (mayFail && NOT_AVAILABLE.has((error as NodeJS.ErrnoException).code ?? '')) continue
        throw error
      }
      open.push(server)
      addresses.push(host.includes(':') ? `[${host}]:${boundPort}` : `${host}:${boundPort}`)
    }
    const path = pathFromBytes(config.get('unixsocket'))
    if (path !== '') {
      const server = createServer(OPTIONS, (socket) => onSocket(socket, path))
      await listenUnix(server, path, config.get('unixsocketperm'))
      open.push(server)
      addresses.push(path)
    }
  } catch (error) {
    close()
    throw error
  }
  return { port: port === undefined ? undefined : boundPort, addresses, close }
}

async function listenTcp(
  server: NetServer,
  bind: string,
  port: number,
  backlog: number,
): Promise<number> {
  const host = bind === '*' ? '0.0.0.0' : bind === '::*' ? '::' : bind
  await listening(server, () => server.listen({ host, port, backlog, ipv6Only: host === '::' }))
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}

async function listenUnix(server: NetServer, path: string, mode: number): Promise<void> {
  // A socket that an earlier server left behind; anything else at that path is not ours to remove.
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) unlinkSync(path)
  await listening(server, () => server.listen({ path }))
  if (mode !== 0) chmodSync(path, mode)
}

function listening(server: NetServer, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    start()
  })
}
