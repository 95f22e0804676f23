import { expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { useServer } from './ktree.ts'
import { type CliResult, redisCli } from './redis-cli.ts'

/** The output of a command that succeeds, by lines. */
const lines = async (result: Promise<CliResult>): Promise<string[]> => {
  const { code, out, err } = await result
  expect([code, err]).toEqual([0, ''])
  return out.split('\n')
}

describeWithPeer('redis-cli', 'redis-cli, one command', () => {
  const clock = new ManualClock(Date.UTC(2030, 0, 1))
  const ktree = useServer({ clock })
  const cli = (...args: string[]) => redisCli(['-p', String(ktree.port), ...args])
  /** Output as on a terminal, with types and numbering. */
  const pretty = (...args: string[]) => lines(cli('--no-raw', ...args))

  test('KSET and KGET in RESP2 are flat arrays', async () => {
    expect(await pretty('KSET', '/jobs/a', 'hello', 'EX', '60')).toEqual([
      '1) "action"',
      '2) "set"',
      '3) "node"',
      '4)  1) "key"',
      '    2) "/jobs/a"',
      '    3) "value"',
      '    4) "hello"',
      '    5) "expiration"',
      '    6) "2030-01-01T00:01:00.000Z"',
      '    7) "ttl"',
      '    8) (integer) 60',
      '    9) "modifiedIndex"',
      '   10) (integer) 1',
      '   11) "createdIndex"',
      '   12) (integer) 1',
      '5) "index"',
      '6) (integer) 1',
    ])
    expect((await pretty('KGET', '/jobs')).slice(3, 7)).toEqual([
      '4)  1) "key"',
      '    2) "/jobs"',
      '    3) "dir"',
      '    4) (integer) 1',
    ])
  })

  test('KSET and KGET in RESP3 are maps', async () => {
    expect(await pretty('-3', 'KSET', '/jobs/b', '2')).toEqual([
      '1# "action" => "set"',
      '2# "node" => ',
      '   1# "key" => "/jobs/b"',
      '   2# "value" => "2"',
      '   3# "modifiedIndex" => (integer) 1',
      '   4# "createdIndex" => (integer) 1',
      '3# "index" => (integer) 1',
    ])
    await pretty('KSET', '/jobs/a/deep', '1')
    const [json] = await lines(cli('-3', '--json', 'KGET', '/jobs', 'RECURSIVE', 'SORTED'))
    expect(JSON.parse(json).node.nodes.map((node: { key: string }) => node.key)).toEqual([
      '/jobs/a',
      '/jobs/b',
    ])
    expect(json).toContain('"dir":true')
  })

  test('KCAS by index swaps once, then prints its error, and with -e exits with 1', async () => {
    await cli('KSET', '/a', '1')
    expect(await pretty('-3', 'KCAS', '/a', '2', 'PREVINDEX', '1')).toContain(
      '1# "action" => "compareAndSwap"',
    )
    const error = 'TESTFAILED 101 Compare failed ([1 != 2]) [2]'
    expect(await pretty('KCAS', '/a', '3', 'PREVINDEX', '1')).toEqual([`(error) ${error}`])
    expect(await cli('-e', 'KCAS', '/a', '3', 'PREVINDEX', '1')).toEqual({
      code: 1,
      out: '',
      err: error,
    })
  })

  test('KWAIT replays, waits, and times out', async () => {
    await cli('KSET', '/q/a', '1')
    const wait = ['KWAIT', '/q', 'RECURSIVE', 'SINCE']
    expect(await pretty('-3', ...wait, '1')).toContain('1# "action" => "set"')
    const waiting = pretty('-3', ...wait, '2')
    await expect.poll(() => ktree.server.store.statsMap().watchers).toBe(1)
    await cli('KDEL', '/q/a')
    expect(await waiting).toContain('1# "action" => "delete"')
  })

  test.each([[[]], [['-3']]])('KWAIT %j prints (nil) after its timeout', async (options) => {
    const waiting = pretty(...options, 'KWAIT', '/q', 'TIMEOUT', '5000')
    await expect.poll(() => ktree.server.store.statsMap().watchers).toBe(1)
    clock.advance(5000)
    expect(await waiting).toEqual(['(nil)'])
  })

  test("commands that ktree does not have give Redis's errors", async () => {
    expect(await pretty('ZADD', 'a', '1')).toEqual([
      "(error) ERR unknown command 'ZADD', with args beginning with: 'a' '1' ",
    ])
    expect(await pretty('KSET', 'a')).toEqual([
      "(error) ERR wrong number of arguments for 'kset' command",
    ])
  })

  test('-a gives the password, and a wrong one is reported', async () => {
    ktree.server.config.setMany([['requirepass', 'secret']])
    expect(await pretty('PING')).toEqual(['(error) NOAUTH Authentication required.'])
    expect(await pretty('--no-auth-warning', '-a', 'secret', 'PING')).toEqual(['PONG'])
    const wrong = await cli('-a', 'wrong', 'PING')
    expect(wrong.err).toContain('WRONGPASS')
  })
})

describeWithPeer('redis-cli', 'redis-cli, commands from a pipe', () => {
  const ktree = useServer()
  const cli = (args: string[], input: string | Buffer) =>
    redisCli(['-p', String(ktree.port), ...args], input)

  test('one command a line', async () => {
    const input = 'KSET "/a b" "x\\ny"\nKGET /nope\nPING\nKINDEX\n'
    expect(await lines(cli(['--no-raw'], input))).toEqual([
      '1) "action"',
      '2) "set"',
      '3) "node"',
      '4) 1) "key"',
      '   2) "/a b"',
      '   3) "value"',
      '   4) "x\\ny"',
      '   5) "modifiedIndex"',
      '   6) (integer) 1',
      '   7) "createdIndex"',
      '   8) (integer) 1',
      '5) "index"',
      '6) (integer) 1',
      '(error) KEYNOTFOUND 100 Key not found (/nope) [1]',
      'PONG',
      '(integer) 1',
    ])
  })

  test('-x takes any bytes from the pipe as the last argument', async () => {
    const value = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    await lines(cli(['-x', 'KSET', '/bytes'], value))
    expect(ktree.server.store.get('/bytes').node.value).toBe(value.toString('latin1'))
  })

  test('--pipe sends a file of requests', async () => {
    const requests = Array.from({ length: 5000 }, (_, i) => {
      const args = ['KSET', `/load/${i}`, `value ${i}`]
      return `*3\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`
    })
    expect(await lines(cli(['--pipe'], requests.join('')))).toContain('errors: 0, replies: 5000')
    expect(ktree.server.store.index).toBe(5000)
  })

  test('--pipe counts errors', async () => {
    const { out } = await cli(['--pipe'], 'KSET /a 1\r\nKDEL /nope\r\nKSET /b 1\r\n')
    expect(out).toContain('errors: 1, replies: 3')
  })

  test('KRECOVER takes the output of KSAVE from a file', async () => {
    await cli(['KSET', '/a', '\u00e9'], '')
    const saved = (await cli(['KSAVE'], '')).out
    await cli(['KSET', '/a', 'later'], '')
    expect(await lines(cli(['-x', 'KRECOVER'], saved))).toEqual(['OK'])
    expect(ktree.server.store.index).toBe(1)
    expect((await cli(['-3', '--json', 'KGET', '/a'], '')).out).toContain('"value":"\u00e9"')
  })
})
