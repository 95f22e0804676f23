import { execFile, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { parseArgs, promisify } from 'node:util'
import { findPeer, freePorts, startRedis } from '../test/conformance/peers.ts'

const HELP = `make bench [ARGS="[name ...] [--pipeline N ...] [--rounds N] [--requests N]"]
Runs the same work against redis-server and ktree in turn, with redis-benchmark, and writes
bench/RESULTS.md. Names: ping, get, set.`

/** One thing to measure: what Redis is asked, and what ktree is asked. */
interface Workload {
  readonly name: string
  readonly redis: readonly string[]
  readonly ktree: readonly string[]
}

const VALUE = 'x'.repeat(16)
const WORKLOADS: readonly Workload[] = [
  { name: 'ping', redis: ['PING'], ktree: ['PING'] },
  { name: 'get', redis: ['GET', '/app/config/key'], ktree: ['KGET', '/app/config/key'] },
  {
    name: 'set',
    redis: ['SET', '/app/__rand_int__', VALUE],
    ktree: ['KSET', '/app/__rand_int__', VALUE],
  },
]
const KEYSPACE = '100000'
const CLIENTS = '50'

interface Measurement {
  /** Requests a second. */
  rate: number
  /** Milliseconds. */
  p50: number
  p99: number
}

const run = promisify(execFile)

async function measure(
  port: number,
  command: readonly string[],
  pipeline: number,
  requests: number,
): Promise<Measurement> {
  const options = ['-p', `${port}`, '-c', CLIENTS, '-P', `${pipeline}`, '-n', `${requests}`]
  const args = [...options, '-r', KEYSPACE, '--csv', ...command]
  const { stdout } = await run('redis-benchmark', args)
  // "test","rps","avg","min","p50","p95","p99","max"
  const cells = stdout.trim().split('\n').at(-1)?.split(',') ?? []
  const number = (i: number): number => Number(cells[i]?.replaceAll('"', ''))
  return { rate: number(1), p50: number(4), p99: number(6) }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]
}

async function startKtree(port: number): Promise<() => void> {
  const child = spawn(
    process.execPath,
    ['--max-semi-space-size=64', 'dist/main.js', '--port', `${port}`, '--bind', '127.0.0.1'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.once('exit', (code) => reject(new Error(`ktree ended with ${code}`)))
  })
  child.stdout.resume()
  return () => child.kill()
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      pipeline: { type: 'string', multiple: true, default: ['1', '16', '64'] },
      rounds: { type: 'string', default: '5' },
      requests: { type: 'string', default: '200000' },
    },
  })
  if (values.help) {
    process.stdout.write(`${HELP}\n`)
    return
  }
  const redisServer = findPeer('redis-server')
  if (redisServer === undefined) {
    throw new Error('redis-server is missing: apt-get install redis-server redis-tools')
  }
  const chosen = WORKLOADS.filter(
    ({ name }) => positionals.length === 0 || positionals.includes(name),
  )
  if (chosen.length === 0) throw new Error(`no such benchmark: ${positionals.join(' ')}\n${HELP}`)
  const redis = await startRedis()
  const [port] = await freePorts(1)
  const stopKtree = await startKtree(port)
  const rows: string[] = []
  try {
    await run('redis-cli', ['-p', `${redis.port}`, 'SET', '/app/config/key', VALUE])
    await run('redis-cli', ['-p', `${port}`, 'KSET', '/app/config/key', VALUE])
    for (const { name, redis: theirs, ktree: ours } of chosen) {
      for (const pipeline of values.pipeline.map(Number)) {
        const them: Measurement[] = []
        const us: Measurement[] = []
        for (let round = 0; round < Number(values.rounds); round++) {
          process.stderr.write(`\r${name} pipeline ${pipeline} round ${round + 1}   `)
          them.push(await measure(redis.port, theirs, pipeline, Number(values.requests)))
          us.push(await measure(port, ours, pipeline, Number(values.requests)))
        }
        const rate = (all: Measurement[]): number => median(all.map((one) => one.rate))
        const p99 = (all: Measurement[]): string => median(all.map((one) => one.p99)).toFixed(2)
        const ratio = (rate(us) / rate(them)).toFixed(2)
        rows.push(
          `| ${theirs[0]} / ${ours[0]} | ${pipeline} | ${Math.round(rate(them))} | ${Math.round(rate(us))} | ${ratio} | ${p99(them)} | ${p99(us)} |`,
        )
      }
    }
  } finally {
    stopKtree()
    await redis.stop()
  }
  const { stdout: redisVersion } = await run(redisServer, ['--version'])
  const page = [
    '# Benchmark results',
    '',
    'Written by `make bench`: redis-benchmark, 50 clients, 16-byte values, each server in turn, medians',
    `of ${values.rounds} interleaved rounds of ${values.requests} requests. KGET and KSET reply with their whole event.`,
    '',
    `Machine: ${cpus().length} × ${cpus()[0].model}, ${Math.round(totalmem() / 2 ** 30)} GiB; Node.js ${process.version}; ${redisVersion.trim().split(' ').slice(0, 3).join(' ')}; ${new Date().toISOString().slice(0, 10)}.`,
    '',
    '| commands (Redis / ktree) | pipeline | Redis, per s | ktree, per s | ratio | Redis p99, ms | ktree p99, ms |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
  writeFileSync('bench/RESULTS.md', page)
  process.stdout.write(`\n${page}`)
}

await main()
