import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { join, type RawClient, type Reply } from '../../server/raw-client.ts'
import { describeWithPeer } from '../peers.ts'
import { type Pair, startPair } from './pair.ts'

/** How many requests are compared in total. */
const OPS = Number(process.env.KTREE_CONFORMANCE_OPS ?? 6000)
/** The most requests, and the most transactions, in a sequence. */
const LENGTH = 20
const CLIENTS = 2
const LATER = '33333333333'

const key = fc.constantFrom('a', 'b', 'c', 'd/e', '_h')
const value = fc.constantFrom('1', '2', 'x', '')
const one = fc.constant<string>
const request = (...parts: fc.Arbitrary<string | string[]>[]): fc.Arbitrary<string[]> =>
  fc.tuple(...parts).map((given) => given.flat())

const commands = fc.oneof(
  { weight: 4, arbitrary: request(one('SET'), key, value) },
  request(one('SET'), key, value, fc.constantFrom('NX', 'XX', 'KEEPTTL', 'GET')),
  request(one('SET'), key, value, one('EXAT'), one(LATER)),
  {
    weight: 3,
    arbitrary: request(fc.constantFrom('GET', 'GETDEL', 'DEL', 'EXISTS', 'TOUCH'), key),
  },
  request(fc.constantFrom('INCR', 'DECR', 'PERSIST', 'STRLEN', 'EXPIRETIME'), key),
  request(fc.constantFrom('APPEND', 'SETNX', 'GETSET', 'INCRBY', 'EXPIREAT'), key, value),
  request(one('EXPIREAT'), key, one(LATER)),
  request(fc.constantFrom('RENAME', 'RENAMENX', 'COPY'), key, key),
  request(fc.constantFrom('MSET', 'MSETNX'), key, value, key, value),
  request(fc.constantFrom('NOPE', 'GET', 'FLUSHALL', 'DBSIZE')),
)
const around = fc.oneof(
  {
    weight: 3,
    arbitrary: request(fc.constantFrom('MULTI', 'EXEC', 'DISCARD', 'UNWATCH', 'RESET')),
  },
  request(one('WATCH'), key),
  request(one('EXEC'), one('x')),
)

type Step = readonly [client: number, args: readonly string[]]
const some = <T>(arbitrary: fc.Arbitrary<T>, maxLength: number): fc.Arbitrary<T[]> =>
  fc.array(arbitrary, { maxLength })

/** A client that watches, another one that writes in the meantime, and a transaction. */
const transaction = fc
  .record({
    client: fc.nat({ max: CLIENTS - 1 }),
    watched: some(key, 2),
    before: some(commands, 1),
    queued: some(commands, 3),
    meanwhile: some(commands, 1),
    end: fc.constantFrom('EXEC', 'EXEC', 'EXEC', 'DISCARD'),
  })
  .map(({ client, watched, before, queued, meanwhile, end }): Step[] => {
    const other = (client + 1) % CLIENTS
    return [
      ...watched.map((each): Step => [client, ['WATCH', each]]),
      ...before.map((args): Step => [other, args]),
      [client, ['MULTI']],
      ...queued.map((args): Step => [client, args]),
      ...meanwhile.map((args): Step => [other, args]),
      [client, [end]],
    ]
  })
const single = fc
  .tuple(fc.nat({ max: CLIENTS - 1 }), fc.oneof(commands, around))
  .map((step): Step[] => [step])
const sequences = fc
  .array(fc.oneof(transaction, single), { minLength: 1, maxLength: LENGTH, size: 'max' })
  .map((blocks) => blocks.flat())

describeWithPeer('redis-server', 'generated transactions of several clients', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair({}, true)
  })
  afterAll(() => pair?.stop())

  for (const protocol of [2, 3] as const) {
    test(`RESP${protocol}: give Redis's replies`, async () => {
      const open = (port: number): Promise<RawClient[]> =>
        Promise.all(Array.from({ length: CLIENTS }, () => join({ port }, protocol)))
      const clients = { redis: await open(pair.redis), ktree: await open(pair.ktree) }
      const run = async (who: readonly RawClient[], steps: readonly Step[]): Promise<Reply[]> => {
        for (const client of who) {
          await client.call('RESET')
          if (protocol === 3) await client.call('HELLO', '3')
        }
        await who[0].call('FLUSHALL')
        const replies: Reply[] = []
        for (const [client, args] of steps) {
          replies.push(await who[client].call(...args))
          // RESET has set the protocol to RESP2.
          if (args[0] === 'RESET' && protocol === 3) await who[client].call('HELLO', '3')
        }
        return replies
      }
      await fc.assert(
        fc.asyncProperty(sequences, async (steps) => {
          expect(await run(clients.ktree, steps)).toEqual(await run(clients.redis, steps))
        }),
        { numRuns: Math.ceil(OPS / LENGTH / 4) },
      )
    })
  }
})
