import { fill } from '../fill.ts'
import { httpRequest } from '../http-connection.ts'
import { httpLoad } from '../http-load.ts'
import { digits, pathOf, RANDOM, randomDigits, sizeName, valueOfSize } from '../keys.ts'
import type { Server } from '../peers.ts'
import { redisBenchmark } from '../redis-benchmark.ts'
import { RespConnection } from '../resp-connection.ts'
import {
  Collector,
  type Findings,
  LOAD_COLUMNS,
  type Run,
  type Trial,
  type Turn,
  turn,
  USAGE_COLUMNS,
  withServers,
} from '../trial.ts'

const CLIENTS = 50
const PIPELINES = [1, 16, 64]
const SIZES = [16, 1024, 100 * 1024]
const BASE_LEVELS = 2
/** These levels are measured with the smallest value and one pipeline only. */
const OTHER_LEVELS = [1, 4, 8]
const LEVELS_PIPELINE = 16

interface Case {
  readonly pipeline: number
  readonly size: number
  readonly levels: number
}

function cases({ pipelines, quick }: Run): Case[] {
  const chosen = pipelines ?? (quick ? [1, 16] : PIPELINES)
  const sizes = chosen.flatMap((pipeline) =>
    SIZES.map((size) => ({ pipeline, size, levels: BASE_LEVELS })),
  )
  const pipeline = chosen.includes(LEVELS_PIPELINE) ? LEVELS_PIPELINE : chosen[0]
  return [...sizes, ...OTHER_LEVELS.map((levels) => ({ pipeline, size: SIZES[0], levels }))]
}

/** The number of keys; fewer with large values, so that all of them fit into memory. */
function keyspaceOf(size: number, { quick }: Run): number {
  if (size > 10_000) return 100
  return quick ? 1_000 : 20_000
}

function requestsOf({ pipeline, size }: Case, { requests }: Run, server: Server): number {
  // A longer pipeline makes each request cheaper, a longer value makes it more expensive.
  const pipelined = pipeline > 1 ? 4 : 1
  const factor = size > 10_000 ? 1 / 25 : size > 1_000 ? pipelined / 2 : pipelined
  // etcd gets a tenth of the requests, because it writes to disk and would take most of the time.
  const wanted = Math.round((requests * factor) / (server.name === 'etcd' ? 10 : 1))
  return Math.max(wanted, CLIENTS * pipeline)
}

/** The commands to compare. */
interface Commands {
  readonly kind: 'read' | 'write'
  readonly redis: string
  readonly ktree: string
  readonly etcd: boolean
}

function turnOf(server: Server, run: Run, one: Case, { kind, redis, ktree }: Commands): Turn {
  const { pipeline, size } = one
  const { port } = server
  const keyspace = keyspaceOf(size, run)
  const load = { port, clients: CLIENTS, pipeline, requests: requestsOf(one, run, server) }
  const value = valueOfSize(size)
  const name = (key: string): string => nameOf(one, key)
  if (server.name === 'etcd') {
    const path = (): string => `/keys${name(randomDigits(keyspace))}`
    const request = (): string =>
      kind === 'read' ? httpRequest('GET', path()) : httpRequest('PUT', path(), `value=${value}`)
    const command = kind === 'read' ? 'GET /v2/keys' : 'PUT /v2/keys'
    return turn(server, command, () => httpLoad({ ...load, request }))
  }
  const command = server.name === 'Redis' ? redis : ktree
  const args = [command, name(RANDOM), ...(kind === 'write' ? [value] : [])]
  return turn(server, command, () => redisBenchmark({ ...load, command: args, keyspace }))
}

/** The path of a key. Each size has its own keys, so that a read finds a value of the right size. */
const nameOf = ({ size, levels }: Case, key: string): string => pathOf(levels, `${size}:${key}`)

/** Writes the keys of a case, so that each read finds a key and each write replaces one. */
async function prepare(server: Server, run: Run, one: Case, set: string): Promise<void> {
  const value = valueOfSize(one.size)
  const name = (i: number): string => nameOf(one, digits(i))
  await fill(server, {
    count: keyspaceOf(one.size, run),
    resp: (i) => [server.name === 'Redis' ? 'SET' : set, name(i), value],
    http: (i) => httpRequest('PUT', `/keys${name(i)}`, `value=${value}`),
  })
}

/** The error reply for a command that the server does not have; undefined if it has it. */
async function unknownCommand(server: Server, command: string): Promise<string | undefined> {
  const connection = await RespConnection.open(server.port)
  try {
    const [reply] = await connection.askAll([[command]])
    return reply instanceof Error && /^ERR unknown command/.test(reply.message)
      ? reply.message
      : undefined
  } finally {
    connection.close()
  }
}

function trial(name: string, commands: Commands): Trial {
  const { kind, redis, ktree, etcd } = commands
  const set = ktree.startsWith('K') ? 'KSET' : 'SET'
  const described = {
    name,
    title: `${ktree} against ${redis}${etcd ? ' and etcd' : ''}`,
    text: [
      `50 clients; random keys out of 20 000 (100 with values of 100 KB), each of which exists. ${
        etcd ? 'The replies of ktree and etcd hold the whole event, those of Redis only ' : ''
      }${etcd ? (kind === 'read' ? 'the value.' : '`OK`.') : ''}`.trim(),
    ],
    cases: ['pipeline', 'value', 'levels'],
    columns: [...LOAD_COLUMNS, ...USAGE_COLUMNS],
    compare: 'rate',
    warmUp: true,
  }
  return {
    ...described,
    async run(run): Promise<Findings> {
      const collector = new Collector(run, described)
      const peers = run.peers.filter((peer) => etcd || peer.name !== 'etcd')
      await withServers(
        peers.map((peer) => () => peer.start()),
        async (servers) => {
          const ours = servers.find((server) => server.name === 'ktree')
          const unknown = ours && (await unknownCommand(ours, ktree))
          // A trial without ktree compares nothing.
          if (unknown) return collector.leaveOut('ktree', unknown)
          const prepared = new Set<string>()
          for (const one of cases(run)) {
            const { pipeline, size, levels } = one
            const keys = `${size} ${levels}`
            if (!prepared.has(keys)) {
              prepared.add(keys)
              run.progress(`${name} ${sizeName(size)}: writing the keys`)
              for (const server of servers) await prepare(server, run, one, set)
            }
            await collector.measure(
              [`${pipeline}`, sizeName(size), `${levels}`],
              servers.map((server) => turnOf(server, run, one, commands)),
            )
          }
        },
      )
      return collector
    },
  }
}

/** Reading and writing one key at a time. */
export const readWrite: readonly Trial[] = [
  trial('get', { kind: 'read', redis: 'GET', ktree: 'GET', etcd: false }),
  trial('set', { kind: 'write', redis: 'SET', ktree: 'SET', etcd: false }),
  trial('kget', { kind: 'read', redis: 'GET', ktree: 'KGET', etcd: true }),
  trial('kset', { kind: 'write', redis: 'SET', ktree: 'KSET', etcd: true }),
]
