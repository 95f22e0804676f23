import { EventEmitter, once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Host, run } from '../src/cli/run.ts'
import type { RunningServer, startServer } from '../src/server/start.ts'
import { version } from '../src/version.ts'

/** A process that records what is done to it. */
class FakeHost extends EventEmitter implements Host {
  stdin = Readable.from(['port 6391\n', 'timeout 7'])
  out = ''
  err = ''
  exits: number[] = []
  stdout = { write: (text: string) => (this.out += text) }
  stderr = { write: (text: string) => (this.err += text) }
  exit(code: number): void {
    this.exits.push(code)
    this.emit('exited')
  }
}

type Options = NonNullable<Parameters<typeof startServer>[0]>

/** A server that listens nowhere; `started` resolves to what it was started with. */
class FakeServer {
  closes = 0
  lostWrites = 0
  isBroken = false
  close: () => Promise<void> = async () => this.end()
  end!: () => void
  started: Promise<Options>
  start: typeof startServer

  constructor() {
    let started!: (options: Options) => void
    this.started = new Promise((resolve) => {
      started = resolve
    })
    const closed = new Promise<void>((resolve) => {
      this.end = resolve
    })
    const lostWrites = () => this.lostWrites
    const isBroken = () => this.isBroken
    const server: RunningServer = {
      port: 1,
      addresses: [],
      closed,
      get lostWrites() {
        return lostWrites()
      },
      get isBroken() {
        return isBroken()
      },
      close: () => {
        this.closes++
        return this.close()
      },
    } as unknown as RunningServer
    this.start = async (options = {}) => {
      started(options)
      return server
    }
  }
}

let host: FakeHost
let server: FakeServer
let directory: string
beforeEach(() => {
  host = new FakeHost()
  server = new FakeServer()
  directory = mkdtempSync(join(tmpdir(), 'ktree-main-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const quiet = ['--loglevel', 'nothing']
const runWith = (...argv: string[]) => run([...argv, ...quiet], host, server.start)

describe('without a server', () => {
  const never: typeof startServer = () => Promise.reject(new Error('must not start'))

  test('--help and --version print and end with 0', async () => {
    expect(await run(['--help'], host, never)).toBe(0)
    expect(host.out).toContain('Usage: ktree')
    expect(await run(['--version'], host, never)).toBe(0)
    expect(host.out).toContain(`ktree ${version}\n`)
    expect(host.err).toBe('')
  })

  test.each([
    [['--prot', '1'], "ktree: unknown option '--prot'; did you mean '--port'?\n"],
    [['--port', '70000'], 'ktree: --port: argument must be between 0 and 65535 inclusive\n'],
    [['--port'], 'ktree: --port: wrong number of arguments\n'],
    [['--logfile', '/nonexistent/a.log'], 'ktree: cannot open the log file: ENOENT'],
    [
      ['/nonexistent/a.conf'],
      '*** FATAL CONFIG FILE ERROR ***\nReading the configuration file /no',
    ],
  ])('%j is told on stderr, without a stack, and ends with 1', async (argv, message) => {
    expect(await run(argv, host, never)).toBe(1)
    expect(host.err).toContain(message)
    expect(host.err).not.toContain('   at ')
    expect(host.out).toBe('')
  })
})

describe('a server that cannot listen', () => {
  const fails = (error: object) => run(quiet, host, () => Promise.reject(error))

  test('a busy port', async () => {
    const busy = createServer().listen(0, '127.0.0.1')
    await once(busy, 'listening')
    const { port } = busy.address() as { port: number }
    const second = createServer().listen(port, '127.0.0.1')
    const [error] = await once(second, 'error')
    busy.close()
    expect(await fails(error)).toBe(1)
    expect(host.err).toBe(
      `ktree: port ${port} on 127.0.0.1 is in use; choose another with --port N (make run ARGS="--port N")\n`,
    )
  })

  test.each([
    [
      { code: 'EACCES', port: 80, address: '::1' },
      'no permission to listen on port 80 on ::1; choose another with --port N (make run ARGS="--port N")',
    ],
    [
      { code: 'EACCES', address: '/a.sock' },
      'no permission to listen on Unix socket /a.sock; choose another with --unixsocket path',
    ],
    [
      { code: 'EADDRINUSE', address: '/a.sock' },
      'Unix socket /a.sock is in use; choose another with --unixsocket path',
    ],
    [
      { code: 'EADDRINUSE', port: -1, address: '/a.sock' },
      'Unix socket /a.sock is in use; choose another with --unixsocket path',
    ],
    [
      { code: 'EACCES', port: -1, address: '/none/a.sock' },
      'no permission to listen on Unix socket /none/a.sock; choose another with --unixsocket path',
    ],
    [
      { code: 'EADDRNOTAVAIL', port: 1, address: '10.9.9.9' },
      'cannot bind 10.9.9.9: it is no address of this machine; choose others with --bind',
    ],
    [
      { code: 'ENOTFOUND', hostname: 'nope' },
      'cannot bind nope: it is no address of this machine; choose others with --bind',
    ],
    [
      { code: 'EADDRINUSE', port: 6390, address: '::', directive: 'tls-port' },
      'port 6390 on :: is in use; choose another with --tls-port N (make run ARGS="--tls-port N")',
    ],
    [{ code: 'ENOENT', message: 'no such file' }, 'cannot start: no such file'],
    [{ code: 'EMFILE', message: 'too many open files' }, 'cannot start: too many open files'],
  ])('%j', async (error, message) => {
    expect(await fails(Object.assign(new Error(), error))).toBe(1)
    expect(host.err).toBe(`ktree: ${message}\n`)
  })
})

describe('a running server', () => {
  test('has the file, over it standard input, over that the command line', async () => {
    const file = join(directory, 'a.conf')
    writeFileSync(file, 'port 6390\nmaxclients 5\ntimeout 6\n')
    const ending = runWith(file, '-', '--timeout', '8')
    const { config, configFile } = await server.started
    expect([config?.get('maxclients'), config?.get('port'), config?.get('timeout')]).toEqual([
      5, 6391, 8,
    ])
    expect(configFile).toBe(file)
    server.end()
    expect(await ending).toBe(0)
  })

  test('follows CONFIG SET loglevel with its log', async () => {
    const ending = runWith()
    const { config, logger } = await server.started
    expect(logger?.level).toBe('silent')
    config?.setMany([['loglevel', 'verbose']])
    expect(logger?.level).toBe('debug')
    server.end()
    await ending
  })

  test('that is shut down by a command ends the process with 0', async () => {
    const ending = runWith()
    await server.started
    server.end()
    expect(await ending).toBe(0)
    expect(server.closes).toBe(0)
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGQUIT'])('closes on %s and ends with 0', async (signal) => {
    const ending = runWith()
    await server.started
    await untilStarted()
    host.emit(signal)
    expect(await ending).toBe(0)
    expect(server.closes).toBe(1)
    expect(host.exits).toEqual([])
  })

  test('that takes its time to close is left behind on a second signal', async () => {
    server.close = () => new Promise(() => {})
    void runWith()
    await server.started
    await untilStarted()
    host.emit('SIGINT')
    expect(host.exits).toEqual([])
    host.emit('SIGTERM')
    expect(host.exits).toEqual([1])
    expect(server.closes).toBe(1)
  })

  test('whose last writes are not on the disk ends the process with 1', async () => {
    const ending = runWith()
    await server.started
    server.lostWrites = 2
    server.end()
    expect(await ending).toBe(1)
  })

  test('that cannot go on with its group ends the process with 1', async () => {
    const ending = runWith()
    await server.started
    server.isBroken = true
    server.end()
    expect(await ending).toBe(1)
  })

  test('that cannot close ends the process with 1', async () => {
    server.close = () => Promise.reject(new Error('disk full'))
    void runWith()
    await server.started
    await untilStarted()
    const exited = once(host, 'exited')
    host.emit('SIGTERM')
    await exited
    expect(host.exits).toEqual([1])
  })

  test('an error nobody handled is logged and ends the process with 1', async () => {
    const logfile = join(directory, 'a.log')
    void run(['--logfile', logfile], host, server.start)
    await server.started
    host.emit('uncaughtException', new Error('a bug'))
    expect(host.exits).toEqual([1])
    expect(readFileSync(logfile, 'utf8')).toContain('a bug')
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGQUIT'])(
    '%s during the start ends it with 0',
    async (signal) => {
      void run(quiet, host, () => new Promise(() => {}))
      await untilStarted()
      host.emit(signal)
      expect(host.exits).toEqual([0])
    },
  )

  test.each(['SIGHUP', 'SIGUSR1', 'SIGUSR2'])('%s ends nothing', async (signal) => {
    host.emit(signal)
    const ending = runWith()
    await server.started
    host.emit(signal)
    await untilStarted()
    host.emit(signal)
    expect([server.closes, host.exits]).toEqual([0, []])
    server.end()
    expect(await ending).toBe(0)
  })

  test('SIGHUP opens the log file anew, and goes on with the old one if it cannot', async () => {
    const logfile = join(directory, 'a.log')
    const ending = run(['--logfile', logfile], host, server.start)
    const { logger, lostLogLines } = await server.started
    logger?.info('before')
    renameSync(logfile, `${logfile}.1`)
    host.emit('SIGHUP')
    logger?.info('after')
    expect(readFileSync(`${logfile}.1`, 'utf8')).toMatch(/before"}\n$/)
    expect(readFileSync(logfile, 'utf8')).toMatch(/after"}\n$/)
    renameSync(logfile, `${logfile}.2`)
    mkdirSync(logfile)
    host.emit('SIGHUP')
    logger?.info('still')
    expect(readFileSync(`${logfile}.2`, 'utf8')).toMatch(/cannot open the log file anew.*still/s)
    expect(lostLogLines?.()).toBe(0)
    server.end()
    await ending
  })

  /** `start` resolves a few turns after `started`. */
  async function untilStarted(): Promise<void> {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
})
