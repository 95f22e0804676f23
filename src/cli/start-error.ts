import { dirname } from 'node:path'
import { ConfigFileError } from '../config/conf-file.ts'
import { ConfigError } from '../config/config.ts'
import type { ListenError } from '../server/listeners.ts'
import { CommandLineError } from './command-line.ts'

/** Whether the address in an error of listening is a port. For a Unix socket Node.js says port -1, or none. */
function isOfPort({ port }: ListenError): boolean {
  return port !== undefined && port >= 0
}

/** The address in an error of listening; for a Unix socket it is the path. */
function place(error: ListenError): string {
  const { port, address, hostname } = error
  const host = address ?? hostname ?? 'this machine'
  return isOfPort(error) ? `port ${port} on ${host}` : `Unix socket ${host}`
}

/** How to listen elsewhere. */
function otherPlace({ directive = 'port', ...error }: ListenError): string {
  if (!isOfPort(error as ListenError)) return 'choose another with --unixsocket path'
  return `choose another with --${directive} N (make run ARGS="--${directive} N")`
}

function explainListenError(error: ListenError): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return `${place(error)} is in use; ${otherPlace(error)}`
    case 'EACCES':
    case 'EPERM':
      return `no permission to listen on ${place(error)}; ${otherPlace(error)}`
    case 'ENAMETOOLONG':
      return `the path of ${place(error)} is too long: ${error.message}; ${otherPlace(error)}`
    case 'ENOENT':
    case 'ENOTDIR':
      if (error.directive !== 'unixsocket') break
      return `cannot listen on ${place(error)}: there is no directory ${dirname(error.address ?? '')}`
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EINVAL': {
      const address = error.address ?? error.hostname
      if (!address) break
      return `cannot bind ${address}: it is no address of this machine; choose others with --bind`
    }
  }
  return `cannot start: ${error.message}`
}

/** The text for the terminal, without a stack, when the server could not be started. */
export function explainStartError(error: unknown): string {
  if (error instanceof ConfigFileError) return error.message
  if (error instanceof CommandLineError) return `ktree: ${error.message}`
  if (error instanceof ConfigError) return `ktree: --${error.directive}: ${error.reason}`
  if (!(error instanceof Error)) return `ktree: ${String(error)}`
  const listenError: ListenError = error
  return `ktree: ${listenError.code ? explainListenError(listenError) : error.message}`
}
