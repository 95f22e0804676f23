import type { Socket } from 'node:net'
import { takeSteps } from '../request/guard.ts'
import { noteCertificate, userOfCertificate } from '../request/login.ts'
import { Connection } from './connection.ts'
import type { ConnectionContext } from './connection-context.ts'
import { type Peer, peerOf } from './peer.ts'

/** Time between two surveys, which look for idle and slow clients. */
const SURVEY_INTERVAL_MS = 1000

const PROTECTED_MODE_ERROR =
  '-DENIED ktree is running in protected mode: it has no password, and so serves only clients on ' +
  'the same machine. Set requirepass, or protected-mode no if you know that nobody else can ' +
  'reach the port.\r\n'

/** Accepts or refuses connections, and surveys the accepted ones until they end. */
export class Admission {
  /** The accepted connections by id, the oldest first. */
  readonly clients = new Map<number, Connection>()
  readonly #context: ConnectionContext
  /** Count of the TLS handshakes that are not over. */
  handshakes = (): number => 0
  #nextId = 1
  #cancelSurvey: (() => void) | undefined
  #onEmpty: (() => void) | undefined

  constructor(context: ConnectionContext) {
    this.#context = context
  }

  /** Schedules the next survey. */
  start(): void {
    const { clock } = this.#context.server
    this.#cancelSurvey = clock.schedule(() => this.#survey(), SURVEY_INTERVAL_MS)
  }

  /** Cancels the next survey. */
  stop(): void {
    this.#cancelSurvey?.()
  }

  /** Whether there may be another client, beside those whose handshake is not over. */
  hasRoom(): boolean {
    return this.clients.size + this.handshakes() < this.#context.server.config.get('maxclients')
  }

  /**
   * Begins to serve a socket, or refuses it with an error reply and closes it. A connection that its client has
   * reset already is dead, and none of its requests is served.
   *
   * @param unixPath path of the Unix socket that the client connected to; undefined for TCP
   * @param certified the user that the client's certificate names
   */
  accept(socket: Socket, unixPath: string | undefined, certified?: string): void {
    const { server, turn } = this.#context
    server.stats.connectionsReceived++
    turn.accepted()
    // Node.js ends the process for an error on a socket without a listener, a refused one too.
    socket.on('error', () => {})
    const peer = peerOf(socket, unixPath)
    if (peer === undefined) {
      socket.destroy()
      return
    }
    const refusal = this.#refusal(peer)
    if (refusal !== undefined) {
      this.refuse(socket, refusal)
      return
    }
    const keepAlive = server.config.get('tcp-keepalive')
    if (unixPath === undefined && keepAlive > 0) socket.setKeepAlive(true, keepAlive * 1000)
    const user = certified === undefined ? undefined : userOfCertificate(server.users, certified)
    const client = new Connection(this.#context, socket, this.#nextId++, peer, user)
    this.clients.set(client.id, client)
    server.clientsByUser.add(client)
    if (certified !== undefined) noteCertificate(client, certified)
  }

  /** Closes a socket with an error reply. */
  refuse(socket: Socket, error: string): void {
    this.#context.server.stats.connectionsRejected++
    socket.end(error, () => socket.destroy())
  }

  /** Disconnects those that keep the most, if all together keep too much. */
  evict(): void {
    const { clientMemory, server } = this.#context
    const { memory, stats } = server
    memory.survey()
    stats.evictedClients += clientMemory.evict(
      this.clients.values(),
      memory.isHeapFull,
      memory.heapLimit - memory.heapUsed,
    )
  }

  /** Removes a connection that has ended. @param id the client's */
  remove(id: number): void {
    const client = this.clients.get(id)
    if (client !== undefined) this.#context.server.clientsByUser.remove(client)
    this.clients.delete(id)
    if (this.clients.size === 0) this.#onEmpty?.()
  }

  /** Calls back once, when no connection is left: at once if there is none now. */
  whenEmpty(callback: () => void): void {
    this.#onEmpty = () => {
      this.#onEmpty = undefined
      callback()
    }
    if (this.clients.size === 0) this.#onEmpty()
  }

  /** The error reply for a socket that must not be served; undefined for any other. */
  #refusal({ isLocal }: Peer): string | undefined {
    const { config, users } = this.#context.server
    if (!this.hasRoom()) {
      return '-ERR max number of clients reached\r\n'
    }
    const open = config.get('protected-mode') && users.default.nopass
    return open && !isLocal ? PROTECTED_MODE_ERROR : undefined
  }

  /** Disconnects clients that are idle (`timeout`), read too slowly or take too long to close. */
  #survey(): void {
    this.start()
    const { onSurvey } = this.#context
    onSurvey()
    for (const client of this.clients.values()) takeSteps(client, () => this.#surveyOne(client))
    this.evict()
  }

  #surveyOne(client: Connection): void {
    client.survey()
    const { clock, config } = this.#context.server
    const timeout = config.get('timeout')
    if (timeout === 0 || client.blocked || client.owed > 0 || client.listens) return
    if (client.lastRequestAt < clock.elapsed() - timeout * 1000) client.drop()
  }
}
