import { httpRequest } from '../http-connection.ts'
import { httpLoad } from '../http-load.ts'
import { RANDOM, randomDigits, valueOfSize } from '../keys.ts'
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
const PIPELINES = [1, 16]
const KEYSPACE = 100_000
const SETTINGS: readonly Durability[] = ['no', 'everysec', 'always']

interface Case {
  readonly setting: Durability
  readonly keys: 'random' | 'one'
  readonly pipeline: number
}

function requestsOf({ setting, pipeline }: Case, { requests }: Run, server: Server): number {
  // Each reply of etcd, and of a server with `always`, waits for the disk.
  const slow = server.name === 'etcd' || setting === 'always' ? 5 : 1
  return Math.max(Math.round((requests * (pipeline > 1 ? 4 : 1)) / slow), CLIENTS * pipeline)
}

function turnOf(server: Server, run: Run, one: Case): Turn {
  const { port } = server
  const value = valueOfSize(16)
  const load = {
    port,
    clients: CLIENTS,
    pipeline: one.pipeline,
    requests: requestsOf(one, run, server),
  }
  if (server.name === 'etcd') {
    const request = (): string => {
      const name = one.keys === 'one' ? 'key' : randomDigits(KEYSPACE)
      return httpRequest('PUT', `/keys/app/${name}`, `value=${value}`)
    }
    return turn(server, 'PUT', () => httpLoad({ ...load, request }))
  }
  const set = server.name === 'Redis' ? 'SET' : 'KSET'
  const command = [set, `/app/${one.keys === 'one' ? 'key' : RANDOM}`, value]
  return turn(server, set, () => redisBenchmark({ ...load, command, keyspace: KEYSPACE }))
}

/** The reason why a server cannot be measured with a setting; undefined if it can. */
function lacks({ name }: Peer, setting: Durability, run: Run): string | undefined {
  if (name === 'ktree' && !run.ktree.durable)
    return 'dist/main.js --help does not know --durability'
  if (name === 'etcd' && setting !== 'always') return 'it has no such setting'
  return undefined
}

const described = {
  name: 'durability',
  title: 'Durability: the price of each setting',
  text: [
    'ktree: KSET with `--durability no`, `everysec` and `always`. Redis: SET with `--appendonly no`, ' +
      'and with `--appendonly yes --appendfsync everysec` and `always`. etcd: only *always*. 50 ' +
      'clients, values of 16 B; either random keys out of 100 000, or one key for all clients. With ' +
      '*always* a fifth of the requests. The directories are on the disk of the temporary files; the ' +
      'line below the table names the time of one write to it.',
  ],
  cases: ['durability', 'keys', 'pipeline'],
  columns: [...LOAD_COLUMNS, ...USAGE_COLUMNS],
  compare: 'rate',
  warmUp: true,
}

/** The price of each durability. */
export const durability: Trial = {
  ...described,
  async run(run) {
    const collector = new Collector(run, described)
    for (const setting of SETTINGS) {
      const peers = run.peers.filter((peer) => {
        const lack = lacks(peer, setting, run)
        if (lack) collector.leaveOut(`${peer.name} ${setting}`, lack)
        return !lack
      })
      await withServers(
        peers.map((peer) => () => peer.start(setting)),
        async (servers) => {
          for (const keys of ['random', 'one'] as const) {
            for (const pipeline of run.pipelines ?? PIPELINES) {
              const one = { setting, keys, pipeline }
              const turns = servers.map((server) => turnOf(server, run, one))
              await collector.measure([setting, keys, `${pipeline}`], turns)
            }
          }
        },
      )
    }
    return collector
  },
}
