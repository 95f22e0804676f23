import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, parseReplies, pipeline, startPair, type Value } from './pair.ts'

/** How many requests are compared in total. */
const OPS = Number(process.env.KTREE_CONFORMANCE_OPS ?? 6000)
const LENGTH = 60
const LATER = 33_333_333_333

const key = fc.constantFrom('a', 'b', 'c', 'd/e', 'd/f', '_h', 'user:1')
const keys = fc.array(key, { minLength: 1, maxLength: 4 })
const at = fc.integer({ min: LATER - 3, max: LATER + 3 }).map(String)
const words = (...choice: string[]): fc.Arbitrary<string[]> =>
  fc.array(fc.constantFrom(...choice), { maxLength: 2 })

const request = (...parts: fc.Arbitrary<string | string[]>[]): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((given) => encode(...given.flat()))
const one = fc.constant<string>

const requests = fc.oneof(
  { weight: 4, arbitrary: request(one('SET'), key, fc.constantFrom('1', 'x', 'y'.repeat(50))) },
  { weight: 2, arbitrary: request(one('SET'), key, one('2'), one('EXAT'), at) },
  request(fc.constantFrom('DEL', 'UNLINK'), keys),
  request(fc.constantFrom('EXISTS', 'TOUCH'), keys),
  request(fc.constantFrom('TYPE', 'EXPIRETIME', 'PEXPIRETIME', 'PERSIST', 'DUMP', 'GET'), key),
  // No REFCOUNT, which in Redis differs for a copied integer and one that was set (docs/redis.md).
  request(one('OBJECT'), one('ENCODING'), key),
  { weight: 3, arbitrary: request(fc.constantFrom('RENAME', 'RENAMENX'), key, key) },
  { weight: 2, arbitrary: request(one('COPY'), key, key, words('REPLACE', 'replace', 'DB')) },
  { weight: 2, arbitrary: request(one('EXPIREAT'), key, at, words('NX', 'XX', 'GT', 'LT')) },
  request(one('PEXPIREAT'), key, fc.constantFrom('1', `${LATER}499`, `${LATER}500`)),
  request(one('EXPIRE'), key, one('-1')),
  request(one('KEYS'), fc.constantFrom('*', 'd/*', '[ab]', 'user:?')),
  one(encode('DBSIZE')),
  {
    weight: 1,
    arbitrary: fc.constantFrom(...['FLUSHALL', 'FLUSHDB', 'DBSIZE'].map((name) => encode(name))),
  },
)

/** Sorts all lists, because their order is not defined. */
const sorted = (output: string): Value[] =>
  parseReplies(output).map((each) => (Array.isArray(each) ? each.toSorted() : each))

describeWithPeer('redis-server', 'sequences of key commands, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair({}, true)
  })
  afterAll(() => pair?.stop())

  test('give the same replies', async () => {
    const end = encode('KEYS', '*') + encode('DBSIZE')
    await fc.assert(
      fc.asyncProperty(fc.array(requests, { minLength: 1, maxLength: LENGTH }), async (steps) => {
        const { redis, ktree } = await pair.ask(pipeline('FLUSHALL') + steps.join('') + end)
        expect(sorted(ktree)).toEqual(sorted(redis))
      }),
      { numRuns: Math.ceil(OPS / LENGTH) },
    )
  })
})
