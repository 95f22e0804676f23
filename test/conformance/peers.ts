import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freePort } from '../../bench/free-port.ts'

/** The programs that ktree is compared with, each with its Debian package. */
const packages = {
  'redis-server': 'redis-server',
  'redis-cli': 'redis-tools',
  'redis-benchmark': 'redis-tools',
  etcd: 'etcd-server',
  tmux: 'tmux',
} as const

export type PeerName = keyof typeof packages

/** Long enough for a loaded machine; only a failed start takes this long. */
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

/** The path of a program on the PATH. @throws Error if it is not installed */
export function requirePeer(name: PeerName): string {
  const path = findPeer(name)
  if (!path) throw new Error(`${name} is not installed: apt-get install ${packages[name]}`)
  return path
}

/**
 * A `describe` for tests that need programs which may be missing. If one is missing, the tests are
 * skipped under a title that says how to install it; on CI (`CI=true`) they fail instead.
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
  const installHint = `apt-get install ${missing.map((name) => packages[name]).join(' ')}`
  if (process.env.CI === 'true') {
    describe(title, () => {
      test(`${missing.join(' and ')} must be installed on CI`, () => {
        expect.fail(`missing: ${installHint}`)
      })
    })
  } else {
    describe.skip(`${title} (to run these: ${installHint})`, suite)
  }
}

/** Finds different TCP ports of the loopback interface that are free. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}

export interface Child {
  readonly pid: number
  /** Rejects with the program's output when it ends. */
  failed: Promise<never>
  /** Kills the program and waits until it has ended. */
  end(): Promise<void>
}

export function startChild(path: string, args: readonly string[]): Child {
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
  // An interrupted test run must not leave the program behind.
  const killAtExit = (): void => void child.kill('SIGKILL')
  process.once('exit', killAtExit)
  const failed = exited.then(() => {
    throw new Error(`${path} ended:\n${output}`)
  })
  failed.catch(() => {})
  return {
    pid: child.pid ?? 0,
    failed,
    async end() {
      process.removeListener('exit', killAtExit)
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
    },
  }
}

/** Polls until `answers` resolves to true. @throws Error if the program ends, or time is up */
export async function untilAnswers(child: Child, answers: () => Promise<boolean>): Promise<void> {
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
      // A server that was started with a password replies NOAUTH.
      resolve(reply.startsWith('+PONG') || reply.startsWith('-NOAUTH'))
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}

/** Tries once more, on other ports, if another program took one of the ports in the meantime. */
export async function withRetry<T>(attempt: () => Promise<T>): Promise<T> {
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
 * @param configFile read before them
 */
export function startRedis(
  args: readonly string[] = [],
  configFile?: string,
): Promise<RunningRedis> {
  const path = requirePeer('redis-server')
  return withRetry(async () => {
    const [port] = await freePorts(1)
    const directory = await mkdtemp(join(tmpdir(), 'ktree-redis-'))
    const where = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory]
    const file = configFile === undefined ? [] : [configFile]
    const child = startChild(path, [...file, ...where, '--save', '', '--appendonly', 'no', ...args])
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
  /** The URL of the client API, without a final slash: `${url}/v2/keys/foo`. */
  url: string
  dataDir: string
  stop(): Promise<void>
}

/**
 * Whether an etcd has a leader, without which writes fail, and has decided its cluster's version:
 * that is a write of its own, which moves the index of the v2 store, up to 4 s after the start.
 */
async function isSettled(url: string): Promise<boolean> {
  if (!(await fetch(`${url}/health`)).ok) return false
  const { etcdcluster } = (await (await fetch(`${url}/version`)).json()) as { etcdcluster: string }
  return etcdcluster !== 'not_decided'
}

/** Starts a one-member etcd with its v2 API on free loopback ports, in a temporary directory. */
export function startEtcd(args: readonly string[] = []): Promise<RunningEtcd> {
  const path = requirePeer('etcd')
  return withRetry(async () => {
    const [clientPort, peerPort] = await freePorts(2)
    const url = `http://127.0.0.1:${clientPort}`
    const peerUrl = `http://127.0.0.1:${peerPort}`
    const dataDir = await mkdtemp(join(tmpdir(), 'ktree-etcd-'))
    const child = startChild(path, [
      '--enable-v2',
      ...['--name', 'default', '--data-dir', dataDir, '--log-level', 'warn'],
      ...['--listen-client-urls', url, '--advertise-client-urls', url],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
      ...['--initial-cluster', `default=${peerUrl}`],
      // A single member elects itself; the default timeouts would delay that by a second.
      ...['--heartbeat-interval', '10', '--election-timeout', '100'],
      ...args,
    ])
    const stop = async (): Promise<void> => {
      await child.end()
      await rm(dataDir, { recursive: true, force: true })
    }
    try {
      await untilAnswers(child, () => isSettled(url))
    } catch (error) {
      await stop()
      throw error
    }
    return { url, dataDir, stop }
  })
}
