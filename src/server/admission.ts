import type { Socket } from 'node:net'
import { isLoopback } from '../access/loopback.ts'
import { Connection, type ConnectionContext } from './connection.ts'

/** How often idle and slow connections are looked for, in ms. */
const SURVEY_INTERVAL_MS = 1000

const PROTECTED =
  '-DENIED ktree is running in protected mode: it has no password, and so serves only clients on ' +
  'the same machine. Set requirepass, or protected-mode no if you know that nobody else can ' +
  'reach the port.\r\n'

/** The connections: accepts them, refuses them, and looks after them until they end. */
export class Admission {
  /** By id, oldest first. */
  readonly clients = new Map<number, Connection>()
  readonly #context: ConnectionContext
  #nextId = 1
  #cancelSurvey: (() => void) | undefined
  #onEmpty: (() => void) | undefined

  constructor(context: ConnectionContext) {
    this.#context = context
  }

  /** Begins to look after the connections. */
  start(): void {
    const { clock } = this.#context.server
    this.#cancelSurvey = clock.schedule(() => this.#survey(), SURVEY_INTERVAL_MS)
  }

  stop(): void {
    this.#cancelSurvey?.()
  }

  /** @param unixPath the path of the Unix socket that the client has come by */
  accept(socket: Socket, unixPath: string | undefined): void {
    const { server, turn } = this.#context
    server.stats.connectionsReceived++
    turn.accepted()
    // Without a listener an error on a refused socket would end the process.
    socket.on('error', () => {})
    const refusal = this.#refusal(socket, unixPath)
    if (refusal !== undefined) {
      server.stats.connectionsRejected++
      socket.end(refusal, () => socket.destroy())
      return
    }
    const keepAlive = server.config.get('tcp-keepalive')
    if (unixPath === undefined && keepAlive > 0) socket.setKeepAlive(true, keepAlive * 1000)
    const remote =
      unixPath === undefined ? hostPort(socket.remoteAddress, socket.remotePort) : `${unixPath}:0`
    const local =
      unixPath === undefined ? hostPort(socket.localAddress, socket.localPort) : `${unixPath}:0`
    const client = new Connection(this.#context, socket, this.#nextId++, remote, local)
    this.clients.set(client.id, client)
  }

  /** Called when a connection has ended. */
  remove(client: Connection): void {
    this.clients.delete(client.id)
    if (this.clients.size === 0) this.#onEmpty?.()
  }

  /** Calls back once there are no connections, at once if there are none now. */
  whenEmpty(callback: () => void): void {
    this.#onEmpty = () => {
      this.#onEmpty = undefined
      callback()
    }
    if (this.clients.size === 0) this.#onEmpty()
  }

  /** The error that a socket is sent in place of being served. */
  #refusal(socket: Socket, unixPath: string | undefined): string | undefined {
    const { config } = this.#context.server
    if (this.clients.size >= config.get('maxclients')) {
      return '-ERR max number of clients reached\r\n'
    }
    const open = config.get('protected-mode') && config.get('requirepass') === ''
    if (open && unixPath === undefined && !isLoopback(socket.remoteAddress ?? '')) return PROTECTED
    return undefined
  }

  /** Every second: idle clients (`timeout`), slow readers, connections that take long to close. */
  #survey(): void {
    this.start()
    const { clock, config, memory } = this.#context.server
    if (memory.limited) memory.survey()
    const idleSince = clock.now() - config.get('timeout') * 1000
    const idles = config.get('timeout') > 0
    for (const client of this.clients.values()) {
      client.survey()
      const busy = client.blocked || client.listens
      if (idles && !busy && client.lastRequestAt < idleSince) client.close()
    }
  }
}

function hostPort(host = '?', port = 0): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
