import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import type { Logger } from 'pino'
import { applyConfigText, loadConfigFile } from '../config/conf-file.ts'
import { Config, pathFromBytes } from '../config/config.ts'
import { ServerClock } from '../request/clock.ts'
import type { startServer } from '../server/start.ts'
import { systemClock } from '../store/clock.ts'
import { Store } from '../store/store.ts'
import type { Output } from '../transfer/progress.ts'
import { version } from '../version.ts'
import { parseCommandLine, type Run, type Transfer } from './command-line.ts'
import { growHeapFreely } from './heap-growth.ts'
import { helpText, transferHelpText } from './help.ts'
import { createLog, pinoLevel } from './logger.ts'
import { type SignalHost, Signals } from './signals.ts'
import { explainStartError } from './start-error.ts'

/** The parts of `process` that `run` uses. */
export interface Host extends SignalHost {
  readonly stdin: Readable
  readonly stdout: HostOutput
  readonly stderr: HostOutput
  /** Sets the mask of the modes of new files. @returns the former one */
  umask?(mask: number): number
}

/** Only the program's user may read its files, because the tree holds its clients' secrets. */
const UMASK = 0o077
/** The mask if the host has none. */
const USUAL_UMASK = 0o022

type HostOutput = Output & { on?(event: 'error', listener: () => void): unknown }

async function readAll(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('latin1')
}

/** Reads the conf file, then standard input, then the command line. Later ones override. */
async function readConfig(commandLine: Run | Transfer, host: Host): Promise<Config> {
  const config = new Config()
  if (commandLine.configFile) loadConfigFile(config, commandLine.configFile)
  if (commandLine.kind === 'run' && commandLine.standardInput) {
    applyConfigText(config, await readAll(host.stdin), 'standard input')
  }
  for (const [name, args] of commandLine.directives) config.set(name, args)
  return config
}

/** Logs an unhandled error and exits, because the server may be in any state. */
function exitOnBug(host: Host, logger: Logger): void {
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    host.on(event, (cause) => {
      try {
        logger.fatal({ err: cause, event }, 'ended by an error in ktree')
      } finally {
        // Exits even if the log throws an error, because that error would come here again.
        host.exit(1)
      }
    })
  }
}

/** Writes text for the terminal. Ignores the output's errors, because the reader may have gone. */
function print(output: HostOutput, text: string): void {
  output.on?.('error', () => {})
  output.write(text)
}

/** @returns the exit code: 1 if the last writes could not be put on disk, or a node could not go on with its group */
async function serve(commandLine: Run, host: Host, start: typeof startServer): Promise<number> {
  const config = await readConfig(commandLine, host)
  const umask = host.umask?.(UMASK) ?? USUAL_UMASK
  const log = { level: config.get('loglevel'), file: config.get('logfile'), umask }
  const { logger, output } = createLog(log)
  config.onChange('loglevel', (level) => {
    logger.level = pinoLevel(level)
  })
  const { configFile } = commandLine
  exitOnBug(host, logger)
  const signals = new Signals(host, logger, output)
  const server = await start({
    config,
    logger,
    lostLogLines: () => output.lost,
    umask,
    ...(configFile && { configFile: resolve(configFile) }),
  })
  signals.server = server
  growHeapFreely()
  await server.closed
  await output.end()
  return server.lostWrites > 0 || server.isBroken ? 1 : 0
}

/** `ktree import`, `ktree export` and `ktree repair`. */
async function transfer(commandLine: Transfer, host: Host): Promise<void> {
  const config = await readConfig(commandLine, host)
  const { kind, file, replace } = commandLine
  const { stdin, stdout, stderr } = host
  if (kind !== 'export') host.umask?.(UMASK)
  const dir = pathFromBytes(config.get('dir'))
  const store = new Store({
    clock: new ServerClock(systemClock),
    watchHistory: config.get('watch-history'),
    watchHistoryMemory: config.get('watch-history-memory'),
  })
  // Loaded only when needed, because a server starts faster without them.
  if (kind === 'import') {
    const { importTree } = await import('../transfer/import.ts')
    await importTree(store, { file, dir, replace, stdin, stderr })
  } else if (kind === 'repair') {
    const { repairTree } = await import('../transfer/repair.ts')
    await repairTree(store, { dir, stderr })
  } else {
    const { exportTree } = await import('../transfer/export.ts')
    await exportTree(store, { file, dir, replace, stdout, stderr })
  }
}

/**
 * Runs ktree as the command line says.
 * @param argv without node and the script
 * @returns the exit code, when everything is done
 */
export async function run(
  argv: readonly string[],
  host: Host,
  start: typeof startServer,
): Promise<number> {
  try {
    const commandLine = parseCommandLine(argv)
    switch (commandLine.kind) {
      case 'help':
        print(host.stdout, commandLine.about ? transferHelpText(commandLine.about) : helpText())
        break
      case 'version':
        print(host.stdout, `ktree ${version}\n`)
        break
      case 'run':
        return await serve(commandLine, host, start)
      default:
        await transfer(commandLine, host)
    }
    return 0
  } catch (error) {
    print(host.stderr, `${explainStartError(error)}\n`)
    return 1
  }
}
