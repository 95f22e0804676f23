import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, expect, test } from 'vitest'

/** The programs ktree is compared with, and the Debian package each is in. */
const packages = {
  'redis-server': 'redis-server',
  'redis-cli': 'redis-tools',
  'redis-benchmark': 'redis-tools',
  etcd: 'etcd-server',
  tmux: 'tmux',
} as const

export type PeerName = keyof typeof packages

/** Long enough for a loaded machine; only a start that fails altogether takes it up. */
const START_TIMEOUT_MS = 30_000

/** The path of a program on the PATH, or undefined. */
export function findPeer(name: PeerName): string | undefined {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(directory, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not in this directory.
    }
  }
  return undefined
}

/** `findPeer` for those who cannot go on without it. */
export function requirePeer(name: PeerName): string {
  const path = findPeer(name)
  if (!path) throw new Error(`${name} is not installed: apt-get install ${packages[name]}`)
  return path
}

/**
 * A `describe` for tests that need programs which may be missing. Where one is, the tests are
 * skipped under a title that says how to get it; on CI (`CI=true`) they fail instead.
 */
export function describeWithPeer(
  names: PeerName | readonly PeerName[],
  title: string,
  suite: () => void,
): void {
  const missing = (typeof names === 'string' ? [names] : names).filter((name) => !findPeer(name))
  if (missing.length === 0) {
    describe(title, suite)
    return
  }
  const mending = `apt-get install ${missing.map((name) => packages[name]).join(' ')}`
  if (process.env.CI === 'true') {
    describe(title, () => {
      test(`${missing.join(' and ')} must be installed on CI`, () => {
        expect.fail(`missing: ${mending}`)
      })
    })
  } else {
    describe.skip(`${title} (to run these: ${mending})`, suite)
  }
}

/** TCP ports of the loopback interface that nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(typeof address === 'object' && address ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

interface Child {
  /** Rejects, with what the program printed, once it has ended. */
  failed: Promise<never>
  /** Ends the program by its id and waits until it is gone. */
  end(): Promise<void>
}

function start(path: string, args: readonly string[]): Child {
  const child: ChildProcess = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString('latin1')).slice(-4000)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  // A test run that is cut short must not leave the program behind.
  const killAtExit = (): void => void child.kill('SIGKILL')
  process.once('exit', killAtExit)
  const failed = exited.then(() => {
    throw new Error(`${path} ended:\n${output}`)
  })
  failed.catch(() => {})
  return {
    failed,
    async end() {
      process.removeListener('exit', killAtExit)
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
    },
  }
}

/** Asks again and again until `answers` resolves to true, the program ends, or time is up. */
async function untilAnswers(child: Child, answers: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS
  const asking = async (): Promise<void> => {
    while (!(await answers().catch(() => false))) {
      if (Date.now() > deadline) throw new Error('it did not answer in time')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  await Promise.race([asking(), child.failed])
}

/** Whether a Redis at this port answers PING. */
function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.once('data', (chunk) => {
      const reply = chunk.toString('latin1')
      // NOAUTH is an answer too, of a server that was started with a password.
      resolve(reply.startsWith('+PONG') || reply.startsWith('-NOAUTH'))
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}

/** Starts `start` again on other ports if somebody took one before the program could. */
async function withRetry<T>(attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt()
  } catch (error) {
    if (/address already in use/i.test(String(error))) return attempt()
    throw error
  }
}

export interface RunningRedis {
  port: number
  stop(): Promise<void>
}

/**
 * Starts redis-server on a free loopback port, without persistence, in a temporary directory.
 * @param args more options, such as `['--requirepass', 'x']`
 */
export function startRedis(args: readonly string[] = []): Promise<RunningRedis> {
  const path = requirePeer('redis-server')
  return withRetry(async () => {
    const [port] = await freePorts(1)
    const directory = await mkdtemp(join(tmpdir(), 'ktree-redis-'))
    const where = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory]
    const child = start(path, [...where, '--save', '', '--appendonly', 'no', ...args])
    const stop = async (): Promise<void> => {
      await child.end()
      await rm(directory, { recursive: true, force: true })
    }
    try {
      await untilAnswers(child, () => answersPing(port))
    } catch (error) {
      await stop()
      throw error
    }
    return { port, stop }
  })
}

export interface RunningEtcd {
  /** Of the client API, without a slash at its end: `${url}/v2/keys/foo`. */
  url: string
  dataDir: string
  stop(): Promise<void>
}

/** Starts a one-member etcd with its v2 API on free loopback ports, in a temporary directory. */
export function startEtcd(args: readonly string[] = []): Promise<RunningEtcd> {
  const path = requirePeer('etcd')
  return withRetry(async () => {
    const [clientPort, peerPort] = await freePorts(2)
    const url = `http://127.0.0.1:${clientPort}`
    const peerUrl = `http://127.0.0.1:${peerPort}`
    const dataDir = await mkdtemp(join(tmpdir(), 'ktree-etcd-'))
    const child = start(path, [
      '--enable-v2',
      ...['--name', 'default', '--data-dir', dataDir, '--log-level', 'warn'],
      ...['--listen-client-urls', url, '--advertise-client-urls', url],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
      ...['--initial-cluster', `default=${peerUrl}`],
      // One member elects itself; the defaults would only make it wait a second for that.
      ...['--heartbeat-interval', '10', '--election-timeout', '100'],
      ...args,
    ])
    const stop = async (): Promise<void> => {
      await child.end()
      await rm(dataDir, { recursive: true, force: true })
    }
    try {
      // /health also says whether there is a leader, without which writes fail.
      await untilAnswers(child, async () => (await fetch(`${url}/health`)).ok)
    } catch (error) {
      await stop()
      throw error
    }
    return { url, dataDir, stop }
  })
}
