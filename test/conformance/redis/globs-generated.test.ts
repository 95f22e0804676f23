import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GlobSearch } from '../../../src/text/glob-search.ts'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, pipeline, startPair } from './pair.ts'

/** How many patterns are compared in total. */
const OPS = Number(process.env.KTREE_CONFORMANCE_OPS ?? 6000)
const EACH = 60

const CHARS = ['a', 'b', 'c', '-', '^', ']', '[', '\\', '*', '?', '\x01', '\x7f', '\x80', '\xff']
const some = (units: readonly string[], maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...units), minLength: 1, maxLength })

/** A character class, closed or not. */
const klass = fc
  .tuple(fc.constantFrom('[', '[^'), some(CHARS, 5), fc.constantFrom(']', ']', ']*', ''))
  .map((parts) => parts.join(''))
const pattern = fc
  .array(fc.oneof(klass, some(CHARS, 2), fc.constantFrom('*', '?', '*?')), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.join(''))

describeWithPeer('redis-server', 'generated patterns, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair()
  })
  afterAll(() => pair?.stop())

  test('match the same keys', async () => {
    const key = some(CHARS, 4)
    await fc.assert(
      fc.asyncProperty(
        key,
        fc.array(pattern, { minLength: EACH, maxLength: EACH }),
        async (name, globs) => {
          const asked = globs.flatMap((glob) => [encode('KEYS', glob)])
          const input = pipeline('FLUSHALL') + encode('SET', name, '1') + asked.join('')
          const { redis, ktree } = await pair.ask(input)
          expect(ktree).toBe(redis)
          const counts = [...redis.matchAll(/\*(\d)\r\n/g)].map(([, count]) => count === '1')
          expect(globs.map((glob) => new GlobSearch(glob).matches(name))).toEqual(counts)
        },
      ),
      { numRuns: Math.ceil(OPS / EACH) },
    )
  })
})
