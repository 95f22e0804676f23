import { within } from '../children.ts'
import { fill } from '../fill.ts'
import { HttpConnection, httpRequest } from '../http-connection.ts'
import { valueOfSize } from '../keys.ts'
import { summarize } from '../latencies.ts'
import { exchangeAll, frame, open, Pinger } from '../load-client.ts'
import type { Server } from '../peers.ts'
import {
  Collector,
  type Figures,
  LOAD_COLUMNS,
  type Trial,
  turn,
  USAGE_COLUMNS,
  withServers,
} from '../trial.ts'

const NODES = 10_000
const NODES_PER_DIRECTORY = 100
const TIMEOUT_MS = 60_000

const pathOfNode = (i: number): string =>
  `/list/${Math.floor(i / NODES_PER_DIRECTORY)}/${i % NODES_PER_DIRECTORY}`

async function write(server: Server): Promise<void> {
  const value = valueOfSize(16)
  await fill(server, {
    count: NODES,
    resp: (i) =>
      server.name === 'Redis'
        ? ['HSET', '/list', pathOfNode(i), value]
        : ['KSET', pathOfNode(i), value],
    http: (i) => httpRequest('PUT', `/keys${pathOfNode(i)}`, `value=${value}`),
  })
}

/** A client that lists the directory. */
interface Lister {
  /** Lists it once. @returns the number of bytes received */
  list(): Promise<number>
  close(): void
}

async function respLister(port: number, request: string): Promise<Lister> {
  const socket = await open(port)
  return {
    list: () => exchangeAll(socket, request),
    close: () => socket.destroy(),
  }
}

async function httpLister(port: number): Promise<Lister> {
  const connection = await HttpConnection.open(port)
  return {
    async list() {
      const [{ body }] = await connection.ask([httpRequest('GET', '/keys/list?recursive=true')])
      return body.length
    },
    close: () => connection.close(),
  }
}

const listers: Readonly<Record<Server['name'], (port: number) => Promise<Lister>>> = {
  Redis: (port) => respLister(port, frame('HGETALL', '/list')),
  ktree: (port) => respLister(port, frame('KGET', '/list', 'RECURSIVE')),
  etcd: httpLister,
}

async function list({ name, port }: Server, times: number): Promise<Figures> {
  const lister = await listers[name](port)
  const probe = name === 'etcd' ? httpRequest('GET', '/keys/ping') : 'PING\r\n'
  const pinger = new Pinger(await open(port), probe)
  try {
    const waits: number[] = []
    let bytes = 0
    const started = performance.now()
    for (let i = 0; i < times; i++) {
      const sent = performance.now()
      bytes = await within(TIMEOUT_MS, 'a listing', lister.list())
      waits.push(performance.now() - sent)
    }
    const rate = (times / (performance.now() - started)) * 1000
    return { rate, ping: pinger.longest, size: bytes / 1024 ** 2, ...summarize(waits) }
  } finally {
    pinger.stop()
    lister.close()
  }
}

const described = {
  name: 'listing',
  title: 'Listing: a directory of 10 000 nodes, recursively',
  text: [
    'One client lists 10 000 files with values of 16 B in 100 directories, again and again, while ' +
      'another client sends PINGs one after another (to etcd: GETs of a missing key). Redis has no ' +
      'directories; HGETALL of a hash with the same 10 000 paths is the closest match.',
  ],
  cases: ['nodes'],
  columns: [
    ...LOAD_COLUMNS,
    { figure: 'ping', title: 'longest PING, ms', digits: 1, over: 'largest' as const },
    { figure: 'size', title: 'reply, MB', digits: 2 },
    ...USAGE_COLUMNS,
  ],
  compare: 'rate',
  warmUp: true,
}

/** A large reply. */
export const listing: Trial = {
  ...described,
  async run(run) {
    const collector = new Collector(run, described)
    const commands = { Redis: 'HGETALL', ktree: 'KGET RECURSIVE', etcd: 'GET ?recursive' } as const
    await withServers(
      run.peers.map((peer) => () => peer.start()),
      async (servers) => {
        for (const server of servers) await write(server)
        const turns = servers.map((server) =>
          turn(server, commands[server.name], () => list(server, run.quick ? 5 : 50)),
        )
        await collector.measure([`${NODES}`], turns)
      },
    )
    return collector
  },
}
