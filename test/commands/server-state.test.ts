import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { humanBytes } from '../../src/commands/server/info-sections.ts'
import { type RunningServer, startServer } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { testAlone } from '../cluster/alone.ts'

let directory: string
let server: RunningServer
let client: Redis
const clock = new ManualClock(1_600_000_000_123)

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'ktree-state-'))
  server = await startServer({ configFile: join(directory, 'ktree.conf'), clock })
  client = new Redis(server.port ?? 0, '127.0.0.1')
})

afterEach(async () => {
  client.disconnect()
  await server.close()
  rmSync(directory, { recursive: true, force: true })
})

const infoFields = async (section: string): Promise<Map<string, string>> => {
  const lines = (await client.info(section)).split('\r\n').filter((line) => line.includes(':'))
  return new Map(lines.map((line) => [line.split(':')[0], line.slice(line.indexOf(':') + 1)]))
}

test.for([
  [0, '0B'],
  [1023, '1023B'],
  [1024, '1.00K'],
  [1536 * 1024, '1.50M'],
  [1024 ** 3, '1.00G'],
  [1024 ** 4 * 2.5, '2.50T'],
  [1024 ** 5, '1.00P'],
  [1024 ** 6, '1024.00P'],
] as const)('%d bytes are shown as %s', ([bytes, text]) => {
  expect(humanBytes(bytes)).toBe(text)
})

test("TIME and INFO show the time of the server's clock", async () => {
  expect(await client.call('TIME')).toEqual(['1600000000', '123000'])
  clock.advance(90_000_000)
  const fields = await infoFields('server')
  expect(fields.get('uptime_in_seconds')).toBe('90000')
  expect(fields.get('uptime_in_days')).toBe('1')
  expect(fields.get('server_time_usec')).toBe(String(clock.now() * 1000))
})

test('INFO keyspace and DBSIZE count files, and nodes with a TTL', async () => {
  expect((await infoFields('keyspace')).size).toBe(0)
  await client.call('KSET', '/a/b', 'x')
  await client.call('KSET', '/c', 'y', 'EX', '100')
  await client.call('KMKDIR', '/d', 'EX', '100')
  expect((await infoFields('keyspace')).get('db0')).toBe('keys=2,expires=2,avg_ttl=0')
  expect(await client.dbsize()).toBe(2)
})

testAlone(
  'an expiry is an entry of the log, which comes later',
  'INFO stats counts reads, expiries and watchers',
  async () => {
    await client.call('KSET', '/a', 'x', 'PX', '10')
    await client.call('KGET', '/a')
    clock.advance(20)
    await expect(client.call('KGET', '/a')).rejects.toThrow('KEYNOTFOUND')
    const fields = await infoFields('stats')
    expect(fields.get('keyspace_hits')).toBe('1')
    expect(fields.get('keyspace_misses')).toBe('1')
    expect(fields.get('expired_keys')).toBe('1')
    expect(fields.get('total_error_replies')).toBe('1')
  },
)

test('INFO stats shows rates a second since the last INFO', async () => {
  const rates = async (): Promise<(string | undefined)[]> => {
    const fields = await infoFields('stats')
    return ['ops_per_sec', 'input_kbps', 'output_kbps'].map((name) =>
      fields.get(`instantaneous_${name}`),
    )
  }
  clock.advance(1000)
  // The first INFO measures the rates, which are then kept for a second.
  const first = await rates()
  expect(await rates()).toEqual(first)
  await rates()
  for (let i = 0; i < 20; i++) await client.call('ECHO', 'x'.repeat(1024))
  clock.advance(2000)
  const [commands, input, output] = await rates()
  // 20 times ECHO and 3 times INFO, in two seconds.
  expect(commands).toBe('12')
  for (const rate of [input, output]) {
    expect(Number(rate)).toBeGreaterThan(10)
    expect(Number(rate)).toBeLessThan(13)
  }
  // Within a second the rates are not measured again.
  clock.advance(999)
  expect((await rates())[0]).toBe('12')
  await client.config('RESETSTAT')
  clock.advance(1000)
  expect((await rates())[0]).toBe('0')
})

test('CONFIG REWRITE writes changed directives', async () => {
  writeFileSync(join(directory, 'ktree.conf'), '# mine\ntimeout 10\n')
  expect(await client.config('SET', 'timeout', '20', 'loglevel', 'debug')).toBe('OK')
  expect(await client.config('REWRITE')).toBe('OK')
  const content = readFileSync(join(directory, 'ktree.conf'), 'utf8')
  expect(content).toMatch(/^# mine\ntimeout 20\n/)
  expect(content).toContain('loglevel debug')
})

test('CONFIG REWRITE says why it failed', async () => {
  rmSync(directory, { recursive: true })
  await expect(client.config('REWRITE')).rejects.toThrow(
    'ERR Rewriting config file: No such file or directory',
  )
})

test.skipIf(process.getuid?.() === 0)(
  'CONFIG REWRITE says that it lacks the permission',
  async () => {
    chmodSync(directory, 0o500)
    await expect(client.config('REWRITE')).rejects.toThrow(
      'ERR Rewriting config file: Permission denied',
    )
    chmodSync(directory, 0o700)
  },
)

test('SHUTDOWN stops the server', async () => {
  client.on('error', () => {})
  client.disconnect()
  const last = new Redis(server.port ?? 0, '127.0.0.1', { retryStrategy: null })
  last.on('error', () => {})
  await expect(last.call('SHUTDOWN')).rejects.toThrow()
  await server.closed
})
