import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeDirectory } from './children.ts'
import { expireAtOnce, listAll, type Measurement, removeDirectory, watchWithMany } from './scale.ts'
import { ServerProcess } from './server-process.ts'
import { hostile, type Verdict } from './torture/hostile.ts'
import { machine } from './torture/machine.ts'

// `make torture` runs loads and failures that take too long for the tests. Arguments select trials by
// name; only a run of all trials is written to docs/torture.md. `hostile` and `machine` print tables of
// their own; `--only mset` leaves out the rows of all other commands.

const CONNECTIONS = 10_000
const KEYS = 1_000_000
const NODES = 100_000
const OPERATIONS = 100_000
const MUTATIONS = 200_000
const CRASHES = 100
/** About half an hour. */
const CLUSTER_ROUNDS = 100
const KILLS = 1000
const POWER_CUTS = 1000
const APPLIED = 10_000
const REDIS_OPERATIONS = 20_000
const ACCESS_REQUESTS = 1_000_000
/** Each waits for etcd several times. */
const GROUP_ACCESS_REQUESTS = 10_000

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
  options: { only: { type: 'string' } },
})

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

/** Runs tests with an environment variable that makes them longer. */
const vitest = (path: string, variable: string, value: number): Promise<string> =>
  runTests([path], { [variable]: String(value) })

/** @param args of vitest @param variables of the environment */
async function runTests(
  args: readonly string[],
  variables: Readonly<Record<string, string>>,
): Promise<string> {
  const started = performance.now()
  const patience = ['--testTimeout=3600000', '--hookTimeout=3600000']
  const child = spawn('node_modules/.bin/vitest', ['run', ...args, ...patience], {
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${args.join(' ')} failed:\n${output}`)
  const total = /^\d+ passed.*$/m.exec(output)?.[0] ?? ''
  return `${total}; ${number(Math.round((performance.now() - started) / 1000))} s`
}

/** Runs the trials of a group at their full size, and prints a table of what they have measured. */
async function group(): Promise<string> {
  const directory = makeDirectory()
  const figures = join(directory, 'figures')
  const paths = ['joining', 'large-values', 'outage'].map(
    (name) => `test/cluster/checker/${name}.test.ts`,
  )
  const total = await runTests([...paths, 'test/cluster/canaries.test.ts', '--maxWorkers=1'], {
    KTREE_CLUSTER_LARGE: '1',
    KTREE_GROUP_ACCESS_OPS: String(GROUP_ACCESS_REQUESTS),
    KTREE_FIGURES: figures,
  })
  process.stdout.write(`\n| trial | measured |\n| --- | --- |\n${readFileSync(figures, 'utf8')}`)
  return total
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
    run: group,
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
    what: 'The whole suite on Node.js 22, 24 and 26',
    run: otherNodes,
  },
  {
    name: 'hostile',
    what: 'The largest requests of each command, beside redis-server: waits of others, and memory',
    run: async () => judge(await hostile(options.only)),
  },
  {
    name: 'machine',
    what: 'Full disks, few descriptors, signals, clocks, strange files, little memory',
    run: async () => judge(await machine(options.only)),
  },
]

/** Runs the whole suite on the other versions of Node.js. */
async function otherNodes(): Promise<string> {
  const child = spawn('.ci/other-nodes', { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`the tests failed on another Node.js:\n${output}`)
  const versions = output.match(/^Node\.js v\S+/gm) ?? []
  const totals = output.match(/^\d+ passed.*$/gm) ?? []
  return versions.map((version, i) => `${version}: ${totals[i]}`).join('; ')
}

const results: string[] = []
for (const trial of trials) {
  if (wanted.length > 0 && !wanted.includes(trial.name)) continue
  process.stdout.write(`${trial.what} … `)
  const result = await trial.run()
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
Node.js ${process.version}, V8 ${process.versions.v8}; ${new Date().toISOString().slice(0, 10)}.

| trial | result |
| --- | --- |
${results.join('\n')}
${written}`
if (wanted.length === 0) writeFileSync(PAGE, page)
