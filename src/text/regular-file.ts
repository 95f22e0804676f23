import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
} from 'node:fs'

/** Opening a pipe does not wait for its other end, and a terminal does not become the process's own. */
export const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY
/** No file that the configuration names is longer: its text and its bytes are in memory at once. */
const MAX_FILE_BYTES = 256 * 1024 ** 2

/** Names what stands where a file should. */
export function kindOf(entry: Dirent | Stats): string {
  if (entry.isDirectory()) return 'a directory'
  if (entry.isSymbolicLink()) return 'a link'
  if (entry.isFIFO()) return 'a pipe'
  return entry.isSocket() ? 'a socket' : 'a device'
}

/**
 * Reads a file, and nothing else: a pipe would be waited for, which stops all clients, and a device be read without end.
 *
 * @throws the system's error, or one that says what else the path leads to
 */
export function readRegularFile(path: string, maxBytes = MAX_FILE_BYTES): Buffer {
  const file = openToRead(path)
  try {
    const stats = fstatSync(file)
    if (!stats.isFile()) throw noFile(path, stats)
    if (stats.size > maxBytes) throw new Error(`${path} is longer than ${maxBytes} bytes`)
    return readFileSync(file)
  } finally {
    closeSync(file)
  }
}

function openToRead(path: string): number {
  try {
    return openSync(path, OPEN_FLAGS)
  } catch (error) {
    // The system opens no sockets, and says that there is no such device.
    const stats = statSync(path, { throwIfNoEntry: false })
    throw stats?.isSocket() ? noFile(path, stats) : error
  }
}

function noFile(path: string, stats: Stats): Error {
  return new Error(`${path} is ${kindOf(stats)}, and no file`)
}
