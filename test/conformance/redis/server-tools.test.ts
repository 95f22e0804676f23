import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, parseReplies, pipeline, startPair, Talk, type Value } from './pair.ts'

const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }

/** Compared byte for byte: mistakes, and replies without times. */
const requests: readonly string[] = [
  pipeline('WAIT 0 0', 'WAIT 0 -1', 'WAIT x 1', 'WAIT 1 x', 'WAIT -1 0', 'WAIT 1', 'WAIT 0 0 0'),
  pipeline('WAIT 0 99999999999999999999', 'WAIT 0 9223372036854775807x', 'ROLE', 'ROLE x'),
  pipeline('CLIENT TRACKING OFF', 'CLIENT TRACKING x', 'CLIENT GETREDIR', 'CLIENT TRACKING'),
  pipeline('CLIENT TRACKINGINFO', 'CLIENT GETREDIR x', 'CLIENT TRACKINGINFO x'),
  pipeline('CLIENT PAUSE', 'CLIENT PAUSE x', 'CLIENT PAUSE -1', 'CLIENT PAUSE 1 x', 'PING'),
  pipeline('CLIENT PAUSE x x', 'CLIENT PAUSE 1 WRITE x', 'CLIENT UNPAUSE', 'CLIENT UNPAUSE x'),
  pipeline('SLOWLOG', 'SLOWLOG x', 'SLOWLOG LEN x', 'SLOWLOG RESET', 'SLOWLOG LEN', 'SLOWLOG GET'),
  pipeline('SLOWLOG GET x', 'SLOWLOG GET -2', 'SLOWLOG GET -1', 'SLOWLOG GET 0', 'SLOWLOG RESET x'),
  pipeline('SLOWLOG GET 99999999999999999999', 'SLOWLOG GET 1.5', 'SLOWLOG GET 1 2'),
  pipeline('LATENCY', 'LATENCY x', 'LATENCY LATEST', 'LATENCY LATEST x', 'LATENCY HISTORY'),
  pipeline('LATENCY HISTORY x', 'LATENCY RESET', 'LATENCY RESET x y', 'LATENCY GRAPH'),
  pipeline('LATENCY GRAPH x', 'LATENCY DOCTOR x', 'LATENCY HISTOGRAM nope', 'LATENCY GRAPH a b'),
  pipeline('MEMORY', 'MEMORY x', 'MEMORY USAGE', 'MEMORY USAGE nope', 'MEMORY USAGE nope SAMPLES'),
  pipeline('MEMORY USAGE nope SAMPLES -1', 'MEMORY USAGE nope SAMPLES x', 'MEMORY USAGE nope x'),
  pipeline(
    'MEMORY USAGE nope SAMPLES 1 SAMPLES 2',
    'MEMORY USAGE nope samples 0 x',
    'MEMORY PURGE',
  ),
  pipeline('MEMORY PURGE x', 'MEMORY STATS x', 'MEMORY DOCTOR x', 'MEMORY MALLOC-STATS x'),
  pipeline('DEBUG', 'DEBUG SLEEP 0', 'MULTI', 'DEBUG SLEEP 0', 'GET a', 'EXEC', 'DEBUG HELP'),
  pipeline('LOLWUT VERSION x'),
  pipeline('COMMAND GETKEYSANDFLAGS WATCH a b', 'COMMAND GETKEYSANDFLAGS GET', 'PING'),
  pipeline('COMMAND GETKEYSANDFLAGS nope a', 'COMMAND GETKEYSANDFLAGS PING'),
  pipeline('COMMAND GETKEYSANDFLAGS PING x', 'COMMAND GETKEYSANDFLAGS MEMORY USAGE a'),
  pipeline('COMMAND GETKEYSANDFLAGS'),
  ...['KEA', 'q', 'gKE$', 'Kmn', 'KEAmn', 'x', 'EKg$lshzxetd', 'Kxe$g'].map((flags) =>
    pipeline(
      `CONFIG SET notify-keyspace-events ${flags}`,
      'CONFIG GET notify-keyspace-events',
    ).concat(encode('CONFIG', 'SET', 'notify-keyspace-events', '')),
  ),
  pipeline('CONFIG SET maxmemory 100mb', 'CONFIG GET maxmemory', 'CONFIG SET maxmemory x'),
  pipeline(
    'CONFIG SET maxmemory 0',
    'CONFIG GET slowlog-max-len',
    'CONFIG GET latency-monitor-threshold',
  ),
  pipeline('CONFIG GET enable-debug-command', 'CONFIG SET enable-debug-command yes', 'PING'),
  pipeline('CONFIG SET slowlog-max-len x', 'CONFIG SET slowlog-log-slower-than x', 'PING'),
]

/** A reply without the values that depend on time. */
const shape = (value: Value): unknown => {
  if (value instanceof Map) return [...value].map(([name, each]) => [name, shape(each)])
  if (Array.isArray(value)) return value.map(shape)
  return typeof value === 'number' ? 'number' : value
}

/** The pairs of a map, or of its flat array in RESP2. */
const pairsOf = (value: Value): Value[][] => {
  if (value instanceof Map) return [...value]
  const flat = value as Value[]
  return flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1]]] : []))
}

/** What LATENCY HISTOGRAM returns for each command: its calls, and the count up to its last bucket. */
const callsOf = (reply: Value): string[] =>
  pairsOf(reply).map(([name, described]) => {
    const [calls, histogram] = pairsOf(described).map((pair) => pair[1])
    return `${name} ${calls} ${pairsOf(histogram).at(-1)?.[1]}`
  })

describeWithPeer('redis-server', 'SLOWLOG, LATENCY, MEMORY and others, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair()
  })
  afterAll(() => pair?.stop())

  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test.for(requests)(`${protocol}: %j`, async (input) => {
      const { redis, ktree } = await pair.ask(prefix + input)
      expect(ktree.replace(/(\$2\r\nid\r\n):\d+/, '')).toBe(
        redis.replace(/(\$2\r\nid\r\n):\d+/, ''),
      )
    })

    test(`${protocol}: SLOWLOG keeps commands as configured, without passwords`, async () => {
      const input = [
        pipeline('CLIENT SETNAME me', 'CONFIG SET slowlog-log-slower-than 0', 'SLOWLOG RESET'),
        pipeline('GET a', 'NOPE', 'GET', 'AUTH secret', 'MULTI', 'GET b', 'INCR b', 'EXEC'),
        encode('ECHO', 'x'.repeat(200)) + encode('MGET', ...new Array<string>(40).fill('k')),
        encode('MGET', ...new Array<string>(31).fill('k')) +
          pipeline('CONFIG GET timeout', 'SLOWLOG GET -1'),
        pipeline('SLOWLOG GET 2', 'CONFIG SET slowlog-max-len 3', 'PING', 'SLOWLOG LEN'),
        pipeline('CONFIG SET slowlog-max-len 128 slowlog-log-slower-than 10000', 'DEL b'),
      ]
      const { redis, ktree } = await pair.ask(prefix + input.join(''))
      const read = (output: string): unknown =>
        parseReplies(output.replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:10000')).map(shape)
      expect(read(ktree)).toEqual(read(redis))
    })

    test(`${protocol}: LATENCY HISTOGRAM counts calls`, async () => {
      const input = [
        pipeline(
          'CONFIG RESETSTAT',
          'GET a',
          'GET',
          'SET a x',
          'INCR a',
          'CLIENT ID',
          'CLIENT GETNAME',
        ),
        pipeline('LATENCY HISTOGRAM GET set client nope INCR|x', 'LATENCY HISTOGRAM client|id'),
      ]
      const { redis, ktree } = await pair.ask(prefix + input.join(''))
      const read = (output: string): unknown =>
        parseReplies(output)
          .slice(-2)
          .map((reply) => callsOf(reply).toSorted())
      expect(read(ktree)).toEqual(read(redis))
    })
  }

  test('DEBUG is refused unless the configuration allows it', async () => {
    const input = pipeline('DEBUG SLEEP 0', 'MULTI', 'DEBUG SLEEP 0', 'EXEC', 'DEBUG')
    const refused = await pair.ask(input)
    expect(refused.ktree).toBe(refused.redis)
    for (const allowed of ['yes', 'local']) {
      const other = await startPair({ 'enable-debug-command': allowed })
      const lines = ['DEBUG SLEEP 0', 'DEBUG SLEEP x', 'DEBUG SLEEP', 'DEBUG nope', 'DEBUG ERROR X']
      const answered = await other.ask(pipeline(...lines, 'DEBUG SLEEP 1 2'))
      await other.stop()
      expect(answered.ktree).toBe(answered.redis)
    }
  })

  test('LATENCY shows what was slow', async () => {
    const other = await startPair({ 'enable-debug-command': 'yes' })
    const input = pipeline(
      ...['CONFIG SET latency-monitor-threshold 20', 'DEBUG SLEEP 0.03', 'GET a'],
      ...['LATENCY LATEST', 'LATENCY HISTORY command', 'LATENCY RESET x command', 'LATENCY LATEST'],
    )
    const { redis, ktree } = await other.ask(input)
    await other.stop()
    expect(parseReplies(ktree).map(shape)).toEqual(parseReplies(redis).map(shape))
    const [, , , latest] = parseReplies(ktree) as Value[][]
    const [name, time, last, max] = latest[0] as Value[]
    expect([name, max]).toEqual(['command', last])
    expect(Number(last)).toBeGreaterThanOrEqual(29)
    expect(Math.abs(Number(time) - Date.now() / 1000)).toBeLessThan(60)
  })

  test('CLIENT PAUSE delays writes, or everything, and loses nothing', async () => {
    const seen = await pair.each(async (port) => {
      const admin = await Talk.open(port)
      const writer = await Talk.open(port)
      const outputs: string[] = []
      await admin.ask(pipeline('SET p 0', 'CLIENT PAUSE 60000 WRITE'), '+OK\r\n+OK\r\n')
      outputs.push(
        await writer.ask(pipeline('GET p', 'MULTI', 'GET p', 'EXEC'), '*1\r\n$1\r\n0\r\n'),
      )
      writer.send(pipeline('PUBLISH c x', 'SET p 1', 'INCR p', 'GET p'))
      // CLIENT LIST shows when the writer's request has arrived and waits.
      for (;;) {
        const list = await admin.ask(pipeline('CLIENT LIST', 'GET p'), '$1\r\n0\r\n')
        if (list.includes('flags=b') && list.includes('cmd=publish')) break
      }
      outputs.push(await admin.ask(pipeline('CLIENT UNPAUSE'), '+OK\r\n'))
      outputs.push(await writer.until('$1\r\n2\r\n'))
      // Of two pauses, the later end and the stricter mode count.
      await admin.ask(pipeline('CLIENT PAUSE 50 WRITE', 'CLIENT PAUSE 1 ALL'), '+OK\r\n+OK\r\n')
      outputs.push(await writer.ask(pipeline('GET p', 'SET p 3', 'PING'), '+PONG\r\n'))
      admin.close()
      writer.close()
      return outputs
    })
    expect(seen.ktree).toEqual(seen.redis)
  })
})
