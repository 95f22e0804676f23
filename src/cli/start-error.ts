import { ConfigFileError } from '../config/conf-file.ts'
import { ConfigError } from '../config/config.ts'
import { CommandLineError } from './command-line.ts'

interface ListenError extends NodeJS.ErrnoException {
  port?: number
  address?: string
  hostname?: string
}

const OTHER_PORT = 'choose another with --port N (make run ARGS="--port N")'

/** The address in an error of listening. For a Unix socket it is the path, and there is no port. */
function place({ port, address, hostname }: ListenError): string {
  const host = address ?? hostname ?? 'this machine'
  return port === undefined ? `Unix socket ${host}` : `port ${port} on ${host}`
}

function explainListenError(error: ListenError): string {
  const isPort = error.port !== undefined
  switch (error.code) {
    case 'EADDRINUSE':
      return `${place(error)} is in use; ${isPort ? OTHER_PORT : 'choose another with --unixsocket path'}`
    case 'EACCES':
    case 'EPERM':
      return `no permission to listen on ${place(error)}${isPort ? `; ${OTHER_PORT}` : ''}`
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
