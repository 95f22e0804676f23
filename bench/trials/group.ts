import { Etcd } from '../../src/cluster/etcd/etcd.ts'
import { fill } from '../fill.ts'
import { httpRequest } from '../http-connection.ts'
import { httpLoad } from '../http-load.ts'
import { digits, randomDigits } from '../keys.ts'
import { summarize, type Throughput } from '../latencies.ts'
import { type Server, startMembers } from '../peers.ts'
import { redisBenchmark } from '../redis-benchmark.ts'
import {
  Collector,
  type Figures,
  LOAD_COLUMNS,
  type Run,
  type Trial,
  turn,
  withServers,
} from '../trial.ts'

const CLIENTS = 51
const PIPELINES = [1, 16, 64]
const KEYSPACE = 5_000
const VALUE = 'x'.repeat(16)
/** etcd gets a fraction of the requests, because all of its writes are entries of their own. */
const ETCD_FRACTION = 1 / 10

const described = {
  name: 'group',
  title: 'Three nodes over three members of etcd',
  text: [
    'All are on one machine. ktree: KSET and GET at its three nodes, a third of the clients each, `read-consistency` session ' +
      'or linearizable. etcd: PUT and GET of its own v2 API at the same three members, in the same way, and one client ' +
      'that puts through its v3 API. Values of 16 bytes, 5 000 keys. The waits are those of the slowest third.',
  ],
  cases: ['clients', 'pipeline', 'what'],
  columns: LOAD_COLUMNS,
  compare: 'rate',
  warmUp: true,
}

/** Loads that run at the same time, as one. */
async function together(loads: readonly Promise<Throughput>[]): Promise<Figures> {
  const all = await Promise.all(loads)
  const most = (figure: keyof Throughput): number => Math.max(...all.map((one) => one[figure]))
  return {
    rate: all.reduce((sum, { rate }) => sum + rate, 0),
    seconds: most('seconds'),
    p50: most('p50'),
    p99: most('p99'),
    p999: most('p999'),
    longest: most('longest'),
  }
}

/** Puts one key after the other through etcd's v3 API. */
async function putAlone(members: readonly Server[], requests: number): Promise<Figures> {
  const etcd = new Etcd({ endpoints: members.map(({ port }) => `http://127.0.0.1:${port}`) })
  try {
    const waits: number[] = []
    const started = performance.now()
    for (let i = 0; i < requests; i++) {
      const key = Buffer.from(`/bench/${randomDigits(KEYSPACE)}`)
      const begun = performance.now()
      const success = [{ request_put: { key, value: Buffer.from(VALUE) } }]
      await etcd.txn({ compare: [], success })
      waits.push(performance.now() - begun)
    }
    const seconds = (performance.now() - started) / 1000
    return { rate: requests / seconds, seconds, ...summarize(waits) }
  } finally {
    etcd.close()
  }
}

interface Load {
  readonly clients: number
  readonly pipeline: number
  readonly requests: number
}

function atNodes(nodes: readonly Server[], load: Load, command: string[]): Promise<Figures> {
  const used = load.clients === 1 ? nodes.slice(0, 1) : nodes
  return together(
    used.map(({ port }) =>
      redisBenchmark({ ...shareOf(load, used), port, keyspace: KEYSPACE, command }),
    ),
  )
}

function atMembers(members: readonly Server[], load: Load, kind: 'GET' | 'PUT'): Promise<Figures> {
  const used = load.clients === 1 ? members.slice(0, 1) : members
  const request = (): string => {
    const path = `/keys/${randomDigits(KEYSPACE)}`
    return kind === 'GET' ? httpRequest('GET', path) : httpRequest('PUT', path, `value=${VALUE}`)
  }
  return together(used.map(({ port }) => httpLoad({ ...shareOf(load, used), port, request })))
}

function shareOf({ clients, pipeline, requests }: Load, servers: readonly Server[]): Load {
  const { length } = servers
  return { clients: clients / length, pipeline, requests: Math.ceil(requests / length) }
}

async function setConsistency(nodes: readonly Server[], level: string): Promise<void> {
  for (const { port } of nodes) {
    const command = ['CONFIG', 'SET', 'read-consistency', level]
    await redisBenchmark({ port, command, clients: 1, pipeline: 1, requests: 1, keyspace: 1 })
  }
}

async function measure(
  run: Run,
  collector: Collector,
  members: Server[],
  nodes: Server[],
): Promise<void> {
  const [member, node] = [members[0], nodes[0]]
  const key = 'key:__rand_int__'
  const few = Math.ceil(run.requests / 50)
  const alone = { clients: 1, pipeline: 1, requests: few }
  await collector.measure(
    ['1', '1', 'write'],
    [
      turn(node, 'KSET', () => atNodes(nodes, alone, ['KSET', key, VALUE])),
      turn(member, 'v3 put', () => putAlone(members, few)),
      turn(member, 'PUT /v2/keys', () => atMembers(members, alone, 'PUT')),
    ],
  )
  for (const pipeline of run.pipelines ?? (run.quick ? [1, 16] : PIPELINES)) {
    const requests = run.requests * (pipeline > 1 ? 4 : 1)
    const load = { clients: CLIENTS, pipeline, requests }
    const less = { ...load, requests: Math.ceil(run.requests * ETCD_FRACTION) }
    await collector.measure(
      [`${CLIENTS}`, `${pipeline}`, 'write'],
      [
        turn(node, 'KSET', () => atNodes(nodes, load, ['KSET', key, VALUE])),
        turn(member, 'PUT /v2/keys', () => atMembers(members, less, 'PUT')),
      ],
    )
    await collector.measure(
      [`${CLIENTS}`, `${pipeline}`, 'read'],
      [
        turn(node, 'GET', () => atNodes(nodes, load, ['GET', key])),
        turn(member, 'GET /v2/keys', () => atMembers(members, less, 'GET')),
      ],
    )
    await setConsistency(nodes, 'linearizable')
    await collector.measure(
      [`${CLIENTS}`, `${pipeline}`, 'linearizable read'],
      [turn(node, 'GET', () => atNodes(nodes, load, ['GET', key]))],
    )
    await setConsistency(nodes, 'session')
  }
}

/** Several nodes, beside the API that etcd has had for its own tree. */
export const group: Trial = {
  ...described,
  async run(run) {
    const collector = new Collector(run, described)
    const members = await startMembers()
    try {
      const endpoints = members.map(({ port }) => `http://127.0.0.1:${port}`)
      const starts = [0, 1, 2].map(() => () => run.ktree.startNode(endpoints))
      await withServers(starts, async (nodes) => {
        const resp = (i: number) => ['SET', `key:${digits(i)}`, VALUE] as const
        const http = (i: number): string =>
          httpRequest('PUT', `/keys/${digits(i)}`, `value=${VALUE}`)
        for (const server of [nodes[0], members[0]]) {
          await fill(server, { count: KEYSPACE, resp, http })
        }
        await measure(run, collector, members, nodes)
      })
    } finally {
      await Promise.all(members.map((member) => member.stop()))
    }
    return collector
  },
}
