import { expect, test } from 'vitest'
import { latencyDoctor, latencyGraph } from '../../src/commands/server/latency-report.ts'
import { bucketEnd, histogramBucket } from '../../src/metrics/latency-histogram.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { testAlone } from '../cluster/alone.ts'
import { ErrorReply, join, type Reply, start } from '../server/raw-client.ts'

test.for([
  [0, 1],
  [1.031, 1],
  [1.032, 2],
  [2, 2],
  [3, 4],
  [264.191, 264],
  [264.192, 528],
  [50_000, 67_633],
  [1e12, 2_216_203_124],
])('%d µs belong to the bucket that ends at %d µs', ([time, end]) => {
  expect(bucketEnd(histogramBucket(time))).toBe(end)
})

test('LATENCY GRAPH draws each sample above its age', () => {
  const now = 1_000_000
  const samples = [
    { time: now - 7200, latency: 10 },
    { time: now - 61, latency: 100 },
    { time: now, latency: 55 },
  ]
  expect(latencyGraph('command', { samples, max: 200 }, now).split('\n')).toEqual([
    'command - high 100 ms, low 10 ms (all time high 200 ms)',
    '-'.repeat(80),
    ' #',
    ' #_',
    ' ##',
    '_##',
    '',
    '210',
    'hms',
    '',
  ])
})

test('LATENCY GRAPH wraps at the width of a terminal', () => {
  const samples = Array.from({ length: 160 }, (_, i) => ({ time: i, latency: 5 }))
  const lines = latencyGraph('checkpoint', { samples, max: 5 }, 160).split('\n')
  expect(lines.every((line) => line.length <= 80)).toBe(true)
  expect(lines.filter((line) => line === '_'.repeat(80))).toHaveLength(2)
})

test('LATENCY DOCTOR says what was slow, or why it knows of nothing', () => {
  expect(latencyDoctor(new Map(), 0)).toContain('CONFIG SET latency-monitor-threshold')
  expect(latencyDoctor(new Map(), 10)).toBe('Nothing has taken 10 ms or longer so far.\n')
  const samples = [
    { time: 0, latency: 10 },
    { time: 100, latency: 20 },
  ]
  expect(latencyDoctor(new Map([['checkpoint', { samples, max: 30 }]]), 10)).toContain(
    '1. checkpoint: 2 times in 1m, 15 ms on average, 30 ms at worst.\n   Checkpoints took',
  )
})

testAlone(
  'an expiry is an entry of the log, which comes later',
  'the latency of expiries and checkpoints is monitored, one sample a second',
  async () => {
    const clock = new ManualClock()
    const server = await start({ clock, directives: { 'latency-monitor-threshold': '1' } })
    const client = await join(server)
    for (let i = 0; i < 20_000; i += 100) {
      client.write('')
      for (let j = 0; j < 100; j++)
        server.store.set(`/k/${i + j}`, '1', { expireTime: clock.now() + 1 })
    }
    await client.call('KSET', '/arm', '1', 'PX', '1')
    clock.advance(1)
    const latest = (await client.call('LATENCY', 'LATEST')) as Reply[][]
    expect(latest.map(([event]) => event)).toContain('expire-cycle')
    const history = (await client.call('LATENCY', 'HISTORY', 'expire-cycle')) as Reply[]
    expect(history).toHaveLength(1)
  },
)

test('MEMORY USAGE of a directory is the sum of all below it', async () => {
  const client = await join(await start())
  const usage = async (...args: string[]): Promise<number> =>
    Number(await client.call('MEMORY', 'USAGE', ...args))
  await client.call('KSET', '/one', 'x'.repeat(1000))
  const one = await usage('one')
  expect(one).toBeGreaterThan(1000)
  expect(one).toBeLessThan(1300)
  for (let i = 0; i < 100; i++) await client.call('KSET', `/d/sub/${i}`, 'x'.repeat(1000))
  const all = await usage('/d', 'SAMPLES', '0')
  expect(all / 100 / one).toBeCloseTo(1, 1)
  const sampled = (await usage('d')) / all
  expect(sampled).toBeGreaterThan(0.9)
  expect(sampled).toBeLessThan(1.1)
  expect(await usage('/')).toBeGreaterThan(all)
  await client.call('KMKDIR', '/empty')
  expect(await usage('/empty')).toBeLessThan(500)
})

test("MEMORY STATS has Redis's field names", async () => {
  const client = await join(await start())
  await client.call('KSET', '/a', '1')
  const stats = (await client.call('MEMORY', 'STATS')) as Reply[]
  const named = new Map(stats.flatMap((name, i) => (i % 2 === 0 ? [[name, stats[i + 1]]] : [])))
  expect(named.get('keys.count')).toBe(1)
  expect(named.get('total.allocated')).toBeGreaterThan(1_000_000)
  expect(named.get('peak.allocated')).toBeGreaterThanOrEqual(Number(named.get('total.allocated')))
  expect(await client.call('MEMORY', 'DOCTOR')).toContain('maxmemory is 0')
})

test('LOLWUT draws a tree, and shows the versions', async () => {
  const client = await join(await start())
  const lines = String(await client.call('LOLWUT')).split('\n')
  expect(lines[0].trim()).toMatch(/o/)
  expect(lines).toContain('Redis ver. 7.0.15')
  expect(await client.call('LOLWUT', 'VERSION', '5', '80')).toContain('ktree ver.')
})

testAlone(
  'a pause is that of one node',
  'while clients are paused, due keys are hidden but do not expire',
  async () => {
    const clock = new ManualClock()
    const server = await start({ clock })
    const client = await join(server)
    await client.call('SET', 'a', '1', 'PX', '10')
    await client.call('CLIENT', 'PAUSE', '1000', 'WRITE')
    clock.advance(500)
    expect(await client.call('GET', 'a')).toBeNull()
    expect(server.store.index).toBe(1)
    client.send('SET', 'b', '1')
    // The pause ends: the waiting request is served, and the due key expires.
    clock.advance(500)
    expect(await client.next()).toBe('OK')
    expect(server.store.index).toBe(3)
  },
)

test('a paused client may disconnect', async () => {
  const server = await start()
  const client = await join(server)
  const admin = await join(server)
  await admin.call('CLIENT', 'PAUSE', '100000', 'WRITE')
  client.send('SET', 'a', '1')
  const waits = async (): Promise<boolean> =>
    String(await admin.call('CLIENT', 'LIST')).includes('flags=b')
  while (!(await waits()));
  await client.vanish()
  while (await waits());
  await admin.call('CLIENT', 'UNPAUSE')
  expect(await admin.call('GET', 'a')).toBeNull()
})

test('the error for client-side caching names an alternative', async () => {
  const client = await join(await start())
  const reply = await client.call('CLIENT', 'TRACKING', 'ON')
  expect(reply).toBeInstanceOf(ErrorReply)
  expect((reply as ErrorReply).text).toMatch(
    /^ERR client-side caching is not supported; .*SUBSCRIBE/,
  )
})
