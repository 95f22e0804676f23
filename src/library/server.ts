import {
  type StartOptions as ServerOptions,
  type RunningServer as StartedServer,
  startServer as start,
} from '../server/start.ts'
import { Config } from './config.ts'
import { Store } from './store.ts'
import { encodeText, type Text } from './text.ts'

/** What a server is started with; all of it may be left out. */
export interface StartOptions extends Omit<ServerOptions, 'config' | 'directives'> {
  /**
   * The configuration. Without one the server listens on 127.0.0.1, on a free port, keeps nothing
   * on disk unless `directives` sets `dir` or `durability`, and has the defaults of all other
   * directives.
   */
  config?: Config
  /** Directives by name, which override those of `config`: `{ requirepass: 'secret' }`. */
  directives?: Readonly<Record<string, Text | readonly Text[]>>
}

/** A server that {@link startServer} has started. */
export interface RunningServer extends Omit<StartedServer, 'config' | 'store'> {
  readonly config: Config
  readonly store: Store
}

/**
 * Starts a server in this process.
 *
 * @throws TypeError for an unknown option
 * @throws ConfigError for an unknown directive or a bad value
 * @throws PersistenceError if the data cannot be read
 * @throws the system's error if an address cannot be listened on
 */
export async function startServer(options: StartOptions = {}): Promise<RunningServer> {
  const { config, directives, ...others } = options
  const server = await start({
    ...others,
    ...(config && { config: Config.inner(config) }),
    ...(directives && { directives: encodeDirectives(directives) }),
  })
  const store = new Store(server.store)
  const shown = config ?? new Config(server.config)
  return {
    port: server.port,
    tlsPort: server.tlsPort,
    addresses: server.addresses,
    config: shown,
    store,
    reopenAuditLog: () => server.reopenAuditLog(),
    reloadCertificates: () => server.reloadCertificates(),
    close: () => server.close(),
    closed: server.closed,
    get lostWrites() {
      return server.lostWrites
    },
    get isBroken() {
      return server.isBroken
    },
  }
}

function encodeDirectives(
  directives: NonNullable<StartOptions['directives']>,
): Record<string, string | string[]> {
  const encoded = Object.entries(directives).map(([name, value]) => [
    name,
    isOne(value) ? encodeText(value) : value.map(encodeText),
  ])
  return Object.fromEntries(encoded)
}

function isOne(value: Text | readonly Text[]): value is Text {
  return typeof value === 'string' || value instanceof Uint8Array
}
