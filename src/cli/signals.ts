import type { Logger } from 'pino'
import type { RunningServer } from '../server/start.ts'
import type { LogOutput } from './log-output.ts'

/** The parts of `process` that signals need. */
export interface SignalHost {
  on(event: string, listener: (cause: unknown) => void): unknown
  /** Ends the process at once. */
  exit(code: number): void
}

/** Orders to end. SIGQUIT too, because Node.js would leave without putting the last writes on disk. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGQUIT']
/**
 * They do nothing. Without a listener, SIGUSR1 opens Node.js's debugger on a port, and SIGUSR2 ends
 * the process.
 */
const IGNORED = ['SIGUSR1', 'SIGUSR2']

/**
 * Says what signals do (docs/configuration.md): listens from before the start, because a process that
 * is the first of its container gets no signal that it does not listen for.
 */
export class Signals {
  readonly #host: SignalHost
  readonly #logger: Logger
  readonly #output: LogOutput
  #server: RunningServer | undefined
  #closing = false

  constructor(host: SignalHost, logger: Logger, output: LogOutput) {
    this.#host = host
    this.#logger = logger
    this.#output = output
    for (const signal of ENDING) host.on(signal, () => this.#end(signal))
    for (const signal of IGNORED) {
      host.on(signal, () => logger.info({ signal }, 'received a signal that does nothing'))
    }
    host.on('SIGHUP', () => this.#reopen())
  }

  /** The server, once it has started. */
  set server(server: RunningServer) {
    this.#server = server
  }

  /**
   * The first signal closes the server; during the start it ends the process, like Redis. A second one
   * ends the process at once.
   */
  #end(signal: string): void {
    if (this.#closing) {
      this.#host.exit(1)
      return
    }
    this.#closing = true
    if (this.#server === undefined) {
      this.#logger.warn({ signal }, 'received a signal during the start, ending')
      this.#host.exit(0)
      return
    }
    this.#logger.warn({ signal }, 'received a signal, closing')
    this.#server.close().catch((error: unknown) => {
      this.#logger.fatal({ err: error }, 'could not close cleanly')
      this.#host.exit(1)
    })
  }

  /**
   * SIGHUP: for tools that move the log away, such as logrotate, or that bring new certificates. The end
   * of a terminal comes as SIGHUP too.
   */
  #reopen(): void {
    this.#try('open the log file anew', () => {
      this.#output.reopen()
      this.#server?.reopenAuditLog()
      this.#logger.info({ signal: 'SIGHUP' }, 'received a signal, and opened the log anew')
    })
    this.#try('read the TLS certificates anew', () => this.#server?.reloadCertificates())
  }

  #try(what: string, action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#logger.warn({ err: error }, `cannot ${what}`)
    }
  }
}
