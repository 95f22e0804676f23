import { sleep } from '../children.ts'
import { residentMemory } from '../process-usage.ts'
import { Collector, type Trial } from '../trial.ts'

const STARTS = 10
/** Time for a server to come to rest before its memory is read. */
const REST_MS = 500

const described = {
  name: 'startup',
  title: 'Startup',
  text: [
    'Time from the start of the process, with an empty directory, to its first reply to PING (etcd: to ' +
      '`/health`), and the resident memory half a second later. ktree has `--durability everysec`, and ' +
      'Redis `--appendonly yes --appendfsync everysec`. The servers start in turn, at least 10 times ' +
      'each.',
  ],
  cases: [],
  columns: [
    { figure: 'ready', title: 'first answer, ms', digits: 0 },
    { figure: 'longest', title: 'longest, ms', digits: 0, over: 'largest' as const },
    { figure: 'idle', title: 'idle memory, MB', digits: 1 },
  ],
  compare: 'ready',
}

/** The time until a server is ready. */
export const startup: Trial = {
  ...described,
  async run(run) {
    const collector = new Collector(run, described)
    const setting = run.ktree.durable ? 'everysec' : 'no'
    const turns = run.peers.map((peer) => ({
      server: peer.name,
      command: peer.name === 'etcd' ? '/health' : 'PING',
      async measure() {
        const server = await peer.start(setting)
        try {
          await sleep(REST_MS)
          const { startedIn } = server
          const idle = residentMemory(server.pid) / 1024 ** 2
          return { ready: startedIn, longest: startedIn, idle }
        } finally {
          await server.stop()
        }
      },
    }))
    await collector.measure([], turns, Math.max(STARTS, run.rounds))
    return collector
  },
}
