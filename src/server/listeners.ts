import { chmodSync, existsSync, lstatSync, unlinkSync } from 'node:fs'
import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { type Config, pathFromBytes } from '../config/config.ts'
import { hostPort } from './host-port.ts'
import type { RepeatedWarnings } from './repeated-warnings.ts'

/** Error codes of a machine that has no IPv6 or lacks the address. */
const NOT_AVAILABLE = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT', 'EINVAL'])

/** The longest path of a Unix socket, in bytes. Node.js cuts a longer one, and listens on what is left. */
const MAX_SOCKET_PATH_BYTES = process.platform === 'linux' ? 107 : 103

/** Half-open sockets, because a client that half-closes (`printf … | nc`) still wants its replies. */
const SOCKET_OPTIONS = { noDelay: true, allowHalfOpen: true, pauseOnConnect: true } as const

/** The system's error, and what was to be listened on. */
export interface ListenError extends NodeJS.ErrnoException {
  /** -1 or absent for a Unix socket. */
  port?: number
  /** The path of a Unix socket. */
  address?: string
  hostname?: string
  /** The directive that says what to listen on. */
  directive?: 'port' | 'tls-port' | 'unixsocket'
}

/** The sockets on which a server listens. */
export interface Listeners {
  /** The TCP port; undefined if there is none. */
  readonly port: number | undefined
  /** The TCP port for encrypted connections; undefined if there is none. */
  readonly tlsPort: number | undefined
  /** Each as `host:port`, or as the path of a Unix socket. */
  readonly addresses: readonly string[]
  /** Those of them that are for encrypted connections. */
  readonly tlsAddresses: readonly string[]
  /** Accepts no more connections; those accepted stay open. */
  close(): void
}

export interface ListenOptions {
  readonly config: Config
  /** Of connections that cannot be accepted. */
  readonly warnings: RepeatedWarnings
  /** The TCP port; 0 takes a free one, undefined listens on no TCP port. */
  readonly port: number | undefined
  /** The TCP port for encrypted connections, in the same way. */
  readonly tlsPort: number | undefined
  /** The mask for the mode of a Unix socket; undefined for that of the process. */
  readonly umask: number | undefined
  onSocket(socket: Socket, unixPath: string | undefined): void
  /** Called with a socket that has connected to `tlsPort`. */
  onTlsSocket(socket: Socket): void
}

/**
 * Listens on the addresses of the directives `bind` and `unixsocket`.
 *
 * An address that begins with `-` may be missing on this machine (Redis).
 *
 * @throws ListenError if an address cannot be listened on; then none is
 */
export async function listen(options: ListenOptions): Promise<Listeners> {
  const { config, onSocket, onTlsSocket } = options
  const open: NetServer[] = []
  const close = (): void => {
    for (const server of open) server.close()
  }
  try {
    const plain = await listenTcp(open, config, 'port', options.port, (socket) =>
      onSocket(socket, undefined),
    )
    const tls = await listenTcp(open, config, 'tls-port', options.tlsPort, onTlsSocket)
    const addresses = [...plain.addresses, ...tls.addresses]
    const path = pathFromBytes(config.get('unixsocket'))
    if (path !== '') {
      const server = createServer(SOCKET_OPTIONS, (socket) => onSocket(socket, path))
      await listenUnix(server, path, socketMode(config, options.umask))
      open.push(server)
      addresses.push(path)
    }
    for (const server of open) {
      // Without a listener, a connection that the system cannot hand over would end the process.
      server.on('error', (error) =>
        options.warnings.warn({ err: error }, 'cannot accept a connection'),
      )
    }
    const { port, addresses: tlsAddresses } = tls
    return { port: plain.port, tlsPort: port, addresses, tlsAddresses, close }
  } catch (error) {
    close()
    throw error
  }
}

interface Bound {
  readonly port: number | undefined
  readonly addresses: readonly string[]
}

/**
 * Listens on a port of all addresses of the directive `bind`.
 *
 * @param open gets the servers that listen
 * @param port undefined for none
 */
async function listenTcp(
  open: NetServer[],
  config: Config,
  directive: 'port' | 'tls-port',
  port: number | undefined,
  onSocket: (socket: Socket) => void,
): Promise<Bound> {
  const addresses: string[] = []
  if (port === undefined) return { port, addresses }
  let boundPort = port
  for (const entry of config.get('bind')) {
    const mayFail = entry.startsWith('-')
    const host = mayFail ? entry.slice(1) : entry
    const server = createServer(SOCKET_OPTIONS, onSocket)
    try {
      boundPort = await listenOn(server, host, boundPort, config.get('tcp-backlog'))
    } catch (error) {
      if (mayFail && NOT_AVAILABLE.has((error as NodeJS.ErrnoException).code ?? '')) continue
      throw Object.assign(error as ListenError, { directive })
    }
    open.push(server)
    addresses.push(hostPort(host, boundPort))
  }
  return { port: boundPort, addresses }
}

/** The mode of a Unix socket; undefined for what the umask of the process makes it. */
function socketMode(config: Config, umask: number | undefined): number | undefined {
  const mode = config.get('unixsocketperm')
  if (mode !== 0) return mode
  return umask === undefined ? undefined : 0o777 & ~umask
}

async function listenOn(
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

async function listenUnix(
  server: NetServer,
  path: string,
  mode: number | undefined,
): Promise<void> {
  const bytes = Buffer.byteLength(path)
  const place = { address: path, directive: 'unixsocket' }
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    const reason = `it has ${bytes} bytes, and the system takes ${MAX_SOCKET_PATH_BYTES}`
    throw Object.assign(new Error(reason), { ...place, code: 'ENAMETOOLONG' })
  }
  try {
    // An earlier server may have left its socket; any other kind of file at the path is kept.
    if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) unlinkSync(path)
    await listening(server, () => server.listen({ path }))
    if (mode !== undefined) chmodSync(path, mode)
  } catch (error) {
    // libuv says EACCES for a missing directory.
    const isMissing = (error as ListenError).code === 'EACCES' && !existsSync(dirname(path))
    throw Object.assign(error as ListenError, place, isMissing && { code: 'ENOENT' })
  }
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
