import type { Socket } from 'node:net'
import { createServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import type { Logger } from 'pino'
import { type Config, ConfigError } from '../../config/config.ts'
import type { DirectiveName } from '../../config/directives.ts'
import { hostPort } from '../host-port.ts'
import type { RepeatedWarnings } from '../repeated-warnings.ts'
import { readTlsSettings, type TlsSettings } from './certificates.ts'
import { HandshakeRotation } from './handshake-rotation.ts'
import { HandshakeTurns } from './handshake-turns.ts'

/** The time that a client has for its handshake. */
export const HANDSHAKE_LIMIT_MS = 10_000
/** The first byte of every TLS connection: the type of a record that shakes hands. */
const HANDSHAKE_RECORD = 0x16
/** Type, version and length come before what a record holds. */
const RECORD_HEADER_BYTES = 5
/** OpenSSL refuses longer records. */
const MAX_RECORD_BYTES = 2 ** 14
/**
 * A connection may bring this many bytes that are no data, and so many for each byte of data. A record of one
 * byte has 22 more. OpenSSL answers each request for new keys, and keeps the answers for who does not read.
 */
const MAX_IDLE_BYTES = 256 * 1024
const MAX_BYTES_PER_DATA_BYTE = 64
/** From this time before a certificate's end on, the log warns of it. */
const EXPIRY_WARNING_MS = 14 * 24 * 60 * 60 * 1000

/** The directives whose change means new certificates or other rules. */
const DIRECTIVES: readonly DirectiveName[] = [
  ...(['tls-cert-file', 'tls-key-file', 'tls-key-file-pass'] as const),
  ...(['tls-ca-cert-file', 'tls-ca-cert-dir'] as const),
  ...(['tls-auth-clients', 'tls-auth-clients-user'] as const),
  ...(['tls-protocols', 'tls-ciphers', 'tls-ciphersuites'] as const),
]

export interface TlsGateOptions {
  readonly config: Config
  readonly logger: Logger
  /** Of what clients do, which may have no password. */
  readonly warnings: RepeatedWarnings
  /** Milliseconds on a scale of its own, which nobody sets. */
  elapsed(): number
  /** Unix milliseconds. */
  now(): number
  /**
   * Called when a handshake is over.
   *
   * @param refusal why the client must not be served
   * @param user the name in the client's certificate, if that is to be its user
   */
  onClient(socket: TLSSocket, refusal: string | undefined, user: string | undefined): void
}

/** A client whose handshake is not over. */
interface Waiting {
  readonly socket: Socket
  /** When it connected, on the scale of `elapsed`. */
  readonly since: number
}

/**
 * Shakes hands with clients that want encrypted connections.
 *
 *     accepted ─ first record ─▶ TLS ──▶ node's handshake ──▶ onClient
 *        │                       other ▶ told in the log, closed
 *        └─ silent for too long ───────▶ closed
 *
 * A client that has not sent a whole record costs a socket and an entry here. Only then, and when it
 * is the client's turn, begins what costs more: OpenSSL keeps some 60 KB for a handshake.
 */
export class TlsGate {
  readonly #options: TlsGateOptions
  /** By both ends of the connection, the oldest first. */
  readonly #waiting = new Map<string, Waiting>()
  readonly #turns: HandshakeTurns
  readonly #rotation = new HandshakeRotation()
  /** The sockets of clients that have shaken hands, each with the one that decrypts. */
  readonly #encrypted = new Map<Socket, TLSSocket>()
  #handshakes: TlsServer

  /** @throws Error if there is no certificate that can be used */
  constructor(options: TlsGateOptions) {
    this.#options = options
    this.#handshakes = this.#serverOf(readTlsSettings(options.config))
    this.#turns = new HandshakeTurns(
      (socket) => {
        this.#handshakes.emit('connection', socket)
        this.#rotation.add(socket)
      },
      () => options.elapsed(),
    )
    for (const name of DIRECTIVES) options.config.onChange(name, () => this.#follow())
  }

  /** Count of the clients whose handshake is not over. */
  get size(): number {
    return this.#waiting.size
  }

  /** Begins with a socket from a server with `pauseOnConnect`; ends one that its client has reset already. */
  accept(socket: Socket): void {
    socket.on('error', () => {})
    if (socket.remoteAddress === undefined) {
      socket.destroy()
      return
    }
    const ends = endsOf(socket)
    this.#waiting.set(ends, { socket, since: this.#options.elapsed() })
    socket.once('close', () => {
      this.#turns.end(socket)
      this.#rotation.remove(socket)
      this.#encrypted.delete(socket)
      if (this.#waiting.get(ends)?.socket === socket) this.#waiting.delete(ends)
    })
    let head: Buffer | undefined
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) return
      head = head === undefined ? chunk : Buffer.concat([head, chunk])
      if (!this.#decides(socket, head)) return
      socket.off('readable', onReadable)
      socket.off('end', onEnd)
      if (socket.destroyed) return
      socket.unshift(head)
      this.#turns.ask(socket)
    }
    const onEnd = (): void => void socket.destroy()
    socket.on('readable', onReadable)
    socket.on('end', onEnd)
  }

  /**
   * Reads certificates and key anew. New connections get a server of their own, and with it new keys
   * for session tickets: a ticket would let in whom an authority that has been removed had let in.
   * Clients that are connected stay.
   *
   * @throws Error if they cannot be used; the former ones then go on
   */
  reload(): void {
    this.#handshakes = this.#serverOf(readTlsSettings(this.#options.config))
  }

  /**
   * Ends the handshakes that take too long, and the clients that send much that is no data. Called every
   * second.
   */
  survey(): void {
    this.#endIdleTalk()
    const end = this.#options.elapsed() - HANDSHAKE_LIMIT_MS
    const slow = this.#turns.overdue()
    for (const { socket, since } of this.#waiting.values()) {
      if (since > end) break
      slow.push(socket)
    }
    if (slow.length === 0) return
    const ended = new Set(slow)
    const address = addressOf(slow[slow.length - 1])
    for (const socket of ended) {
      this.#waiting.delete(endsOf(socket))
      socket.destroy()
    }
    const count = ended.size
    this.#options.logger.warn({ count, address }, 'clients refused: TLS handshakes took too long')
  }

  #endIdleTalk(): void {
    for (const [socket, { bytesRead }] of this.#encrypted) {
      if (socket.bytesRead <= MAX_IDLE_BYTES + MAX_BYTES_PER_DATA_BYTE * bytesRead) continue
      const address = addressOf(socket)
      this.#options.warnings.warn({ address }, 'client disconnected: its TLS records hold no data')
      socket.destroy()
    }
  }

  /** Ends all handshakes. */
  close(): void {
    for (const { socket } of this.#waiting.values()) socket.destroy()
  }

  #passed(ends: string, encrypted: TLSSocket): void {
    const client = this.#waiting.get(ends)
    if (client === undefined) return
    this.#waiting.delete(ends)
    this.#encrypted.set(client.socket, encrypted)
    this.#turns.end(client.socket)
    this.#rotation.remove(client.socket)
  }

  #follow(): void {
    try {
      this.reload()
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the TLS configuration cannot be used')
      throw new Error('Unable to update TLS configuration. Check server logs.')
    }
  }

  /**
   * Whether a client's first record is whole; a client that does not speak TLS is refused.
   *
   * @param head what it has sent
   */
  #decides(socket: Socket, head: Buffer): boolean {
    if (head[0] !== HANDSHAKE_RECORD) {
      const address = addressOf(socket)
      this.#options.warnings.warn({ address }, 'client refused: it does not speak TLS, on tls-port')
      socket.destroy()
      return true
    }
    if (head.length < RECORD_HEADER_BYTES) return false
    const length = Math.min(head.readUInt16BE(RECORD_HEADER_BYTES - 2), MAX_RECORD_BYTES)
    return head.length >= RECORD_HEADER_BYTES + length
  }

  /** Node's side of the handshakes. It listens to nothing: it is given the sockets. */
  #serverOf(settings: TlsSettings): TlsServer {
    // A certificate that is not valid is refused later, because node would only hang up.
    const options = { requestCert: settings.asks, rejectUnauthorized: false, allowHalfOpen: true }
    const server = createServer({ ...settings.options, ...options })
    server.on('secureConnection', (socket) => {
      this.#passed(endsOf(socket), socket)
      const refusal = refusalOf(socket, settings)
      if (refusal !== undefined) {
        this.#options.warnings.warn({ address: addressOf(socket) }, `client refused: ${refusal}`)
      }
      this.#options.onClient(socket, refusal, userOf(socket, settings))
    })
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      const { code = error.message } = error
      const address = addressOf(socket)
      const { logger, warnings } = this.#options
      if (code === 'ECONNRESET') logger.debug({ address }, 'hung up in the handshake')
      else warnings.warn({ address, code }, 'client refused: its TLS handshake failed')
      socket.destroy()
    })
    this.#logCertificate(settings)
    return server
  }

  #logCertificate({ own }: TlsSettings): void {
    const { logger, now } = this.#options
    const certificate = { subject: own.subject.replaceAll('\n', ', '), validTo: own.validTo }
    const left = Date.parse(own.validTo) - now()
    if (left < 0) logger.warn(certificate, 'the TLS certificate has expired')
    else if (left < EXPIRY_WARNING_MS) logger.warn(certificate, 'the TLS certificate expires soon')
    else logger.info(certificate, 'read the TLS certificate')
  }
}

/**
 * Reads the certificates, and opens the gate.
 *
 * @throws ConfigError if they cannot be used
 */
export function openTlsGate(options: TlsGateOptions): TlsGate {
  try {
    return new TlsGate(options)
  } catch (error) {
    throw new ConfigError('tls-port', (error as Error).message)
  }
}

/** Why a client with this certificate, or without one, must not be served. */
function refusalOf(socket: TLSSocket, { asks, requires }: TlsSettings): string | undefined {
  if (!asks) return undefined
  // Asked first, because Node takes a client without a certificate for authorized when its session is resumed (TLS 1.3),
  // be it one that was refused. Node's types promise a certificate; there may be none.
  const hasNone = Object.keys(socket.getPeerCertificate() ?? {}).length === 0
  if (hasNone) return requires ? 'it has no certificate' : undefined
  if (socket.authorized) return undefined
  return `its certificate is not valid: ${socket.authorizationError}`
}

/** The common name of a valid certificate, one byte a character; undefined if it is not one name. */
function userOf(socket: TLSSocket, { asks, namesUser }: TlsSettings): string | undefined {
  if (!namesUser || !asks || !socket.authorized) return undefined
  const name: unknown = socket.getPeerCertificate()?.subject?.CN
  return typeof name === 'string' ? Buffer.from(name).toString('latin1') : undefined
}

/** Names a connection, by the addresses and ports of its ends. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}

function addressOf({ remoteAddress = '?', remotePort = 0 }: Socket): string {
  return hostPort(remoteAddress, remotePort)
}
