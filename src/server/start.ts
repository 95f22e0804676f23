import { type Logger, pino } from 'pino'
import type { ClusterMaker } from '../cluster/cluster.ts'
import { Config } from '../config/config.ts'
import { type Clock, systemClock } from '../store/clock.ts'
import type { Store } from '../store/store.ts'
import { Server } from './server.ts'

/** The options of {@link startServer}; all may be left out. */
export interface StartOptions {
  /**
   * The configuration. Without one the server listens on 127.0.0.1, on a free port, keeps nothing
   * on disk unless `directives` sets `dir` or `durability`, and has the defaults of all other
   * directives.
   */
  config?: Config
  /** Directives by name, which override those of `config`: `{ requirepass: 'secret' }`. */
  directives?: Readonly<Record<string, string | readonly string[]>>
  /** The TCP port, which overrides the directive; 0 takes a free one. */
  port?: number
  /** The TCP port for encrypted connections, which overrides `tls-port`; 0 takes a free one. */
  tlsPort?: number
  /** The file that CONFIG REWRITE writes. */
  configFile?: string
  /** Silent by default. */
  logger?: Logger
  /** Count of the lines that the log has lost, for INFO. */
  lostLogLines?: () => number
  /** The mask for the mode of a Unix socket, if it is not that of the process. */
  umask?: number
  /** The source of time; a test can move that of a `ManualClock`. */
  clock?: Clock
}

/** A server that {@link startServer} has started. */
export interface RunningServer {
  /** The TCP port; undefined without TCP. */
  readonly port: number | undefined
  /** The TCP port for encrypted connections; undefined if there is none. */
  readonly tlsPort: number | undefined
  /** The addresses that it listens on: `host:port`, or the path of a Unix socket. */
  readonly addresses: readonly string[]
  readonly config: Config
  readonly store: Store
  /** Opens the audit log anew, because a tool may have moved it. @throws Error if it cannot */
  reopenAuditLog(): void
  /**
   * Reads the certificates of TLS anew, for new connections.
   *
   * @throws Error if they cannot be used; the former ones then stay
   */
  reloadCertificates(): void
  /** Ends all connections, puts the last writes on disk, and releases all resources. */
  close(): Promise<void>
  /** Resolves when the server has closed, by {@link close} or by SHUTDOWN. */
  readonly closed: Promise<void>
  /** Count of the last writes that could not be put on disk when the server closed. */
  readonly lostWrites: number
  /** Whether it has closed because it could not go on with its group. */
  readonly isBroken: boolean
}

const OPTION_NAMES = [
  'config',
  'directives',
  'port',
  'tlsPort',
  'configFile',
  'logger',
  'lostLogLines',
  'umask',
  'clock',
]

/**
 * Starts a server in this process.
 *
 * @throws TypeError for an unknown option
 * @throws ConfigError for an unknown directive or a bad value
 * @throws PersistenceError if the data cannot be read
 * @throws the system's error if an address cannot be listened on
 */
export async function startServer(options: StartOptions = {}): Promise<RunningServer> {
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.includes(name))
  if (unknown !== undefined) {
    const hint = `known are ${OPTION_NAMES.join(', ')}; what CONFIG SET takes goes into directives`
    throw new TypeError(`startServer: unknown option '${unknown}' (${hint})`)
  }
  const config = options.config ?? new Config()
  if (options.config === undefined) {
    config.set('bind', ['127.0.0.1'])
    if (options.directives?.dir === undefined) config.set('durability', ['no'])
  }
  for (const [name, value] of Object.entries(options.directives ?? {})) {
    config.set(name, typeof value === 'string' ? [value] : value)
  }
  const machine = options.clock ?? systemClock
  const cluster = await clusterOf(config, machine)
  const server = new Server({
    config,
    configFile: options.configFile,
    logger: options.logger ?? pino({ level: 'silent' }),
    lostLogLines: options.lostLogLines ?? (() => 0),
    umask: options.umask,
    clock: cluster?.clock ?? machine,
    cluster,
    listenPort: listenPort(options, config),
    listenTlsPort: options.tlsPort ?? (config.get('tls-port') || undefined),
  })
  await server.listen()
  // The log says ready a turn later, because a reader of the log may send a signal at once and the
  // caller has to listen for signals first.
  setImmediate(() => {
    const encrypted = new Set(server.tlsAddresses)
    for (const address of server.addresses) {
      server.logger.info(`ready on ${address}${encrypted.has(address) ? ', with TLS' : ''}`)
    }
  })
  return {
    port: server.port === 0 ? undefined : server.port,
    tlsPort: server.tlsPort,
    addresses: server.addresses,
    config,
    store: server.store,
    reopenAuditLog: () => server.audit?.reopen(),
    reloadCertificates: () => server.reloadCertificates(),
    close: () => server.close(),
    closed: server.closed,
    get lostWrites() {
      return server.persistence.lostWrites
    },
    get isBroken() {
      return server.group?.isBroken === true
    },
  }
}

/** Loads what makes a server a node of a group, which others do not need. */
async function clusterOf(config: Config, machine: Clock): Promise<ClusterMaker | undefined> {
  if (config.get('etcd-endpoints').length === 0) return undefined
  const { clusterMaker } = await import('../cluster/cluster.ts')
  return clusterMaker(machine)
}

/** The TCP port to listen on: 0 means no TCP in the directive, and a free port in the option. */
function listenPort(options: StartOptions, config: Config): number | undefined {
  if (options.port !== undefined) return options.port
  if (options.config !== undefined) return config.get('port') || undefined
  return options.directives?.port === undefined ? 0 : config.get('port') || undefined
}
