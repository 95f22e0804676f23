import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, pipeline, startPair, Talk, transcript } from './pair.ts'

/** Requests that publish an event, or none, at the keys `k`, which is 1, and `missing`. */
const requests = [
  ...['GET k', 'GET missing', 'STRLEN k', 'STRLEN missing', 'GETRANGE missing 0 1', 'SUBSTR k 0 1'],
  ...['MGET k missing missing', 'SET k v', 'SET k v EX 100', 'SET k v NX', 'SET missing v XX'],
  ...['SET k v NX GET', 'SET missing v GET PXAT 4000000000000', 'SET missing v XX GET'],
  ...['SET k v KEEPTTL', 'SETNX k v', 'SETNX missing v', 'SETEX k 100 v', 'PSETEX k 0 v'],
  ...['PSETEX missing 100000 v', 'GETSET k v', 'GETSET missing v', 'GETDEL k', 'GETDEL missing'],
  ...[
    'GETEX k',
    'GETEX missing',
    'GETEX k EX 100',
    'GETEX k EXAT 1',
    'GETEX k PERSIST',
    'GETEX missing EX 5',
  ],
  ...['GETEX k EX 0', 'MSET k 1 missing 2', 'MSETNX missing 1 missing 2', 'MSETNX missing 1 k 2'],
  ...[
    'APPEND k x',
    'APPEND missing x',
    'SETRANGE k 0 x',
    'SETRANGE missing 2 x',
    'SETRANGE k -1 x',
  ],
  ...['INCR k', 'INCR missing', 'DECR k', 'INCRBY k 5', 'DECRBY missing 5', 'INCRBY k x'],
  ...['INCRBYFLOAT k 0.5', 'INCRBYFLOAT missing 1', 'INCRBYFLOAT k x'],
].map((line) => pipeline(line))
requests.push(
  pipeline('SET k v EX 100', 'GETEX k PERSIST'),
  pipeline('SET k 1 EX 100', 'INCR k', 'SET k v KEEPTTL'),
  encode('APPEND', 'k', ''),
  encode('SETRANGE', 'k', '0', ''),
)

const SETUP = pipeline('DEL k missing', 'SET k 1')
const END = pipeline('PUBLISH end end')

describeWithPeer('redis-server', 'keyspace events of string commands, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair({ 'notify-keyspace-events': 'KEAmn' })
  })
  afterAll(() => pair?.stop())

  const published = async (port: number, input: string): Promise<string> => {
    await transcript(port, SETUP)
    const talk = await Talk.open(port)
    try {
      await talk.ask(encode('PSUBSCRIBE', '__key*', 'end'), ':2\r\n')
      await transcript(port, input + END)
      return await talk.until('$3\r\nend\r\n$3\r\nend\r\n$3\r\nend\r\n')
    } finally {
      talk.close()
    }
  }

  test.for(requests)('%j', async (input) => {
    const { redis, ktree } = await pair.each((port) => published(port, input))
    expect(ktree).toBe(redis)
  })
})
