import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LARGE_VALUE_BYTES } from '../../../src/store/value.ts'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, pipeline, startPair, Talk } from './pair.ts'

const RUNS = Math.ceil(Number(process.env.KTREE_CONFORMANCE_OPS ?? 1000) / 10)
const L = LARGE_VALUE_BYTES
const KEYS = ['a', 'b', 'c']
const END = 'the end of the replies'
/** Reads all keys, whole and in the form that another server takes. */
const LOOK = encode('MGET', ...KEYS)

const key = fc.constantFrom(...KEYS)
const length = fc.oneof(fc.constantFrom(0, 1, 10, L - 1, L, L + 1, 2 * L, 3 * L + 7), fc.nat(2 * L))
/** Repeating bytes, which DUMP compresses, and others. */
const value = fc
  .tuple(length, fc.nat(7))
  .map(([count, step]) =>
    Buffer.from(Uint8Array.from({ length: count }, (_, i) => (i * i * step) % 251)).toString(
      'latin1',
    ),
  )
const offset = fc.oneof(
  fc.constantFrom(0, 1, L - 1, L, L + 1, -1, -L, 2 * L),
  fc.integer({ min: -3 * L, max: 3 * L }),
)
const place = fc.nat(3 * L)

const request: fc.Arbitrary<string[]> = fc.oneof(
  fc.tuple(fc.constantFrom('SET', 'SETNX', 'GETSET', 'APPEND'), key, value),
  fc.tuple(fc.constant('APPEND'), key, value),
  fc.tuple(fc.constant('SETRANGE'), key, place.map(String), value),
  fc.tuple(fc.constantFrom('GETRANGE', 'SUBSTR'), key, offset.map(String), offset.map(String)),
  fc.tuple(fc.constantFrom('STRLEN', 'GET', 'GETDEL', 'INCR', 'GETEX'), key),
  fc.tuple(fc.constantFrom('MSET', 'MSETNX'), key, value, key, value),
  fc.tuple(fc.constant('COPY'), key, key, fc.constant('REPLACE')),
  fc.tuple(fc.constant('RENAME'), key, key),
  fc.tuple(fc.constantFrom('ECHO', 'PING'), value),
)

describeWithPeer('redis-server', 'large values, generated and compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair({}, true)
  })
  afterAll(() => pair.stop())

  test('are changed and read as in Redis', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { minLength: 1, maxLength: 12 }),
        fc.boolean(),
        async (requests, inTransaction) => {
          const commands = requests.map((args) => encode(...args)).join('')
          const asked = inTransaction ? pipeline('MULTI') + commands + pipeline('EXEC') : commands
          // Redis drops replies that it could not send at once when the client half-closes.
          const { redis, ktree } = await pair.each(async (port) => {
            const talk = await Talk.open(port)
            const replies = await talk.ask(
              encode('DEL', ...KEYS) + asked + LOOK + encode('ECHO', END),
              END,
            )
            talk.close()
            return replies
          })
          expect(ktree.length).toBe(redis.length)
          expect(ktree === redis).toBe(true)
        },
      ),
      { numRuns: RUNS },
    )
  })
})
