import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, parseReplies, pipeline, startPair, withoutNumbers } from './pair.ts'

const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }
const EMPTY = pipeline('FLUSHALL')

/** Far in the future, in Unix seconds. */
const LATER = 33_333_333_333

const setters = ['EXPIRE', 'PEXPIRE', 'EXPIREAT', 'PEXPIREAT'] as const
const getters = ['TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME'] as const

const requests: readonly string[] = [
  ...setters.flatMap((name) => [
    pipeline(name, `${name} a`, `${name} a 1`, `${name} a x`, `${name} a 1 x`, `${name} a x x`),
    pipeline(`${name} a 1 NX NX`, `${name} a 1 NX XX`, `${name} a 1 XX nx`, `${name} a 1 GT LT`),
    pipeline(
      `${name} a 1 NX GT`,
      `${name} a 1 lt NX`,
      `${name} a 1 XX GT LT`,
      `${name} a 1 LT XX x`,
    ),
    pipeline('SET a 1', `${name} a 0`, 'EXISTS a', 'SET a 1', `${name} a -1`, 'EXISTS a'),
    pipeline('SET a 1', `${name} a 1.5`, `${name} a 01`, `${name} a +1`, `${name} a -0`, 'TTL a'),
    ...['9223372036854775807', '9223372036854775808', '9223372036854775', '9223372036854776'].map(
      (time) => pipeline(`${name} a ${time}`, `${name} a -${time}`),
    ),
    pipeline('SET a 1', `${name} a -9223372036854775`, 'EXISTS a', 'SET a 1'),
    pipeline('SET a 1', `${name} a -9223372036854775808`, 'EXISTS a', 'DBSIZE'),
  ]),
  ...getters.map((name) => pipeline(name, `${name} a b`, `${name} a`, 'SET a 1', `${name} a`)),
  pipeline('PERSIST', 'PERSIST a b', 'PERSIST a', 'SET a 1', 'PERSIST a', 'GET a'),
  pipeline('SET a 1', `EXPIREAT a ${LATER}`, 'EXPIRETIME a', 'PEXPIRETIME a', 'PERSIST a', 'TTL a'),
  pipeline(
    'SET a 1',
    `PEXPIREAT a ${LATER}499`,
    'EXPIRETIME a',
    `PEXPIREAT a ${LATER}500`,
    'EXPIRETIME a',
  ),
  pipeline(
    'SET a 1',
    `EXPIREAT a ${LATER} XX`,
    `EXPIREAT a ${LATER} GT`,
    'TTL a',
    `EXPIREAT a ${LATER} LT`,
  ),
  pipeline('SET a 1', `EXPIREAT a ${LATER} NX`, `EXPIREAT a ${LATER + 1} NX`, 'EXPIRETIME a'),
  pipeline('SET a 1', `EXPIREAT a ${LATER}`, `EXPIREAT a ${LATER} GT`, `EXPIREAT a ${LATER} LT`),
  pipeline('SET a 1', `EXPIREAT a ${LATER}`, `EXPIREAT a ${LATER + 1} XX GT`, 'EXPIRETIME a'),
  pipeline('SET a 1', `EXPIREAT a ${LATER}`, `EXPIREAT a ${LATER - 1} XX LT lt`, 'EXPIRETIME a'),
  pipeline(
    'SET a 1',
    'EXPIREAT a 1 GT',
    'EXISTS a',
    'EXPIREAT a 1 XX',
    'EXPIREAT a 1 LT',
    'EXISTS a',
  ),
  encode('EXPIRE', 'a', '') + encode('EXPIRE', 'a', ' 1') + encode('EXPIRE', 'a', '1', 'n\r\nx'),
]

describeWithPeer('redis-server', 'when keys expire, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair({}, true)
  })
  afterAll(() => pair?.stop())

  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test.for(requests)(`${protocol}: %j`, async (input) => {
      const { redis, ktree } = await pair.ask(prefix + EMPTY + input)
      expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
    })
  }

  test('TTL and PTTL count down from the TTL that was set', async () => {
    const asked = ['SET a 1', 'EXPIRE a 1000', 'TTL a', 'PTTL a', 'PEXPIRE a 500499', 'TTL a']
    const { ktree } = await pair.ask(EMPTY + pipeline(...asked))
    const [, , , ttl, pttl, , rounded] = parseReplies(ktree)
    expect([1000, 999]).toContain(ttl)
    expect(Number(pttl)).toBeGreaterThan(990_000)
    expect([500, 499]).toContain(rounded)
  })

  test('EXPIRE with any conditions and times, in any order', async () => {
    const words = fc.constantFrom('NX', 'XX', 'GT', 'LT', 'nx', 'gT', 'x', 'KEEP')
    const time = fc.oneof(
      fc.integer({ min: LATER - 2, max: LATER + 2 }).map(String),
      // ktree does not know the order of times beyond the year 9999.
      fc
        .bigInt({ min: -(2n ** 64n), max: 2n ** 64n })
        .filter((at) => at < 253_402_300_800n || at >= 2n ** 63n)
        .map(String),
      fc.constantFrom('1', '0', '-1', '1e3', '0x10', '', '9223372036854776'),
    )
    const setting = fc
      .tuple(
        fc.constantFrom('EXPIREAT', 'PEXPIREAT', 'expireat'),
        time,
        fc.array(words, { maxLength: 3 }),
      )
      .map(([name, at, options]) => encode(name, 'a', at, ...options))
    const step = fc.oneof(
      { weight: 4, arbitrary: setting },
      fc.constantFrom(
        encode('SET', 'a', '1'),
        encode('PERSIST', 'a'),
        encode('SET', 'a', '2', 'KEEPTTL'),
      ),
    )
    // Beyond the year 9999 the two differ, as documented, so that no such time is read.
    const asks = encode('EXISTS', 'a') + encode('PERSIST', 'a')
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const { redis, ktree } = await pair.ask(
          EMPTY + encode('SET', 'a', '1') + steps.join('') + asks,
        )
        expect(ktree).toBe(redis)
      }),
      { numRuns: Math.ceil(Number(process.env.KTREE_CONFORMANCE_OPS ?? 1500) / 15) },
    )
  })
})
