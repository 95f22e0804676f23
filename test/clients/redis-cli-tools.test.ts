import { expect, test } from 'vitest'
import { describeWithPeer, requirePeer } from '../conformance/peers.ts'
import { useServer } from './ktree.ts'
import { redisCli } from './redis-cli.ts'
import { openTerminal } from './terminal.ts'

const KEYS = 250

describeWithPeer('redis-cli', "redis-cli's tools", () => {
  const ktree = useServer()
  const cli = (args: string[], input: string | Buffer = '') =>
    redisCli(['-p', String(ktree.port), ...args], input)

  const fill = (): void => {
    for (let i = 0; i < KEYS; i++) ktree.server.store.set(`/user:${i}`, 'x'.repeat(i))
    ktree.server.store.set('/a/b', 'x'.repeat(1000))
    ktree.server.store.createDirectory('/empty')
  }

  test('--pipe inserts plain keys', async () => {
    const requests = Array.from({ length: 2000 }, (_, i) => `SET key:${i} value:${i}\r\n`)
    const { code, out } = await cli(['--pipe'], requests.join(''))
    expect([code, out.split('\n').at(-1)]).toEqual([0, 'errors: 0, replies: 2000'])
    expect(ktree.server.store.files).toBe(2000)
  })

  test('--scan lists every key once, --pattern only keys that match', async () => {
    fill()
    const all = (await cli(['--scan'])).out.split('\n')
    expect(new Set(all).size).toBe(KEYS + 1)
    expect(all).toHaveLength(KEYS + 1)
    expect(all).toContain('a/b')
    const some = (await cli(['--scan', '--pattern', 'user:1?'])).out.split('\n')
    expect(some.toSorted()).toEqual(Array.from({ length: 10 }, (_, i) => `user:1${i}`))
  })

  test.each([
    ['--bigkeys', 'with 1000 bytes', '"a/b" has 1000 bytes'],
    ['--memkeys', 'bytes', '"a/b" has'],
  ])('%s', async (option, found, biggest) => {
    fill()
    const { code, out } = await cli([option])
    expect(code).toBe(0)
    expect(out).toContain(`Sampled ${KEYS + 1} keys in the keyspace!`)
    expect(out).toContain(found)
    expect(out.replaceAll("'", '')).toContain(`Biggest string found ${biggest}`)
    expect(out).toContain(`${KEYS + 1} strings with`)
  })

  test('tools that need a replica, an LFU policy, a cluster or Lua fail, and say why', async () => {
    fill()
    const outputOf = async (...args: string[]): Promise<string> => {
      const { out, err } = await cli(args)
      return out + err
    }
    expect(await outputOf('--rdb', '/dev/null')).toContain(
      "SYNC with master failed: -ERR unknown command 'SYNC'",
    )
    expect(await outputOf('--replica')).toContain("-ERR unknown command 'SYNC'")
    expect(await outputOf('--hotkeys')).toContain('An LFU maxmemory policy is not selected')
    expect(await outputOf('--cluster', 'info', `127.0.0.1:${ktree.port}`)).toContain(
      'is not configured as a cluster node',
    )
    expect(await outputOf('--eval', '/dev/null')).toContain("ERR unknown command 'EVAL'")
    expect(await outputOf('-n', '1', 'PING')).toContain(
      'SELECT 1 failed: ERR DB index is out of range',
    )
  })
})

describeWithPeer(['redis-cli', 'tmux'], "redis-cli's tools on a terminal", () => {
  const ktree = useServer()
  const program = (args: string): string =>
    `REDISCLI_HISTFILE=/dev/null ${requirePeer('redis-cli')} -p ${ktree.port} ${args}`

  test('--stat shows keys, clients and requests', async () => {
    for (let i = 0; i < 42; i++) ktree.server.store.set(`/key${i}`, 'x')
    const terminal = await openTerminal(program('--stat -i 0.05'))
    try {
      await terminal.shows(/keys +mem +clients +blocked +requests +connections/)
      await terminal.shows(/42 +\d+\.\d+M +1 +0 +\d+ \(\+\d+\) +1/)
    } finally {
      await terminal.close()
    }
  })

  test('--latency counts round trips', async () => {
    const terminal = await openTerminal(program('--latency'))
    try {
      await terminal.shows(/min: \d+, max: \d+, avg: \d+\.\d+ \([1-9]\d* samples\)/)
    } finally {
      await terminal.close()
    }
  })

  test('MONITOR shows the commands of others', async () => {
    const terminal = await openTerminal(program('MONITOR'))
    try {
      await terminal.shows('OK')
      await redisCli(['-p', String(ktree.port), 'SET', 'seen', 'a b'])
      await terminal.shows(/\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "seen" "a b"/)
    } finally {
      await terminal.close()
    }
  })
})
