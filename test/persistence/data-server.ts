import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Program, RunningProgram } from '../clients/program.ts'
import { freePorts } from '../conformance/peers.ts'
import { RawClient } from '../server/raw-client.ts'

/** The running program on a data directory. */
export interface DataServer {
  readonly program: RunningProgram
  readonly port: number
  /** The index of the tree that it has read from the disk. */
  readonly loadedIndex: number
}

/** A directory that is removed with the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'ktree-data-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Starts the program, and does not wait until it serves. */
export function launch(
  program: Program,
  directory: string,
  port: number,
  options: readonly string[] = [],
): RunningProgram {
  const where = ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory]
  // No gap, so that indexes before and after a crash can be compared; see crash-gap.test.ts.
  where.push('--crash-index-gap', '0', '--enable-protected-configs', 'yes')
  return program.start(join(program.dist, 'main.js'), [...where, ...options])
}

/** The index of the tree that a program says it has read; undefined if it has not said so. */
export function loadedIndexOf({ out }: RunningProgram): number | undefined {
  const loaded = /up to index (\d+)"/.exec(out)
  return loaded === null ? undefined : Number(loaded[1])
}

/** Starts the program, and waits until it serves. */
export async function startOn(
  program: Program,
  directory: string,
  options: readonly string[] = [],
): Promise<DataServer> {
  const [port] = await freePorts(1)
  const running = launch(program, directory, port, options)
  await running.says(/ready on /)
  return { program: running, port, loadedIndex: loadedIndexOf(running) ?? 0 }
}

/** The output and the exit code of a start that is refused. */
export async function refusedStart(
  program: Program,
  directory: string,
  options: readonly string[] = [],
): Promise<{ code: number | NodeJS.Signals | null; lines: string[] }> {
  const [port] = await freePorts(1)
  const running = launch(program, directory, port, options)
  const ready = running.says(/ready on /).then(
    () => running.process.kill('SIGKILL'),
    () => {},
  )
  const code = await running.ended
  await ready
  return { code, lines: running.err.split('\n').filter((line) => line !== '') }
}

/** Connects a client, which is closed with the test. */
export async function visitPort(port: number): Promise<RawClient> {
  const socket = connect(port, '127.0.0.1')
  const client = new RawClient(socket)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return client
}

/** The reply to KSAVE. It may be long, so its chunks are joined only once. */
export async function saveState(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1', () => socket.write('KSAVE\r\n'))
  const chunks: Buffer[] = []
  let missing = Number.POSITIVE_INFINITY
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    const header = /^\$(\d+)\r\n/.exec(chunks[0].toString('latin1', 0, 32))
    if (missing === Number.POSITIVE_INFINITY && header !== null) {
      missing = Number(header[1]) + header[0].length + 2
    }
    missing -= chunk.length
    if (missing > 0) continue
    const bytes = Buffer.concat(chunks)
    return bytes.toString('utf8', bytes.indexOf('\n') + 1, bytes.length - 2)
  }
  throw new Error('the connection has ended')
}

/** Ends a server at once, at any point of its work. */
export async function kill({ program }: Pick<DataServer, 'program'>): Promise<void> {
  program.process.kill('SIGKILL')
  await program.ended
}

/** Ends a server by a signal, as its user would. */
export async function stop({ program }: Pick<DataServer, 'program'>): Promise<void> {
  program.process.kill('SIGTERM')
  await program.ended
}

/** The fields of a section of INFO. */
export async function info(client: RawClient, section: string): Promise<Map<string, string>> {
  const text = String(await client.call('INFO', section))
  const lines = text.split('\r\n').filter((line) => line.includes(':'))
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  )
}
