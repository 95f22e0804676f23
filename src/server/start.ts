import { type Logger, pino } from 'pino'
import { Config } from '../config/config.ts'
import { type Clock, systemClock } from '../store/clock.ts'
import type { Store } from '../store/store.ts'
import { Server } from './server.ts'

export interface StartOptions {
  /**
   * Without one: 127.0.0.1, a free port, nothing kept on disk unless `directives` names a `dir` or
   * a `durability`, and the defaults of everything else.
   */
  config?: Config
  /** Directives by name, over those of `config`: `{ requirepass: 'secret' }`. */
  directives?: Readonly<Record<string, string | readonly string[]>>
  /** The TCP port, over the directive; 0 takes a free one. */
  port?: number
  /** Where CONFIG REWRITE writes. */
  configFile?: string
  /** Silent by default. */
  logger?: Logger
  /** Where time comes from; a `ManualClock` lets a test move it. */
  clock?: Clock
}

export interface RunningServer {
  /** The TCP port; undefined without TCP. */
  readonly port: number | undefined
  readonly addresses: readonly string[]
  readonly config: Config
  readonly store: Store
  /** Ends all connections, puts the last writes on disk, and leaves nothing behind. */
  close(): Promise<void>
  /** Resolves when the server has closed, by {@link close} or by SHUTDOWN. */
  readonly closed: Promise<void>
  /** How many of the last writes could not be put on disk when it closed. */
  readonly lostWrites: number
}

const OPTION_NAMES = ['config', 'directives', 'port', 'configFile', 'logger', 'clock']

/**
 * Starts a server in this process.
 *
 * @throws TypeError for an option that there is not, ConfigError for a directive that is not right, PersistenceError if its data cannot be read, the system's error if it cannot listen
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
  const server = new Server({
    config,
    configFile: options.configFile,
    logger: options.logger ?? pino({ level: 'silent' }),
    clock: options.clock ?? systemClock,
    listenPort: listenPort(options, config),
  })
  await server.listen()
  // Who reads this may send a signal at once: the caller has its turn first, to listen for it.
  setImmediate(() => {
    for (const address of server.addresses) server.logger.info(`ready on ${address}`)
  })
  return {
    port: server.port === 0 ? undefined : server.port,
    addresses: server.addresses,
    config,
    store: server.store,
    close: () => server.close(),
    closed: server.closed,
    get lostWrites() {
      return server.persistence.lostWrites
    },
  }
}

/** The directive's 0 means no TCP, the option's a free port. */
function listenPort(options: StartOptions, config: Config): number | undefined {
  if (options.port !== undefined) return options.port
  if (options.config !== undefined) return config.get('port') || undefined
  return options.directives?.port === undefined ? 0 : config.get('port') || undefined
}
