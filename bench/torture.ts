import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { parseArgs } from 'node:util'
import { expireAtOnce, listAll, type Measurement, removeDirectory, watchWithMany } from './scale.ts'
import { ServerProcess } from './server-process.ts'
import { crossed } from './torture/crossed.ts'
import { hostile, type Verdict } from './torture/hostile.ts'
import { machine } from './torture/machine.ts'
import { group, otherNodes, runTests, vitest } from './torture/suites.ts'

// `make torture` runs loads and failures that take too long for the tests: all of them in somewhat more than an
// hour, or with `--times 10` ten times as many cases. Arguments select trials by name; only a run of all trials is
// written to docs/torture.md. `hostile`, `crossed` and `machine` print tables of their own; `--only mset` leaves out the rows of
// all other commands.

const CONNECTIONS = 10_000
const KEYS = 1_000_000
const NODES = 100_000

const MB = 1024 ** 2
const number = (n: number): string => n.toLocaleString('en').replaceAll(',', ' ')
const ms = (time: number): string => `${time < 10 ? time.toFixed(1) : number(Math.round(time))} ms`
const timeAndPings = ({ time, longestPing, pings }: Measurement): string =>
  `${ms(time)}; longest wait of ${number(pings)} PINGs ${ms(longestPing)}`

interface Trial {
  readonly name: string
  readonly what: string
  run(): Promise<string>
}

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', short: 'h' },
    only: { type: 'string' },
    route: { type: 'string' },
    state: { type: 'string' },
    times: { type: 'string', default: '1' },
  },
})

const times = Number(options.times)
if (!(times > 0)) {
  process.stderr.write(`--times takes a number above 0, not '${options.times}'\n`)
  process.exit(2)
}
const scaled = (cases: number): number => Math.max(1, Math.round(cases * times))

const OPERATIONS = scaled(100_000)
const MUTATIONS = scaled(200_000)
const CRASHES = scaled(30)
/** About half an hour. */
const CLUSTER_ROUNDS = scaled(100)
const KILLS = scaled(100)
const POWER_CUTS = scaled(500)
const PERSISTED = scaled(500)
const APPLIED = scaled(5000)
const REDIS_OPERATIONS = scaled(20_000)
const ACCESS_REQUESTS = scaled(100_000)
/** Each waits for etcd several times. */
const GROUP_ACCESS_REQUESTS = scaled(5000)
/** The newest, or with `--times 2` and more all others. */
const NODE_VERSIONS = times < 2 ? '26' : '22 24 26'
/** Of the generated requests, one in eight. */
const HOSTILE_EVERY = Math.max(1, Math.round(8 / times))
/** Of some 50,000 crossings, one in so many. */
const CROSSED_EVERY = Math.max(1, Math.round(100 / times))

/** Sets the exit code if a chapter has marked rows. */
function judge({ summary, failed }: Verdict): string {
  if (failed > 0) process.exitCode = 1
  return summary
}

/** Runs some work with a new server process. */
async function withServer(work: (server: ServerProcess) => Promise<string>): Promise<string> {
  const profile = process.env.KTREE_PROFILE
  const server = await ServerProcess.start(
    profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : [],
  )
  try {
    return await work(server)
  } finally {
    await server.stop()
  }
}

const trials: readonly Trial[] = [
  {
    name: 'watchers',
    what: `${number(CONNECTIONS)} connections watch a key and all get its event`,
    run: () =>
      withServer(async (server) => {
        const time = await watchWithMany(server.port, CONNECTIONS)
        const { rss } = await server.memory()
        return `${ms(time)} from the write to the last event; ${Math.round(rss / MB)} MB resident`
      }),
  },
  {
    name: 'expiry',
    what: `${number(KEYS)} keys expire in the same millisecond`,
    run: () => withServer(async ({ port }) => timeAndPings(await expireAtOnce(port, KEYS, 40_000))),
  },
  {
    name: 'removal',
    what: `A directory of ${number(KEYS)} keys with a TTL is removed`,
    run: () =>
      withServer(async ({ port }) => {
        // The time means nothing here, because it includes a fixed sleep.
        const { longestPing, pings } = await removeDirectory(port, KEYS)
        return `longest wait of ${number(pings)} PINGs ${ms(longestPing)}`
      }),
  },
  {
    name: 'listing',
    what: `\`KGET / RECURSIVE SORTED\` of ${number(NODES)} nodes`,
    run: () =>
      withServer(async (server) => {
        const listing = await listAll(server.port, NODES)
        const { rss } = await server.memory()
        const size = `${(listing.bytes / MB).toFixed(1)} MB`
        return `${timeAndPings(listing)}; ${size} of reply; ${Math.round(rss / MB)} MB resident after it`
      }),
  },
  {
    name: 'conformance',
    what: `${number(OPERATIONS)} generated operations answered as etcd answers them`,
    run: () => vitest('test/conformance/etcd', 'KTREE_CONFORMANCE_OPS', OPERATIONS),
  },
  {
    name: 'mutations',
    what: `${number(MUTATIONS)} mutated requests survived, with less than 8 MB of growth`,
    run: () => vitest('test/server/hostile.test.ts', 'KTREE_MUTATIONS', MUTATIONS),
  },
  {
    name: 'linear',
    what: 'Requests of all commands that grow with each option, and in each argument, take steps in proportion',
    run: () => vitest('test/server/linear.test.ts', 'KTREE_LINEAR_EVERY', 1),
  },
  {
    name: 'crashes',
    what: `kill -9 under load, ${number(CRASHES)} times under each durability; all that has to be there`,
    run: () => vitest('test/persistence/crash.test.ts', 'KTREE_CRASH_ROUNDS', CRASHES),
  },
  {
    name: 'cluster',
    what: `Three nodes over three members of etcd, killed, stopped and cut off, in ${number(CLUSTER_ROUNDS)} rounds of six troubles; the histories of six clients are linearizable`,
    run: () =>
      vitest('test/cluster/checker/faults.test.ts', 'KTREE_CLUSTER_ROUNDS', CLUSTER_ROUNDS),
  },
  {
    name: 'cluster',
    what: `A log of a million entries, values of 60 MB, a minute without etcd, and ${number(GROUP_ACCESS_REQUESTS)} generated requests of users at three nodes`,
    run: () => group(GROUP_ACCESS_REQUESTS),
  },
  {
    name: 'suites',
    what: 'The tests of commands, users and clients, and those against etcd and Redis, with a node of a group for each server',
    run: () =>
      runTests(
        [
          ...['--config', 'test/cluster/group.config.ts', 'test/commands', 'test/conformance'],
          ...['test/clients', 'test/access'],
        ],
        {},
      ),
  },
  {
    name: 'kills',
    what: `kill -9 under load with values of 16 B to 5 MB, ${number(KILLS)} times under everysec and always; no acknowledged write is lost`,
    run: () => vitest('test/persistence/kill.test.ts', 'KTREE_KILL_ROUNDS', KILLS),
  },
  {
    name: 'power',
    what: `${number(POWER_CUTS)} power cuts, on a disk that drops what was not synced: at most the last second is lost, and only the end`,
    run: () => vitest('test/persistence/power-cut.test.ts', 'KTREE_POWER_ROUNDS', POWER_CUTS),
  },
  {
    name: 'moves',
    what: `${number(PERSISTED)} generated runs of writes, moves, checkpoints and restarts keep the tree`,
    run: () =>
      runTests(['test/persistence/moves.test.ts', 'test/persistence/round-trip.test.ts'], {
        KTREE_PERSISTENCE_RUNS: String(PERSISTED),
      }),
  },
  {
    name: 'entries',
    what: `${number(APPLIED)} generated runs of commands, recorded and applied again: KSAVE and events equal`,
    run: () => vitest('test/log/apply.test.ts', 'KTREE_APPLY_RUNS', APPLIED),
  },
  {
    name: 'redis',
    what: `${number(REDIS_OPERATIONS)} generated operations on strings and keys, and as many in transactions, compared with redis-server`,
    run: () => vitest('test/conformance/redis', 'KTREE_CONFORMANCE_OPS', REDIS_OPERATIONS),
  },
  {
    name: 'access',
    what: `${number(ACCESS_REQUESTS)} generated requests of users see and change nothing that they may not`,
    run: () => vitest('test/access/paths-generated.test.ts', 'KTREE_ACCESS_OPS', ACCESS_REQUESTS),
  },
  {
    name: 'nodes',
    what: 'The whole suite on other versions of Node.js',
    run: () => otherNodes(NODE_VERSIONS),
  },
  {
    name: 'hostile',
    what: 'The largest requests of each command, beside redis-server: waits of others, and memory',
    run: async () => judge(await hostile(HOSTILE_EVERY, options.only)),
  },
  {
    name: 'crossed',
    what: 'States that clients prepare × short requests × EXEC, crowds and pipelines, beside redis-server',
    run: async () => judge(await crossed({ every: CROSSED_EVERY, ...options })),
  },
  {
    name: 'machine',
    what: 'Full disks, few descriptors, signals, clocks, strange files, little memory',
    run: async () => judge(await machine(options.only)),
  },
]

const names = [...new Set(trials.map(({ name }) => name))]
if (options.help) {
  process.stdout.write(`make torture [ARGS="[trial ...] [--times N] [--only command]"]

Runs long loads and failures; a run of all takes about an hour and writes docs/torture.md.
Trials: ${names.join(' ')}

  --times N       N times as many cases (1)
  --only command  in the trials hostile and crossed, the requests of one command
  --state part    in the trial crossed, the states with this in their names
  --route way     in the trial crossed, only EXEC, crowd or pipeline
`)
  process.exit()
}
const unknown = wanted.find((name) => !names.includes(name))
if (unknown !== undefined) {
  process.stderr.write(`there is no trial '${unknown}'; there are ${names.join(' ')}\n`)
  process.exit(2)
}
const load = loadavg()[0]?.toFixed(1)
const results: string[] = []
for (const trial of trials) {
  if (wanted.length > 0 && !wanted.includes(trial.name)) continue
  process.stdout.write(`${trial.what} … `)
  // A trial that fails says so in the page; those behind it run all the same.
  const result = await trial.run().catch((error: unknown) => {
    process.exitCode = 1
    // The whole output of tests, on many lines, of which the page has the first.
    const why = error instanceof Error ? error.message : String(error)
    process.stdout.write(`${why}\n`)
    return `**failed**: ${why.split('\n', 1)[0]}`
  })
  process.stdout.write(`${result}\n`)
  results.push(`| ${trial.what} | ${result} |`)
}

const PAGE = 'docs/torture.md'
/** The sections of the page that people have written, which stay. */
const written = /\n## [\s\S]*/.exec(readFileSync(PAGE, 'utf8'))?.[0] ?? ''

const page = `# Torture

What \`make torture\` measured, with the server in a process of its own and its clients beside it on
the same machine.

${type()} ${release()}, ${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, ${Math.round(totalmem() / 1024 ** 3)} GB;
Node.js ${process.version}, V8 ${process.versions.v8}; ${new Date().toISOString().slice(0, 10)};
\`make torture${times === 1 ? '' : ` ARGS="--times ${times}"`}\`, ${Math.round(performance.now() / 60_000)} minutes; load average before it ${load}.

| trial | result |
| --- | --- |
${results.join('\n')}
${written}`
if (wanted.length === 0) writeFileSync(PAGE, page)
