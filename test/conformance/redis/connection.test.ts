import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, pipeline, startPair, withoutNumbers } from './pair.ts'

const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }

/** Pipelines, each for a new connection. */
const open: readonly string[] = [
  pipeline('PING', 'ping', 'PING x', 'PING x y', 'PING x y z'),
  encode('PING', '') + encode('PING', 'a\r\nb\0\xff'),
  pipeline('ECHO', 'ECHO x', 'ECHO x y') + encode('ECHO', ''),
  pipeline('SELECT 0', 'SELECT 1', 'SELECT -1', 'SELECT x', 'SELECT', 'SELECT 0 0', 'SELECT 00'),
  pipeline('SELECT 2147483647', 'SELECT 2147483648', 'SELECT -2147483649', 'SELECT -0'),
  pipeline('SELECT 9007199254740993', 'SELECT 9223372036854775808', 'SELECT +1'),
  pipeline('HELLO', 'HELLO 2', 'PING', 'HELLO 3', 'HELLO', 'HELLO 2', 'HELLO'),
  pipeline('HELLO 4', 'HELLO 1', 'HELLO 0', 'HELLO -2', 'HELLO x', 'HELLO 03', 'HELLO 3.0'),
  pipeline('HELLO 9007199254740993', 'HELLO 9223372036854775808', 'HELLO 99999999999999999999'),
  pipeline('HELLO 3 AUTH', 'HELLO 3 AUTH default', 'HELLO 3 AUTH default x', 'HELLO'),
  pipeline('HELLO 3 AUTH nobody x', 'HELLO'),
  pipeline('HELLO 3 SETNAME', 'HELLO 3 SETNAME me', 'CLIENT GETNAME', 'HELLO 3 SETNAME a b'),
  pipeline('HELLO 3 setname me auth default x', 'CLIENT GETNAME'),
  // Options before the wrong one take effect.
  pipeline('HELLO 3 SETNAME me NONSENSE', 'CLIENT GETNAME', 'HELLO', 'HELLO SETNAME me'),
  encode('HELLO', '3', 'SETNAME', 'a b') + encode('HELLO', '3', 'SETNAME', 'a\nb'),
  encode('HELLO', '3', 'SETNAME', '') + pipeline('CLIENT GETNAME') + encode('HELLO', '3', '\r\n'),
  pipeline('AUTH x', 'AUTH', 'AUTH default x', 'AUTH nobody x', 'AUTH a b c', 'AUTH Default x'),
  pipeline('RESET', 'RESET x', 'HELLO 3', 'CLIENT SETNAME me', 'RESET', 'CLIENT GETNAME', 'HELLO'),
  pipeline('PING', 'QUIT', 'PING'),
  pipeline('QUIT now', 'PING'),
  pipeline('NOPE', 'nope a b', 'CLIENT', 'CLIENT NOPE', 'client nope x y', 'CONFIG', 'CONFIG NOPE'),
  pipeline('COMMAND NOPE', 'COMMAND', 'PUBSUB', 'PUBSUB NOPE').replace(pipeline('COMMAND'), ''),
  encode('x'.repeat(200), 'y'.repeat(200), 'z') + encode('x', 'y'.repeat(100), 'z'.repeat(100)),
  encode('x\r\ny', 'a\r\n') + encode('x\0y', 'a\0b', 'c') + encode('') + encode('', ''),
  encode('client', 'a\r\nb') + encode('CLIENT', 'a\0b') + encode('client', 'x'.repeat(200)),
  pipeline('client|list', 'config|get x', 'CLIENT|ID'),
  'PING\r\nping hello\r\n"PI\\x4eG" \'a\\\'b\'\r\n\r\n   \r\nECHO "a b"\nPING\n',
  'PING "\r\nPING\r\n',
  'POST / HTTP/1.1\r\nPING\r\n',
  'GET_ / HTTP/1.1\r\nHost: x\r\nPING\r\n',
]

describeWithPeer('redis-server', 'connections, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair()
  })
  afterAll(() => pair?.stop())

  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test.for(open)(`${protocol}: %j`, async (input) => {
      const { redis, ktree } = await pair.ask(prefix + input)
      expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
    })
  }
})

const locked: readonly string[] = [
  pipeline('PING', 'PING x y', 'NOPE', 'ECHO', 'CLIENT', 'CLIENT NOPE', 'CLIENT ID x'),
  pipeline('HELLO', 'HELLO 3', 'HELLO 4', 'HELLO x', 'HELLO 3 SETNAME me', 'HELLO 3 x', 'PING'),
  pipeline('AUTH wrong', 'PING', 'AUTH default wrong', 'AUTH nobody secret', 'AUTH', 'AUTH a b c'),
  pipeline('AUTH secret', 'PING', 'AUTH wrong', 'PING', 'AUTH default secret', 'PING'),
  pipeline('AUTH default secret', 'PING', 'RESET', 'PING', 'AUTH secret', 'PING'),
  pipeline('HELLO 3 AUTH default secret', 'PING', 'RESET', 'PING', 'HELLO 3'),
  pipeline('HELLO 3 AUTH default wrong', 'HELLO 2 AUTH nobody secret', 'PING'),
  // The name is set although HELLO fails.
  pipeline('HELLO 3 SETNAME me AUTH default wrong', 'AUTH secret', 'CLIENT GETNAME'),
  pipeline('HELLO 3 AUTH default secret NONSENSE', 'PING', 'HELLO'),
  pipeline('HELLO 3 AUTH default secret SETNAME me', 'CLIENT GETNAME'),
  pipeline('RESET', 'QUIT', 'PING'),
  pipeline('SUBSCRIBE a', 'COMMAND COUNT', 'MONITOR', 'SHUTDOWN', 'PUBLISH a b'),
  encode('AUTH', 'x'.repeat(16384)) + pipeline('PING'),
  encode('AUTH', 'x'.repeat(16385)) + pipeline('PING'),
  pipeline('AUTH a b c d e f g h i', 'PING'),
  pipeline('AUTH a b c d e f g h i j', 'PING'),
  pipeline(
    'AUTH secret',
    'ECHO x',
    `ECHO ${'x'.repeat(20000)}`,
    'RESET',
    'AUTH a b c d e f g h i j',
  ),
]

describeWithPeer('redis-server', 'connections that need a password, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair({ requirepass: 'secret' })
  })
  afterAll(() => pair?.stop())

  test.for(locked)('%j', async (input) => {
    const { redis, ktree } = await pair.ask(input)
    expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
  })

  test('a password set, changed and taken back while clients are connected', async () => {
    const set = (password: string): string => encode('CONFIG', 'SET', 'requirepass', password)
    const input = [
      pipeline('AUTH secret') + set('other') + pipeline('PING', 'AUTH secret', 'AUTH other'),
      pipeline('PING', 'AUTH secret', 'AUTH other', 'RESET', 'PING', 'HELLO'),
      pipeline('AUTH other') + set('') + pipeline('PING', 'AUTH x', 'RESET', 'PING'),
      pipeline('PING', 'HELLO') + set('secret') + pipeline('PING', 'RESET', 'PING'),
    ]
    for (const each of input) {
      const { redis, ktree } = await pair.ask(each)
      expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
    }
  })
})
