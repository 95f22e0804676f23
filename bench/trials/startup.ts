import { sleep } from '../children.ts'
import { residentMemory } from '../process-usage.ts'
import { Collector, type Trial } from '../trial.ts'

const STARTS = 10
/** Time to come to rest before the memory is looked at. */
const REST_MS = 500

const described = {
  name: 'startup',
  title: 'Startup',
  text: [
    'From the start of the process until its first answer to PING (etcd: to `/health`), on an empty ' +
      'directory; the resident memory half a second later. Redis with `--appendonly yes`, as soon as ' +
      'ktree writes to disk too. At least 10 starts each, in turn.',
  ],
  cases: [],
  columns: [
    { figure: 'ready', title: 'first answer, ms', digits: 0 },
    { figure: 'longest', title: 'longest, ms', digits: 0, over: 'largest' as const },
    { figure: 'idle', title: 'idle memory, MB', digits: 1 },
  ],
  compare: 'ready',
}

/** From nothing to the first answer. */
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
