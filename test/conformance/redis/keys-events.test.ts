import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, pipeline, startPair, Talk } from './pair.ts'

/** "10", as Redis 7.0 dumps it. */
const TEN = '\x00\xc0\x0a\x0a\x00\x6e\x9f\x57\x45\x0e\xae\x63\xbb'

const restore = (key: string, ttl: string, ...options: string[]): string =>
  encode('RESTORE', key, ttl, TEN, ...options)

/** Each begins with an empty database. */
const requests: readonly string[] = [
  pipeline('SET a 1', 'DEL a b', 'DEL a', 'SET a 1', 'UNLINK b a'),
  pipeline('EXISTS a', 'TOUCH a', 'TYPE a', 'TTL a', 'PTTL a', 'EXPIRETIME a', 'PEXPIRETIME a'),
  pipeline('OBJECT ENCODING a', 'OBJECT FREQ a', 'DUMP a', 'PERSIST a', 'EXPIRE a 1', 'COPY a b'),
  pipeline('SET a 1', 'EXPIRE a 100', 'EXPIRE a 100 NX', 'PERSIST a', 'PERSIST a', 'EXPIRE a -1'),
  pipeline('SET a 1', 'RENAME a b', 'RENAME b b', 'RENAMENX b c', 'RENAMENX c c', 'RENAME a b'),
  pipeline('SET a 1', 'SET b 1', 'RENAMENX a b', 'RENAME a b', 'COPY b c', 'COPY b c REPLACE'),
  pipeline('SET a 1', 'KEYS *', 'SCAN 0', 'RANDOMKEY', 'DUMP a', 'FLUSHALL', 'FLUSHDB'),
  restore('a', '0') + restore('a', '0') + restore('a', '9999', 'REPLACE') + restore('b', '9999'),
  restore('a', '0') + restore('a', '1', 'REPLACE', 'ABSTTL') + restore('b', '1', 'ABSTTL'),
]

describeWithPeer('redis-server', 'keyspace events of key commands, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair()
    await pair.ask(pipeline('CONFIG SET notify-keyspace-events KEAmn'))
  })
  afterAll(() => pair?.stop())

  test.for(requests)('%j', async (input) => {
    const { redis, ktree } = await pair.each(async (port) => {
      const [listener, talk] = [await Talk.open(port), await Talk.open(port)]
      await talk.ask(pipeline('FLUSHALL', 'ECHO ready'), 'ready\r\n')
      await listener.ask(pipeline('PSUBSCRIBE __key*'), ':1\r\n')
      talk.send(input + pipeline('PUBLISH __key-end end'))
      const output = await listener.until('__key-end\r\n$3\r\nend\r\n')
      for (const each of [talk, listener]) each.close()
      return output
    })
    expect(ktree).toBe(redis)
  })
})
