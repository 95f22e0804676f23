import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import { type Pair, pipeline, startPair, Talk } from './pair.ts'

/** Both use more than one byte of memory, so that they are full from the first request to the last. */
const FULL = pipeline('SET a 1', 'SET s x', 'CONFIG SET maxmemory 1')
const FREE = pipeline('CONFIG SET maxmemory 0')

const requests: readonly string[] = [
  pipeline('SET a 2', 'GET a', 'APPEND a 1', 'INCR a', 'SETRANGE a 5 x', 'GETSET a 2', 'MSET a 2'),
  pipeline('SETNX b 1', 'SETEX a 10 x', 'GETEX a', 'COPY a b', 'GET a', 'STRLEN a', 'EXISTS a'),
  pipeline('DEL nope', 'EXPIRE nope 10', 'PERSIST a', 'GETDEL nope', 'RENAME a a', 'TOUCH a'),
  pipeline('PING', 'CONFIG GET maxmemory', 'CONFIG GET maxmemory-policy', 'PUBLISH c x', 'DBSIZE'),
  pipeline('SET', 'SET a 1 NOPE', 'INCR', 'NOPE', 'INCR s'),
  // Every queued request takes memory.
  pipeline('MULTI', 'GET a', 'EXEC'),
  pipeline('MULTI', 'SET a 3', 'EXEC', 'GET a'),
  pipeline('MULTI', 'DISCARD', 'MULTI', 'GET a', 'DISCARD', 'MULTI', 'RESET', 'MULTI', 'EXEC'),
  pipeline('MULTI', 'MULTI', 'WATCH a', 'EXEC'),
  pipeline('UNWATCH', 'MULTI', 'QUIT'),
  // Requests queued before: EXEC refuses only a write that takes memory.
  pipeline('CONFIG SET maxmemory 0', 'MULTI', 'SET a 4', 'CONFIG SET maxmemory 1', 'EXEC', 'GET a'),
]

describeWithPeer('redis-server', 'maxmemory, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair()
  })
  afterAll(() => pair?.stop())

  test.for(requests)('%j', async (input) => {
    const { redis, ktree } = await pair.ask(FULL + input + FREE)
    await pair.ask(FREE)
    expect(ktree).toBe(redis)
  })

  test('a transaction queued before memory ran out', async () => {
    const { redis, ktree } = await pair.each(async (port) => {
      const outputs: string[] = []
      for (const queued of ['SET a 5', 'GET a', 'DEL a']) {
        const talk = await Talk.open(port)
        const other = await Talk.open(port)
        await talk.ask(pipeline('MULTI', queued), '+QUEUED\r\n')
        await other.ask(pipeline('SET a 1', 'CONFIG SET maxmemory 1'), '+OK\r\n+OK\r\n')
        outputs.push(await talk.ask(pipeline('EXEC', 'ECHO end'), '$3\r\nend\r\n'))
        await other.ask(FREE, '+OK\r\n')
        talk.close()
        other.close()
      }
      return outputs
    })
    expect(ktree).toEqual(redis)
  })
})
