import { execFileSync } from 'node:child_process'
import { accessSync, constants, cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { type Child, makeDirectory, removeDirectory, sleep, startChild } from './children.ts'
import { freePort } from './free-port.ts'
import { open } from './load-client.ts'

/** When writes reach the disk: ktree's `durability`, Redis's `appendfsync`. */
export type Durability = 'no' | 'everysec' | 'always'

export type PeerName = 'Redis' | 'ktree' | 'etcd'

/** A running server. */
export interface Server {
  readonly name: PeerName
  readonly pid: number
  readonly port: number
  /** The port for encrypted connections, if it was started with one. */
  readonly tlsPort: number | undefined
  /** Milliseconds from the start of the process to the first reply. */
  readonly startedIn: number
  /** Ends the server and removes its directory. */
  stop(): Promise<void>
}

/** A server that can be started. */
export interface Peer {
  readonly name: PeerName
  readonly version: string
  /**
   * Starts the server on a free loopback port, in an empty directory, by default with 'no'.
   *
   * @param tls whether on another one for encrypted connections, too; not with etcd
   */
  start(durability?: Durability, tls?: boolean): Promise<Server>
}

const START_TIMEOUT_MS = 30_000

/** Enough for the largest number of watchers, and the writer. */
const MAX_CLIENTS = 10_100

/** Looks for a program on the PATH; undefined if it is not there. */
export function findProgram(name: string): string | undefined {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(directory, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // The program is not in this directory.
    }
  }
  return undefined
}

/** Sends one request; resolves to whether the reply is that of a server that is ready. */
async function isReady(port: number, request: string, expected: string): Promise<boolean> {
  const socket = await open(port).catch(() => undefined)
  if (!socket) return false
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once('data', (chunk) => resolve(chunk.toString('latin1').includes(expected)))
      socket.once('error', () => resolve(false))
      socket.once('close', () => resolve(false))
      socket.write(request)
    })
  } finally {
    socket.destroy()
  }
}

interface Start {
  readonly name: PeerName
  readonly path: string
  args(port: number, directory: string): readonly string[]
  readonly tls?: boolean | undefined
  /** A request, and a part of the reply of a server that is ready. */
  readonly probe: readonly [request: string, expected: string]
}

async function start({ name, path, args, tls, probe }: Start): Promise<Server> {
  const directory = makeDirectory()
  const port = await freePort()
  const tlsPort = tls === true ? await freePort() : undefined
  const begun = performance.now()
  const all = [...args(port, directory), ...(tlsPort === undefined ? [] : tlsArguments(tlsPort))]
  const child: Child = startChild(path, all, { cwd: directory })
  const stop = async (): Promise<void> => {
    await child.end()
    removeDirectory(directory)
  }
  let ended = false
  child.exited
    .catch(() => {})
    .finally(() => {
      ended = true
    })
  while (!(await isReady(port, ...probe))) {
    if (ended || performance.now() - begun > START_TIMEOUT_MS) {
      await stop()
      const { out, err } = child.output
      throw new Error(`${name} did not start: ${`${out}${err}`.trim().slice(-500)}`)
    }
    await sleep(1)
  }
  const startedIn = performance.now() - begun
  return { name, pid: child.pid, port, tlsPort, startedIn, stop }
}

/** A certificate that a client trusts who knows `authority.crt`: those of the tests. */
export function certificate(name: string): string {
  return resolve('test/server/tls/certificates', name)
}

/** The directives are Redis's, and so they are the same for both. */
function tlsArguments(port: number): string[] {
  return [
    ...['--tls-port', `${port}`, '--tls-auth-clients', 'no'],
    ...['--tls-cert-file', certificate('server.crt'), '--tls-key-file', certificate('server.key')],
  ]
}

/** It also reports whether there is a leader, without which writes fail. */
const HEALTH = ['GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n', '"health":"true"'] as const
const PING = ['PING\r\n', '+PONG'] as const

function redis(path: string): Peer {
  const version = /v=(\S+)/.exec(execFileSync(path, ['--version'], { encoding: 'utf8' }))?.[1] ?? ''
  return {
    name: 'Redis',
    version: `Redis ${version}`,
    start: (durability = 'no', tls = false) =>
      start({
        name: 'Redis',
        path,
        tls,
        probe: PING,
        args: (port, directory) => [
          ...['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--save', ''],
          ...['--maxclients', `${MAX_CLIENTS}`],
          ...(durability === 'no'
            ? ['--appendonly', 'no']
            : ['--appendonly', 'yes', '--appendfsync', durability]),
        ],
      }),
  }
}

function etcd(path: string): Peer {
  const [, version = ''] = /Version: (\S+)/.exec(
    execFileSync(path, ['--version'], { encoding: 'utf8' }),
  ) ?? ['']
  return {
    name: 'etcd',
    version: `etcd ${version}`,
    // etcd has one durability: it replies to a write when the write is on disk.
    start: async () => {
      const [member] = await startCluster(path, 1)
      return member
    },
  }
}

/** Starts three members of one etcd cluster, with its v2 API. @throws Error if etcd is not installed */
export async function startMembers(): Promise<Server[]> {
  const path = findProgram('etcd')
  if (path === undefined) throw new Error('etcd is missing: apt-get install etcd-server')
  return startCluster(path, 3)
}

/** Starts the members of an etcd cluster. @param path of etcd */
async function startCluster(path: string, count: number): Promise<Server[]> {
  const peers: string[] = []
  for (let i = 0; i < count; i++) peers.push(`http://127.0.0.1:${await freePort()}`)
  const cluster = peers.map((peer, i) => `m${i}=${peer}`).join()
  const starts = peers.map((peer, i) =>
    start({
      name: 'etcd',
      path,
      probe: HEALTH,
      args: (port, directory) => {
        const client = `http://127.0.0.1:${port}`
        return [
          ...['--enable-v2', '--name', `m${i}`, '--data-dir', join(directory, 'data')],
          ...['--listen-client-urls', client, '--advertise-client-urls', client],
          ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
          ...['--initial-cluster', cluster, '--logger', 'zap', '--log-level', 'error'],
        ]
      },
    }),
  )
  return Promise.all(starts)
}

/** The options that `make run` gives to node. */
function nodeOptions(): string[] {
  const { MAKEFLAGS: _, MFLAGS: __, ...env } = process.env
  const recipe = execFileSync('make', ['--no-print-directory', '--dry-run', 'run'], {
    encoding: 'utf8',
    env,
  })
  const options = /\bnode (.*)\bdist\/main\.js/.exec(recipe)?.[1]
  if (options === undefined) throw new Error('make run no longer starts dist/main.js with node')
  return options.split(' ').filter((option) => option !== '')
}

/** A copy of ktree, which a build during the benchmarks does not change. */
export interface Ktree extends Peer {
  /** The command that starts ktree, without port and directory. */
  readonly commandLine: string
  /** Whether ktree has the options `--dir` and `--durability`. */
  readonly durable: boolean
  /** Starts a node of a group. @param endpoints URLs of etcd */
  startNode(endpoints: readonly string[]): Promise<Server>
}

/** Copies the build in dist/ of this repository. */
export function ktree(): Ktree {
  const directory = makeDirectory()
  const main = join(directory, 'dist', 'main.js')
  mkdirSync(join(directory, 'dist'))
  cpSync('dist', join(directory, 'dist'), { recursive: true })
  cpSync('package.json', join(directory, 'package.json'))
  symlinkSync(resolve('node_modules'), join(directory, 'node_modules'))
  const options = nodeOptions()
  const ask = (option: string): string =>
    execFileSync(process.execPath, [main, option], { encoding: 'utf8' })
  const help = ask('--help')
  const durable = /^ *--durability\b/m.test(help) && /^ *--dir\b/m.test(help)
  const keeping = (durability: Durability, where: string): string[] =>
    durable ? ['--dir', where, '--durability', durability] : []
  return {
    name: 'ktree',
    version: ask('--version').trim(),
    durable,
    commandLine: ['node', ...options, 'dist/main.js', ...keeping('no', '…')].join(' '),
    startNode: (endpoints) =>
      start({
        name: 'ktree',
        path: process.execPath,
        probe: PING,
        args: (port, where) => [
          ...[...options, main, '--port', `${port}`, '--bind', '127.0.0.1'],
          ...['--etcd-endpoints', ...endpoints, ...keeping('no', where)],
        ],
      }),
    start: (durability = 'no', tls = false) => {
      if (durability !== 'no' && !durable) throw new Error('ktree does not know --durability yet')
      return start({
        name: 'ktree',
        path: process.execPath,
        tls,
        probe: PING,
        args: (port, where) => [
          ...[...options, main, '--port', `${port}`, '--bind', '127.0.0.1'],
          ...['--maxclients', `${MAX_CLIENTS}`, ...keeping(durability, where)],
        ],
      })
    },
  }
}

/** The servers on this machine, in the order of their turns, and a line for each missing one. */
export function findPeers(): { peers: Peer[]; ktree: Ktree; missing: string[] } {
  const ours = ktree()
  const peers: Peer[] = [ours]
  const missing: string[] = []
  const [redisServer, etcdServer] = ['redis-server', 'etcd'].map(findProgram)
  if (redisServer) peers.unshift(redis(redisServer))
  else missing.push('redis-server is missing: apt-get install redis-server')
  if (etcdServer) peers.push(etcd(etcdServer))
  else missing.push('etcd is missing: apt-get install etcd-server')
  if (!findProgram('redis-benchmark')) {
    missing.push('redis-benchmark is missing: apt-get install redis-tools')
  }
  return { peers, ktree: ours, missing }
}
