import { sleep } from '../children.ts'
import { fill } from '../fill.ts'
import { valueOfSize } from '../keys.ts'
import type { Server } from '../peers.ts'
import { peakMemory, residentMemory } from '../process-usage.ts'
import { Collector, type Figures, freshTurn, type Trial } from '../trial.ts'

const KEYS = 1_000_000
const KEYS_PER_DIRECTORY = 1000
/** Time for a server to come to rest before its memory is read. */
const REST_MS = 3000

const MB = 1024 ** 2

async function fillAndWeigh(server: Server, keys: number): Promise<Figures> {
  const before = residentMemory(server.pid)
  await fill(server, {
    count: keys,
    resp: (i) => [
      server.name === 'Redis' ? 'SET' : 'KSET',
      `/keys/${Math.floor(i / KEYS_PER_DIRECTORY)}/${i % KEYS_PER_DIRECTORY}`,
      valueOfSize(16),
    ],
  })
  await sleep(REST_MS)
  const after = residentMemory(server.pid)
  return {
    perKey: (after - before) / keys,
    before: before / MB,
    after: after / MB,
    filledPeak: peakMemory(server.pid) / MB,
  }
}

const described = {
  name: 'memory',
  title: 'Memory per key',
  text: [
    'Resident memory of a fresh server before keys with values of 16 B were written, and 3 s after it. ' +
      'One connection writes the keys, 1000 per directory (`/keys/123/456`). *bytes a key* is the ' +
      'difference divided by the number of keys. Memory that the garbage collector of Node.js has not ' +
      'returned to the system counts as used. etcd is left out, because it would take minutes to write ' +
      'the keys.',
  ],
  cases: ['keys'],
  columns: [
    { figure: 'perKey', title: 'bytes a key', digits: 0 },
    { figure: 'before', title: 'before, MB', digits: 0 },
    { figure: 'after', title: 'after, MB', digits: 0 },
    { figure: 'filledPeak', title: 'peak, MB', digits: 0, over: 'largest' as const },
  ],
  compare: 'perKey',
}

/** Memory per key. */
export const memory: Trial = {
  ...described,
  async run(run) {
    const collector = new Collector(run, described)
    const keys = run.quick ? KEYS / 10 : KEYS
    const peers = run.peers.filter(({ name }) => name !== 'etcd')
    const turns = peers.map((peer) =>
      freshTurn(peer, peer.name === 'Redis' ? 'SET' : 'KSET', (server) =>
        fillAndWeigh(server, keys),
      ),
    )
    await collector.measure([`${keys}`], turns)
    return collector
  },
}
