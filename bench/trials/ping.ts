import { redisBenchmark } from '../redis-benchmark.ts'
import { Collector, LOAD_COLUMNS, type Trial, turn, USAGE_COLUMNS, withServers } from '../trial.ts'

const CLIENTS = 50
const PIPELINES = [1, 16, 64]

const described = {
  name: 'ping',
  title: 'PING: the cost of a request that does nothing',
  text: ['50 clients.'],
  cases: ['pipeline'],
  columns: [...LOAD_COLUMNS, ...USAGE_COLUMNS],
  compare: 'rate',
  warmUp: true,
}

/** The cost of a request alone. */
export const ping: Trial = {
  ...described,
  async run(run) {
    const collector = new Collector(run, described)
    const peers = run.peers.filter(({ name }) => name !== 'etcd')
    await withServers(
      peers.map((peer) => () => peer.start()),
      async (servers) => {
        for (const pipeline of run.pipelines ?? PIPELINES) {
          const requests = run.requests * (pipeline > 1 ? 4 : 1)
          const load = { clients: CLIENTS, pipeline, requests, keyspace: 1, command: ['PING'] }
          const turns = servers.map((server) =>
            turn(server, 'PING', () => redisBenchmark({ ...load, port: server.port })),
          )
          await collector.measure([`${pipeline}`], turns)
        }
      },
    )
    return collector
  },
}
