import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { AclLog } from '../access/acl-log.ts'
import { type AuditLog, openAuditLog } from '../access/audit.ts'
import type { CommandCatalogue } from '../access/command-catalogue.ts'
import { LostLines } from '../access/lost-lines.ts'
import type { Users } from '../access/users.ts'
import type { Cluster, ClusterMaker } from '../cluster/cluster.ts'
import { commandTable } from '../commands/table.ts'
import { type Config, pathFromBytes } from '../config/config.ts'
import { Keyspace } from '../keyspace/keyspace.ts'
import { Applier } from '../log/apply.ts'
import { type CommandStats, newServerStats } from '../metrics/counters.ts'
import { LatencyMonitor } from '../metrics/latency-monitor.ts'
import { MemoryGauge } from '../metrics/memory-gauge.ts'
import { SlowLog } from '../metrics/slow-log.ts'
import { Throughput } from '../metrics/throughput.ts'
import { Persistence } from '../persistence/persistence.ts'
import { Subscriptions } from '../pubsub/subscriptions.ts'
import { catalogueOf } from '../request/access-of-command.ts'
import type { Client, FoundCommand, ServerContext } from '../request/client.ts'
import { ClientsByUser } from '../request/clients-by-user.ts'
import { ServerClock } from '../request/clock.ts'
import { DiskGate } from '../request/disk-gate.ts'
import { Dispatcher } from '../request/dispatcher.ts'
import { firstOf, type Gate } from '../request/gate.ts'
import { guarded } from '../request/guard.ts'
import { LongWork } from '../request/long-work.ts'
import { Pause } from '../request/pause.ts'
import { CopyRoom } from '../request/room.ts'
import type { Transaction } from '../request/transaction.ts'
import { FrameDecoder } from '../resp/frame-decoder.ts'
import { defaultRequestLimits } from '../resp/request-limits.ts'
import type { Clock } from '../store/clock.ts'
import { Store } from '../store/store.ts'
import { randomBytes } from '../text/random-bytes.ts'
import { Admission } from './admission.ts'
import { ClientMemory } from './client-memory.ts'
import type { Connection } from './connection.ts'
import { descriptorLimit, limitClients } from './descriptors.ts'
import { ExpiryTimer } from './expiry-timer.ts'
import { followConfig, PersistenceConfig } from './follow-config.ts'
import { heapWarning } from './heap-warning.ts'
import { type Listeners, listen } from './listeners.ts'
import type { Output } from './output.ts'
import { Pump } from './pump.ts'
import { RepeatedWarnings } from './repeated-warnings.ts'
import { serveRest } from './rest.ts'
import type { TlsGate } from './tls/tls-gate.ts'
import { Turn } from './turn.ts'
import { loadAclFile, Revocation, usersOf } from './users.ts'

/** When the server closes, connections may take this long to read their last replies. */
const CLOSE_GRACE_MS = 1000

/** SLOWLOG and ACL LOG may each take so much of the heap, whatever their lengths are set to. */
const LOG_SHARE = 1 / 32

/** The parts that a server is given. */
export interface ServerParts {
  readonly config: Config
  readonly configFile: string | undefined
  readonly logger: Logger
  readonly lostLogLines: () => number
  /** The mask for the mode of a Unix socket; undefined for that of the process. */
  readonly umask: number | undefined
  readonly clock: Clock
  /** The TCP port, 0 for a free one; undefined for none. */
  readonly listenPort: number | undefined
  /** The TCP port for encrypted connections, in the same way. */
  readonly listenTlsPort: number | undefined
  /** Makes the server a node of a group. */
  readonly cluster?: ClusterMaker | undefined
}

/** Assembles the parts of a server, begins to serve, and closes. */
export class Server implements ServerContext {
  readonly config: Config
  readonly configFile: string | undefined
  readonly logger: Logger
  readonly lostLogLines: () => number
  readonly clock: ServerClock
  readonly store: Store
  readonly keyspace: Keyspace
  readonly persistence: Persistence
  readonly pubsub: Subscriptions
  readonly pause: Pause
  readonly catalogue: CommandCatalogue
  readonly users: Users
  readonly clientsByUser = new ClientsByUser<Client>()
  readonly aclLog: AclLog
  readonly audit: AuditLog | undefined
  readonly throughput: Throughput
  readonly slowlog: SlowLog
  readonly latency: LatencyMonitor
  readonly memory = new MemoryGauge()
  readonly longWork = new LongWork()
  readonly #copyRoom: CopyRoom
  readonly stats = newServerStats()
  readonly commandStats = new Map<string, CommandStats>()
  readonly monitors = new Set<Client>()
  readonly group: Cluster | undefined
  readonly persistenceChanges: PersistenceConfig
  readonly startedAt: number
  readonly runId = randomBytes(20).toString('hex')
  readonly requestLimits = { ...defaultRequestLimits }
  /** Resolves when the server has closed, by {@link close} or by SHUTDOWN. */
  readonly closed: Promise<void>
  readonly #listenPort: number | undefined
  readonly #listenTlsPort: number | undefined
  readonly #umask: number | undefined
  readonly #dispatcher: Dispatcher
  readonly #applier: Applier
  readonly #diskGate = new DiskGate()
  readonly #expiry: ExpiryTimer
  readonly #turn: Turn
  readonly #admission: Admission
  readonly #warnings: RepeatedWarnings
  /** The outputs that are held until a record is kept. */
  readonly #holding = new Set<Output>()
  #listeners: Listeners | undefined
  /** Present if there is a port for encrypted connections. */
  #tls: TlsGate | undefined
  #ending = false
  /** A client has asked for it. */
  #shutDown = false
  #resolveClosed: () => void = () => {}

  constructor(parts: ServerParts) {
    const { config, configFile, logger, clock } = parts
    this.config = config
    this.configFile = configFile
    this.logger = logger
    this.lostLogLines = parts.lostLogLines
    this.clock = new ServerClock(clock, this)
    this.startedAt = clock.now()
    this.catalogue = catalogueOf(commandTable)
    this.users = usersOf(config, this.catalogue)
    config.onChange('requirepass', (password) => this.users.setDefaultPassword(password))
    const lost = new LostLines(this.clock, (lines, reason) =>
      logger.error({ lines, reason }, 'could not write to the audit log'),
    )
    this.audit = openAuditLog(config.get('audit-log'), lost)
    this.#listenPort = parts.listenPort
    this.#listenTlsPort = parts.listenTlsPort
    this.#umask = parts.umask
    this.store = new Store({
      clock: this.clock,
      watchHistory: config.get('watch-history'),
      watchHistoryMemory: config.get('watch-history-memory'),
      isShared: parts.cluster !== undefined,
    })
    this.keyspace = new Keyspace(this.store, this.stats)
    this.#applier = new Applier(this.store)
    this.persistence = new Persistence({
      store: this.store,
      clock,
      logger,
      applyRecord: (record) => this.#applier.applyRecord(record),
      crashIndexGap: () => config.get('crash-index-gap'),
      journalMaxSize: () => config.get('journal-max-size'),
      // What the start has applied is still in the journal.
      writeWork: () => this.longWork.ofWrites + this.#applier.server.longWork.ofWrites,
      onKept: guarded(this, (kept: number) => {
        for (const output of this.#holding) guarded(output, () => output.release(kept))()
      }),
      onCheckpoint: guarded(this, () =>
        this.latency.add('checkpoint', this.persistence.status.checkpoints.lastDuration ?? 0),
      ),
      onMustWait: (mustWait) => {
        this.#diskGate.closed = mustWait
        this.#setGate()
      },
      onFailure: guarded(this, () => {
        for (const output of this.#holding) guarded(output, () => output.releaseUnsaved())()
      }),
    })
    this.pubsub = new Subscriptions(this.store, () => this.#turn.scheduleFlush())
    this.#copyRoom = new CopyRoom(this)
    this.throughput = new Throughput(this.stats, this.clock)
    const logBytes = this.memory.heapLimit * LOG_SHARE
    this.slowlog = new SlowLog(config, this.clock, logBytes)
    this.latency = new LatencyMonitor(config, this.clock)
    this.aclLog = new AclLog(config, this.clock, logBytes)
    this.#dispatcher = new Dispatcher(this, commandTable)
    const { recorder } = this.persistence
    this.#expiry = new ExpiryTimer(this.store, recorder, this.clock, this, (duration) => {
      this.latency.add('expire-cycle', duration)
      this.#turn.flush()
    })
    this.pause = new Pause(this.clock, (paused) => {
      this.#setGate()
      this.#expiry.paused = paused
    })
    const frameDecoder = new FrameDecoder(this.requestLimits)
    const onServed = (): void => this.#expiry.arm()
    const { store, persistence, pubsub } = this
    this.#turn = new Turn(store, this.clock, frameDecoder, pubsub, onServed, persistence, this)
    this.#warnings = new RepeatedWarnings(this.clock, logger)
    this.#admission = new Admission({
      server: this,
      dispatcher: this.#dispatcher,
      turn: this.#turn,
      pump: new Pump(),
      clientMemory: new ClientMemory(config),
      requestLimits: this.requestLimits,
      frameDecoder,
      warnings: this.#warnings,
      holding: this.#holding,
      onServed,
      onWaiting: () => {
        this.memory.survey()
        this.#admission.evict()
      },
      onSurvey: () => {
        this.#expiry.look()
        this.#tls?.survey()
      },
      onClosed: (id) => this.#admission.remove(id),
    })
    this.group = parts.cluster?.make({
      server: this,
      dispatcher: this.#dispatcher,
      onBroken: (error) => {
        logger.fatal({ err: error }, 'this node cannot go on with its group')
        this.shutdown(false)
      },
    })
    this.users.listener = new Revocation(this, this.#dispatcher)
    // What the history drops is garbage, too.
    this.memory.changes = () => this.store.index + this.store.history.startIndex
    this.memory.onShort = () => {
      this.persistence.relieve()
      this.store.history.giveWay()
    }
    this.memory.onHeapFull = heapWarning(this)
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    followConfig(this)
    // In a group nodes expire when the log says so.
    if (this.group !== undefined) this.#expiry.stop()
    this.#setGate()
    this.persistenceChanges = new PersistenceConfig(this)
  }

  get clients(): ReadonlyMap<number, Connection> {
    return this.#admission.clients
  }

  get port(): number {
    return this.#listeners?.port ?? 0
  }

  get tlsPort(): number | undefined {
    return this.#listeners?.tlsPort
  }

  get addresses(): readonly string[] {
    return this.#listeners?.addresses ?? []
  }

  get tlsAddresses(): readonly string[] {
    return this.#listeners?.tlsAddresses ?? []
  }

  /**
   * Loads the data from disk, and begins to serve.
   *
   * @throws Error if the system lets the process have too few descriptors; PersistenceError if the data cannot be read;
   * the system's error if an address cannot be listened on
   */
  async listen(): Promise<void> {
    const { config, persistence } = this
    limitClients(config, this.logger, descriptorLimit())
    try {
      if (this.#listenTlsPort !== undefined) await this.#openTls()
      const directory = pathFromBytes(config.get('dir'))
      if (this.group === undefined) await persistence.start(directory, config.get('durability'))
      else await this.group.start()
    } catch (error) {
      this.audit?.close()
      throw error
    }
    try {
      this.#listeners = await listen({
        config,
        warnings: this.#warnings,
        port: this.#listenPort,
        tlsPort: this.#listenTlsPort,
        umask: this.#umask,
        onSocket: (socket, unixPath) => this.#accept(socket, unixPath),
        onTlsSocket: (socket) => this.#shakeHands(socket),
      })
      this.#admission.start() // A node may wait long for its place, and has clients meanwhile.
      await this.group?.join(this.addresses[0] ?? '')
    } catch (error) {
      if (this.#ending) return await this.closed // By SHUTDOWN.
      this.#admission.stop()
      this.#listeners?.close()
      await this.group?.close()
      await persistence.close(false)
      this.audit?.close()
      this.#warnings.end()
      throw error
    }
    this.#expiry.arm()
  }

  /**
   * Stops listening, serves the requests already received, for some seconds at most, sends all output, ends all
   * connections, and puts the last writes on disk.
   *
   * @param save false leaves out the writes that are not on disk yet
   * @returns a promise that resolves when all resources of the server are released
   */
  close(save = true): Promise<void> {
    if (this.#ending) return this.closed
    this.#ending = true
    const close = (): void => this.#close(save)
    // Who has asked for a change gets the reply while there are clients.
    const changes = this.persistenceChanges.end()
    if (changes === undefined) close()
    else changes.then(guarded(this, close), guarded(this, close))
    return this.closed
  }

  #close(save: boolean): void {
    // SHUTDOWN has a line of its own.
    if (!this.#shutDown) this.audit?.write('shutdown', undefined)
    this.#turn.serve()
    this.longWork.endLimit()
    const unserved = this.pubsub.served === undefined ? serveRest(this.clients) : 0
    if (unserved > 0) this.logger.warn(`closes before it has served all of ${unserved} clients`)
    this.#listeners?.close()
    this.#tls?.close()
    this.#admission.stop()
    this.pause.finish()
    this.#expiry.stop()
    for (const client of this.clients.values()) client.close()
    this.#turn.flush()
    const destroyAll = (): void => {
      for (const client of this.clients.values()) client.destroy()
    }
    const overdue = setTimeout(guarded(this, destroyAll), CLOSE_GRACE_MS)
    this.#admission.whenEmpty(() => {
      clearTimeout(overdue)
      this.#release(save)
    })
  }

  /** Logs an unexpected error that is no client's. */
  fail(error: unknown): void {
    this.stats.unexpectedErrors++
    this.logger.error({ err: error }, 'an unexpected error')
  }

  shutdown(save: boolean): void {
    this.#shutDown = true
    this.close(save).catch((error: unknown) => this.logger.fatal({ err: error }, 'could not close'))
  }

  findCommand(request: readonly (string | Buffer)[]): FoundCommand | undefined {
    return this.#dispatcher.find(request)
  }

  loadAclFile(file: string): void {
    loadAclFile(this.users, file)
  }

  execute(client: Client, transaction: Transaction): void {
    this.#copyRoom.beginExec()
    try {
      this.#dispatcher.execute(client, transaction, this.group?.writerFor(client))
    } finally {
      this.#copyRoom.endExec()
    }
  }

  /** Tells the dispatcher which gates to ask: those that may now hold requests back. */
  #setGate(): void {
    const gates: Gate[] = []
    if (this.pause.end !== undefined) gates.push(this.pause)
    if (this.#diskGate.closed) gates.push(this.#diskGate)
    if (this.group !== undefined) gates.push(this.group.gate)
    this.#dispatcher.gate = gates.length > 1 ? firstOf(gates) : gates[0]
  }

  /**
   * Reads certificates and key anew, for new connections.
   *
   * @throws Error if they cannot be used; the former ones then stay
   */
  reloadCertificates(): void {
    if (this.#tls === undefined) return
    this.#tls.reload()
    this.audit?.write('certificates', undefined)
  }

  /** Loads the code for encryption, which is not loaded earlier because most servers need none. */
  async #openTls(): Promise<void> {
    const { config, logger, clock } = this
    const { openTlsGate } = await import('./tls/tls-gate.ts')
    const gate = openTlsGate({
      config,
      logger,
      warnings: this.#warnings,
      elapsed: () => clock.elapsed(),
      now: () => clock.now(),
      onClient: (socket, refusal, user) => {
        if (refusal === undefined) this.#accept(socket, undefined, user)
        else this.#admission.refuse(socket, `-ERR client refused: ${refusal}\r\n`)
      },
    })
    this.#tls = gate
    this.#admission.handshakes = () => gate.size
  }

  #shakeHands(socket: Socket): void {
    if (this.#admission.hasRoom()) this.#tls?.accept(socket)
    else {
      this.stats.connectionsRejected++
      socket.destroy()
    }
  }

  #accept(socket: Socket, unixPath: string | undefined, certified?: string): void {
    try {
      this.#admission.accept(socket, unixPath, certified)
    } catch (error) {
      socket.destroy()
      this.fail(error)
    }
  }

  #release(save: boolean): void {
    this.persistenceChanges
      .settled()
      .then(() => this.group?.close())
      .then(() => this.persistence.close(save))
      .catch((error: unknown) => this.logger.fatal({ err: error }, 'could not close the data'))
      .finally(() => {
        this.audit?.close()
        this.#warnings.end()
        this.logger.info('closed')
        this.#resolveClosed()
      })
      .catch(() => {})
  }
}
