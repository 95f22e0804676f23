import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, pipeline, startPair, Talk, withoutNumbers } from './pair.ts'

const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }

/** Pipelines, each for a new connection. */
const connections: readonly string[] = [
  pipeline('MULTI', 'SET a 1', 'GET a', 'EXEC', 'GET a'),
  pipeline('multi', 'Set a 1', 'exec'),
  pipeline('MULTI', 'EXEC', 'EXEC'),
  pipeline('EXEC', 'DISCARD', 'UNWATCH'),
  pipeline('MULTI', 'SET a 2', 'DISCARD', 'GET a', 'EXEC'),
  // Errors when queued.
  pipeline('MULTI', 'NOPE', 'SET a 3', 'EXEC', 'GET a', 'EXEC'),
  pipeline('MULTI', 'GET', 'EXEC', 'MULTI', 'GET a', 'EXEC'),
  pipeline(
    'MULTI',
    'CLIENT NOPE',
    'EXEC',
    'MULTI',
    'CLIENT',
    'EXEC',
    'MULTI',
    'CLIENT ID x',
    'EXEC',
  ),
  pipeline('MULTI', 'NOPE', 'DISCARD', 'MULTI', 'GET a', 'EXEC'),
  pipeline('MULTI x', 'MULTI', 'MULTI x', 'EXEC', 'MULTI', 'DISCARD x', 'EXEC'),
  pipeline('EXEC x', 'MULTI', 'SET a 3', 'EXEC x', 'EXEC', 'GET a'),
  pipeline('WATCH', 'UNWATCH x', 'MULTI', 'WATCH', 'EXEC'),
  // Errors in EXEC: the other requests run, and nothing is rolled back.
  pipeline('SET s x', 'MULTI', 'INCR s', 'SET a 4', 'INCR s', 'EXEC', 'GET a'),
  pipeline('MULTI', 'SET a 5 EX 0', 'SET a 6', 'CONFIG SET nope 1', 'SELECT 1', 'EXEC', 'GET a'),
  // Commands that run at once, and commands that cannot be queued.
  pipeline('MULTI', 'MULTI', 'SET a 7', 'MULTI', 'EXEC', 'GET a'),
  pipeline('MULTI', 'WATCH a', 'SET a 8', 'EXEC', 'GET a'),
  pipeline('SET a 1', 'WATCH a', 'MULTI', 'UNWATCH', 'SET a 9', 'EXEC', 'GET a'),
  pipeline('MULTI', 'SET a 10', 'RESET', 'EXEC', 'GET a'),
  pipeline('MULTI', 'SET a 10', 'QUIT', 'GET a'),
  pipeline('MULTI', 'SAVE', 'EXEC', 'MULTI', 'SHUTDOWN', 'EXEC', 'SHUTDOWN ABORT'),
  pipeline('MULTI', 'MONITOR', 'PING', 'EXEC', 'PING'),
  pipeline('MULTI', 'HELLO 3', 'GET nope', 'HELLO 2', 'GET nope', 'EXEC', 'GET nope'),
  pipeline('MULTI', 'AUTH x', 'AUTH', 'EXEC', 'MULTI', 'ECHO x', 'TIME x', 'EXEC'),
  pipeline('MULTI', 'CLIENT SETNAME me', 'CLIENT GETNAME', 'EXEC', 'CLIENT GETNAME'),
  pipeline('MULTI', 'WAIT 1 0', 'WAIT 0 0', 'ROLE', 'EXEC'),
  pipeline('MULTI', 'CONFIG SET timeout 7', 'CONFIG GET timeout', 'CONFIG SET timeout 0', 'EXEC'),
  pipeline('MULTI', 'COMMAND COUNT x', 'EXEC', 'MULTI', 'COMMAND GETKEYS GET x', 'EXEC'),
  // Muted replies.
  pipeline('MULTI', 'CLIENT REPLY OFF', 'GET a', 'EXEC', 'GET a', 'CLIENT REPLY ON', 'GET a'),
  pipeline('MULTI', 'GET a', 'CLIENT REPLY SKIP', 'GET a', 'EXEC', 'GET a', 'GET a'),
  pipeline('CLIENT REPLY OFF', 'MULTI', 'SET a 11', 'EXEC', 'CLIENT REPLY ON', 'GET a'),
  pipeline('MULTI', 'CLIENT REPLY SKIP', 'EXEC', 'GET a', 'GET a'),
  pipeline('CLIENT REPLY SKIP', 'MULTI', 'GET a', 'EXEC'),
  // Pub/sub.
  pipeline('MULTI', 'PUBLISH c x', 'PUBSUB NUMSUB c', 'EXEC'),
  pipeline('MULTI', 'SUBSCRIBE c d', 'PSUBSCRIBE e*', 'GET a', 'EXEC', 'PING', 'GET a'),
  pipeline('MULTI', 'UNSUBSCRIBE', 'PUNSUBSCRIBE x', 'EXEC', 'MULTI', 'SUBSCRIBE', 'EXEC'),
  pipeline('SUBSCRIBE c', 'MULTI', 'EXEC', 'EXEC x', 'DISCARD', 'WATCH a', 'UNSUBSCRIBE', 'GET a'),
  // The client's own writes.
  pipeline('WATCH a', 'SET a 12', 'MULTI', 'SET a 13', 'EXEC', 'GET a', 'MULTI', 'GET a', 'EXEC'),
  pipeline('WATCH a', 'SET a 12', 'SET a 13', 'MULTI', 'EXEC'),
  pipeline('WATCH a', 'MULTI', 'SET a 14', 'SET a 15', 'EXEC', 'GET a'),
  pipeline('WATCH a', 'GET a', 'STRLEN a', 'TTL a', 'MULTI', 'GET a', 'EXEC'),
  pipeline('WATCH a', 'SET a 1', 'UNWATCH', 'MULTI', 'GET a', 'EXEC'),
  pipeline('WATCH a', 'SET a 1', 'DISCARD', 'MULTI', 'GET a', 'EXEC'),
  pipeline('WATCH a', 'SET a 1', 'MULTI', 'DISCARD', 'MULTI', 'GET a', 'EXEC'),
  pipeline('WATCH a', 'SET a 1', 'EXEC', 'MULTI', 'GET a', 'EXEC'),
  pipeline('WATCH a', 'SET a 1', 'RESET', 'MULTI', 'GET a', 'EXEC'),
  pipeline('WATCH a', 'SET a 1', 'MULTI', 'NOPE', 'EXEC', 'MULTI', 'GET a', 'EXEC'),
  pipeline('WATCH a a b', 'WATCH a', 'SET b 1', 'MULTI', 'GET a', 'EXEC'),
  pipeline('WATCH a', 'SET a 1', 'WATCH b', 'MULTI', 'GET a', 'EXEC'),
  // A missing key, one that is created and deleted again, one that is rewritten unchanged.
  pipeline('WATCH none', 'DEL none', 'MULTI', 'GET none', 'EXEC'),
  pipeline('WATCH none', 'SET none 1', 'DEL none', 'MULTI', 'GET none', 'EXEC'),
  pipeline('SET a 1', 'WATCH a', 'SET a 2', 'SET a 1', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET a 1', 'WATCH a', 'SET a 1', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET a 1', 'WATCH a', 'SET a 2 NX', 'SETNX a 3', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET a 1', 'WATCH a', 'EXPIRE a 1000', 'MULTI', 'GET a', 'EXEC', 'PERSIST a'),
  pipeline('SET a 1', 'WATCH a', 'PERSIST a', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET a 1 EX 1000', 'WATCH a', 'PERSIST a', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET a 1', 'WATCH a', 'RENAME a b', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET a 1', 'DEL b', 'WATCH b', 'RENAME a b', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET a 1', 'WATCH a', 'COPY a b REPLACE', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET a 1', 'WATCH a', 'GETEX a', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET a 1', 'WATCH a', 'GETEX a EX 100', 'MULTI', 'GET a', 'EXEC', 'PERSIST a'),
  pipeline('SET a 1', 'WATCH a', 'GETDEL a', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET a 1', 'WATCH a', 'SETRANGE a 0 1', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET a 1', 'WATCH a', 'INCR a', 'DECR a', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET a x', 'WATCH a', 'INCR a', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET a 1', 'WATCH a', 'TOUCH a', 'MULTI', 'GET a', 'EXEC'),
  encode('SET', 'a', '1') +
    encode('WATCH', 'a') +
    encode('SETRANGE', 'a', '0', '') +
    pipeline('MULTI', 'GET a', 'EXEC'),
  encode('SET', 'a', '1') +
    encode('WATCH', 'a') +
    encode('APPEND', 'a', '') +
    pipeline('MULTI', 'GET a', 'EXEC'),
  pipeline('SET a 1', 'WATCH a', 'FLUSHALL', 'MULTI', 'GET a', 'EXEC'),
  pipeline('SET b 1', 'WATCH none', 'FLUSHALL', 'MULTI', 'GET none', 'EXEC'),
  pipeline('FLUSHALL', 'WATCH none', 'FLUSHALL', 'MULTI', 'GET none', 'EXEC'),
  pipeline('COMMAND GETKEYS WATCH a b c', 'COMMAND GETKEYSANDFLAGS WATCH a'),
  pipeline('COMMAND LIST FILTERBY PATTERN m[u]lti', 'COMMAND GETKEYS MULTI'),
]

describeWithPeer('redis-server', 'transactions, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair()
  })
  afterAll(() => pair?.stop())

  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test.for(connections)(`${protocol}: %j`, async (input) => {
      const { redis, ktree } = await pair.ask(prefix + input)
      expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
    })
  }

  test('CLIENT LIST shows the queue and the touched watch', async () => {
    const seen = await pair.each(async (port) => {
      const talk = await Talk.open(port)
      const observer = await Talk.open(port)
      await talk.ask(pipeline('CLIENT SETNAME me', 'WATCH a'), '+OK\r\n+OK\r\n')
      const states: string[] = []
      const look = async (): Promise<void> => {
        const list = await observer.ask(pipeline('CLIENT LIST', 'ECHO end'), '\r\nend\r\n')
        const line = list.split('\n').find((each) => each.includes('name=me ')) ?? ''
        states.push(/flags=\w+/.exec(line)?.[0] ?? '', /multi=-?\d+/.exec(line)?.[0] ?? '')
      }
      await look()
      await talk.ask(pipeline('MULTI'), '+OK\r\n')
      await look()
      await talk.ask(pipeline('GET a', 'GET b'), '+QUEUED\r\n+QUEUED\r\n')
      await look()
      await observer.ask(pipeline('SET a 1'), '+OK\r\n')
      await look()
      // The transaction has failed, so that later requests are not kept.
      await talk.ask(pipeline('GET c'), '+QUEUED\r\n')
      await look()
      await talk.ask(pipeline('DISCARD'), '+OK\r\n')
      await look()
      talk.close()
      observer.close()
      return states
    })
    expect(seen.ktree).toEqual(seen.redis)
  })

  test('MONITOR shows the requests of a transaction, and then EXEC', async () => {
    const seen = await pair.each(async (port) => {
      const monitor = await Talk.open(port)
      const talk = await Talk.open(port)
      await monitor.ask(pipeline('MONITOR'), '+OK\r\n')
      talk.send(pipeline('WATCH a', 'MULTI', 'SET a 1', 'CONFIG GET x', 'GET', 'DISCARD'))
      talk.send(pipeline('MULTI', 'SET a 1', 'AUTH secret', 'NOPE', 'EXEC', 'MULTI', 'SET a 2'))
      talk.send(pipeline('INCR a', 'EXEC', 'ECHO end'))
      const lines = await monitor.until('"ECHO" "end"\r\n')
      monitor.close()
      talk.close()
      return lines.replaceAll(/\d+\.\d+ \[0 [^\]]*\]/g, '')
    })
    expect(seen.ktree).toBe(seen.redis)
  })

  test('a watched key that expires touches the watch', async () => {
    const seen = await pair.each(async (port) => {
      const talk = await Talk.open(port)
      const other = await Talk.open(port)
      // In a group SET takes a while, and the key has to be there at WATCH.
      let output = await talk.ask(
        pipeline('SET x 1 PX 1000', 'WATCH x', 'MULTI', 'PING'),
        'QUEUED\r\n',
      )
      while ((await other.ask(pipeline('EXISTS x'), '\r\n')) !== ':0\r\n');
      output += await talk.ask(pipeline('EXEC'), '\r\n')
      talk.close()
      other.close()
      return output
    })
    expect(seen.ktree).toBe(seen.redis)
    expect(seen.ktree).toContain('*-1')
  })

  test('the queue and the watches end with the connection', async () => {
    const seen = await pair.each(async (port) => {
      const talk = await Talk.open(port)
      const output = await talk.ask(pipeline('WATCH q', 'MULTI', 'SET q 1'), '+QUEUED\r\n')
      talk.close()
      const other = await Talk.open(port)
      const after = await other.ask(pipeline('SET q 2', 'GET q'), '$1\r\n2\r\n')
      other.close()
      return output + after
    })
    expect(seen.ktree).toBe(seen.redis)
  })
})

const locked: readonly string[] = [
  pipeline('MULTI', 'EXEC', 'WATCH a', 'DISCARD', 'EXEC x', 'PING'),
  pipeline('AUTH secret', 'MULTI', 'SET a 1', 'EXEC'),
  // A transaction that loses its authentication.
  pipeline('AUTH secret', 'MULTI', 'SET a 1', 'RESET', 'EXEC', 'AUTH secret', 'EXEC'),
]

describeWithPeer('redis-server', 'transactions behind a password, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair({ requirepass: 'secret' })
  })
  afterAll(() => pair?.stop())

  test.for(locked)('%j', async (input) => {
    const { redis, ktree } = await pair.ask(input)
    expect(ktree).toBe(redis)
  })
})
