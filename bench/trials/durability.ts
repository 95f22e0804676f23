import { fill } from '../fill.ts'
import { httpRequest } from '../http-connection.ts'
import { httpLoad } from '../http-load.ts'
import { digits, RANDOM, randomDigits, sizeName, valueOfSize } from '../keys.ts'
import type { Durability, Peer, Server } from '../peers.ts'
import { redisBenchmark } from '../redis-benchmark.ts'
import {
  Collector,
  LOAD_COLUMNS,
  type Run,
  type Trial,
  type Turn,
  turn,
  USAGE_COLUMNS,
  withServers,
} from '../trial.ts'

const CLIENTS = 50
const KB = 1024

interface Case {
  readonly setting: Durability
  readonly keys: number
  /** Of the values, in bytes. */
  readonly size: number
  readonly pipeline: number
}

const CASES: readonly Case[] = [
  { setting: 'everysec', keys: 100_000, size: 16, pipeline: 1 },
  { setting: 'everysec', keys: 100_000, size: 16, pipeline: 16 },
  { setting: 'everysec', keys: 1_000_000, size: 16, pipeline: 16 },
  { setting: 'everysec', keys: 100_000, size: KB, pipeline: 16 },
  { setting: 'everysec', keys: 100, size: 100 * KB, pipeline: 1 },
  { setting: 'always', keys: 100_000, size: 16, pipeline: 1 },
  { setting: 'always', keys: 100_000, size: 16, pipeline: 16 },
  { setting: 'always', keys: 100_000, size: KB, pipeline: 16 },
  { setting: 'always', keys: 100, size: 100 * KB, pipeline: 1 },
  { setting: 'no', keys: 100_000, size: 16, pipeline: 1 },
  { setting: 'no', keys: 100_000, size: 16, pipeline: 16 },
  { setting: 'no', keys: 100, size: 100 * KB, pipeline: 1 },
]

function requestsOf({ setting, size, pipeline }: Case, { requests }: Run, server: Server): number {
  // Each reply of etcd, and of a server with `always`, waits for the disk.
  const slow = server.name === 'etcd' || setting === 'always' ? 5 : 1
  const factor = size > 10_000 ? 1 / 5 : pipeline > 1 ? 4 : 1
  return Math.max(Math.round((requests * factor) / slow), CLIENTS * pipeline)
}

function turnsOf(server: Server, run: Run, one: Case): Turn[] {
  const { port } = server
  const { keys, size, pipeline } = one
  const value = valueOfSize(size)
  const load = { port, clients: CLIENTS, pipeline, requests: requestsOf(one, run, server) }
  if (server.name === 'etcd') {
    const request = (): string =>
      httpRequest('PUT', `/keys/app/${randomDigits(keys)}`, `value=${value}`)
    return [turn(server, 'PUT', () => httpLoad({ ...load, request }))]
  }
  const commands = [['SET', `app/${RANDOM}`, value]]
  if (server.name === 'ktree') commands.push(['KSET', `/app/${RANDOM}`, value])
  return commands.map((command) =>
    turn(server, command[0], () => redisBenchmark({ ...load, command, keyspace: keys })),
  )
}

/** Writes all keys first, where a run would not reach most of them. */
async function prepare(servers: readonly Server[], { keys, size }: Case): Promise<void> {
  if (keys <= 100_000) return
  const value = valueOfSize(size)
  for (const server of servers) {
    await fill(server, { count: keys, resp: (i) => ['SET', `app/${digits(i)}`, value] })
  }
}

/** The reason why a server cannot be measured with a setting; undefined if it can. */
function lacks({ name }: Peer, { setting, size }: Case, run: Run): string | undefined {
  if (name === 'ktree' && !run.ktree.durable)
    return 'dist/main.js --help does not know --durability'
  if (name === 'etcd' && setting !== 'always') return 'it has no such setting'
  return name === 'etcd' && size > 16 ? 'it is measured with small values only' : undefined
}

const described = {
  name: 'durability',
  title: 'Durability: the price of each setting',
  text: [
    'ktree: SET and KSET with `--durability no`, `everysec` and `always`. Redis: SET with ' +
      '`--appendonly no`, and with `--appendonly yes --appendfsync everysec` and `always`. etcd: only ' +
      '*always*. 50 clients, random keys. With *always* a fifth of the requests. Each case begins with ' +
      'empty servers, that of a million keys with all of them. The directories are on the disk of the ' +
      'temporary files; the line below the table names the time of one write to it.',
  ],
  cases: ['durability', 'keys', 'value', 'pipeline'],
  columns: [...LOAD_COLUMNS, ...USAGE_COLUMNS],
  compare: 'rate',
  warmUp: true,
}

/** The price of each durability. */
export const durability: Trial = {
  ...described,
  async run(run) {
    const collector = new Collector(run, described)
    for (const one of CASES) {
      const { setting, keys, size, pipeline } = one
      if (run.pipelines?.includes(pipeline) === false) continue
      const peers = run.peers.filter((peer) => {
        const lack = lacks(peer, one, run)
        if (lack) collector.leaveOut(`${peer.name} ${setting}, ${sizeName(size)}`, lack)
        return !lack
      })
      await withServers(
        peers.map((peer) => () => peer.start(setting)),
        async (servers) => {
          await prepare(servers, one)
          const turns = servers.flatMap((server) => turnsOf(server, run, one))
          const names = [setting, keys.toLocaleString('en').replaceAll(',', ' '), sizeName(size)]
          await collector.measure([...names, `${pipeline}`], turns)
        },
      )
    }
    return collector
  },
}
