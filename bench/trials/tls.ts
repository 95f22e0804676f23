import { certificate } from '../peers.ts'
import { redisBenchmark } from '../redis-benchmark.ts'
import { Collector, LOAD_COLUMNS, type Trial, turn, USAGE_COLUMNS, withServers } from '../trial.ts'

const CLIENTS = 50
const PIPELINES = [1, 16, 64]
const COMMANDS = [
  ['SET', 'key:__rand_int__', 'x'.repeat(16)],
  ['GET', 'key:__rand_int__'],
]

const described = {
  name: 'tls',
  title: 'GET and SET over encrypted connections',
  text: [
    '50 clients, values of 16 bytes, 20 000 keys. Both servers have the same certificate, of an elliptic curve, and speak TLSv1.3.',
  ],
  cases: ['command', 'pipeline'],
  columns: [...LOAD_COLUMNS, ...USAGE_COLUMNS],
  compare: 'rate',
  warmUp: true,
}

/** The cost of TLS. */
export const tls: Trial = {
  ...described,
  async run(run) {
    const collector = new Collector(run, described)
    const peers = run.peers.filter(({ name }) => name !== 'etcd')
    await withServers(
      peers.map((peer) => () => peer.start('no', true)),
      async (servers) => {
        for (const command of COMMANDS) {
          for (const pipeline of run.pipelines ?? PIPELINES) {
            const requests = run.requests * (pipeline > 1 ? 4 : 1)
            const authority = certificate('authority.crt')
            const load = {
              authority,
              clients: CLIENTS,
              pipeline,
              requests,
              keyspace: 20_000,
              command,
            }
            const turns = servers.map((server) =>
              turn(server, command[0], () =>
                redisBenchmark({ ...load, port: server.tlsPort ?? server.port }),
              ),
            )
            await collector.measure([command[0], `${pipeline}`], turns)
          }
        }
      },
    )
    return collector
  },
}
