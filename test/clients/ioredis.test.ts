import { Redis as Redis6 } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { fromFlat } from './flat-reply.ts'
import { type IoRedis, ioRedisKinds, useIoRedis } from './ioredis-clients.ts'
import { useServer } from './ktree.ts'

interface TreeEvent {
  action: string
  node: { key: string; value?: string; modifiedIndex: number }
  index: number
}

describe.each(ioRedisKinds)('$title', (kind) => {
  const ktree = useServer()
  const connect = useIoRedis(kind, () => ktree.port)
  const listen = (client: IoRedis): TreeEvent[] => {
    const events: TreeEvent[] = []
    client.on('message', (_channel: string, message: string) => events.push(JSON.parse(message)))
    return events
  }

  test('becomes ready, and speaks the expected protocol', async () => {
    const client = connect()
    expect(await client.ping()).toBe('PONG')
    expect(client.status).toBe('ready')
    expect(await client.info()).toContain('loading:0')
    expect(await client.call('CLIENT', 'INFO')).toContain(`resp=${kind.protocol}`)
  })

  test('writes and reads through call', async () => {
    const client = connect()
    expect(await client.call('KSET', '/a', '1')).toEqual([
      'action',
      'set',
      'node',
      ['key', '/a', 'value', '1', 'modifiedIndex', 1, 'createdIndex', 1],
      'index',
      1,
    ])
    await client.call('KMKDIR', '/dir', 'EX', 100)
    expect(fromFlat(await client.call('KGET', '/', 'SORTED'))).toMatchObject({
      action: 'get',
      node: {
        key: '/',
        dir: 1,
        nodes: [
          { key: '/a', value: '1' },
          { key: '/dir', ttl: 100 },
        ],
      },
      index: 2,
    })
  })

  test('addBuiltinCommand makes a method', async () => {
    const client = connect()
    client.addBuiltinCommand('kset')
    const { kset } = client as unknown as { kset(...args: string[]): Promise<unknown> }
    expect(fromFlat(await kset.call(client, '/a', '1', 'EX', '10'))).toMatchObject({
      node: { key: '/a', ttl: 10 },
    })
  })

  test('errors begin with their code', async () => {
    const client = connect()
    await client.call('KSET', '/a', '1')
    const fails = (...args: [string, ...string[]]) =>
      client.call(...args).then(
        () => 'no error',
        (error: Error) => `${error.name}: ${error.message}`,
      )
    expect(await fails('KGET', '/nope')).toBe(
      'ReplyError: KEYNOTFOUND 100 Key not found (/nope) [1]',
    )
    expect(await fails('KCAS', '/a', '2', 'PREVVALUE', '0')).toMatch(/^ReplyError: TESTFAILED 101 /)
    expect(await fails('KCREATE', '/a', '2')).toMatch(/^ReplyError: NODEEXIST 105 /)
    expect(await fails('KSET', '/a', '2', 'EX', 'soon')).toBe(
      'ReplyError: ERR value is not an integer or out of range',
    )
    expect(await fails('KNOPE')).toMatch(/^ReplyError: ERR unknown command 'KNOPE'/)
    expect(await client.ping()).toBe('PONG')
  })

  test('a pipeline keeps the order of replies and errors', async () => {
    const client = connect()
    let pipeline = client.pipeline()
    for (let i = 0; i < 1000; i++) pipeline = pipeline.call('KSET', `/p/${i}`, String(i))
    const results = await pipeline.call('KGET', '/nope').call('KINDEX').exec()
    expect(results?.length).toBe(1002)
    expect(fromFlat(results?.[999]?.[1])).toMatchObject({ node: { key: '/p/999' }, index: 1000 })
    expect(results?.[1000]?.[0]?.message).toMatch(/^KEYNOTFOUND 100/)
    expect(results?.[1001]).toEqual([null, 1000])
  })

  test('values and keys are any bytes', async () => {
    const client = connect()
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const key = Buffer.from([0x2f, 0xff, 0x00, 0x0a])
    await client.call('KSET', key, bytes)
    const [, , , node] = (await client.callBuffer('KGET', key)) as Buffer[][]
    expect(node[1]).toEqual(key)
    expect(node[3]).toEqual(bytes)
  })

  test('a watcher by SUBSCRIBE sees the writes of others, in order', async () => {
    const watcher = connect()
    const events = listen(watcher)
    expect(await watcher.subscribe('/jobs?recursive=true', '/other')).toBe(2)
    const client = connect()
    await client.call('KSET', '/jobs/a', 'é')
    await client.call('KSET', '/elsewhere', '')
    await client.call('KDEL', '/jobs', 'RECURSIVE')
    await client.call('KSET', '/other', '1')
    await expect.poll(() => events.length).toBe(3)
    expect(events[0]).toMatchObject({
      action: 'set',
      node: { key: '/jobs/a', value: 'é', modifiedIndex: 1, createdIndex: 1 },
      index: 1,
    })
    expect(events.map((event) => [event.action, event.node.key, event.index])).toEqual([
      ['set', '/jobs/a', 1],
      ['delete', '/jobs', 3],
      ['set', '/other', 4],
    ])
    await watcher.unsubscribe()
    expect(await watcher.call('KINDEX')).toBe(4)
    expect(ktree.server.store.statsMap().watchers).toBe(0)
  })

  test('PSUBSCRIBE watches a pattern of keys', async () => {
    const watcher = connect()
    const seen: string[] = []
    watcher.on('pmessage', (pattern: string, key: string, message: string) =>
      seen.push(`${pattern} ${key} ${JSON.parse(message).node.value}`),
    )
    await watcher.psubscribe('/jobs/*/state')
    await connect().call('KSET', '/jobs/7/state', 'done')
    await expect.poll(() => seen).toEqual(['/jobs/*/state /jobs/7/state done'])
  })

  test("ordinary channels are Redis's", async () => {
    const watcher = connect()
    const seen: string[] = []
    watcher.on('message', (channel: string, message: string) => seen.push(`${channel} ${message}`))
    await watcher.subscribe('news')
    expect(await connect().publish('news', 'hello')).toBe(1)
    await expect.poll(() => seen).toEqual(['news hello'])
  })

  test('KWAIT blocks its connection, and later requests are served after it', async () => {
    const waiter = connect()
    const waiting = waiter.call('KWAIT', '/a')
    const behind = waiter.call('KINDEX')
    await expect.poll(() => ktree.server.store.statsMap().watchers).toBe(1)
    await connect().call('KSET', '/a', '1')
    expect(fromFlat(await waiting)).toMatchObject({ action: 'set', index: 1 })
    expect(await behind).toBe(1)
    expect(await waiter.call('KWAIT', '/a', 'TIMEOUT', 1)).toBe(null)
  })

  test('the client gives the password when it connects', async () => {
    ktree.server.config.setMany([['requirepass', 'secret']])
    expect(await connect({ password: 'secret' }).ping()).toBe('PONG')
    await expect(connect({ password: 'wrong', lazyConnect: true }).ping()).rejects.toThrow()
    await expect(connect().call('KINDEX')).rejects.toThrow(/NOAUTH/)
  })

  test('a watcher whose connection is killed continues from the next index', async () => {
    const watcher = connect({ autoResubscribe: false, retryStrategy: () => 1 })
    const events: TreeEvent[] = []
    const onReady = async (): Promise<void> => {
      const next = (events.at(-1)?.index ?? 0) + 1
      await watcher.subscribe(`/jobs?recursive=true&since=${next}`)
    }
    watcher.on('message', (_channel: string, message: string) => {
      events.push(JSON.parse(message))
    })
    watcher.on('ready', () => {
      // Fails if the connection is killed again while it subscribes; the next one subscribes again.
      onReady().catch(() => {})
    })
    const client = connect()
    for (let i = 1; i <= 300; i++) {
      await client.call('KSET', `/jobs/${i % 7}`, String(i))
      if (i % 50 === 0) await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    }
    await expect.poll(() => events.at(-1)?.index, { timeout: 20_000 }).toBe(300)
    expect(events.map((event) => event.node.value)).toEqual(
      Array.from({ length: 300 }, (_, i) => String(i + 1)),
    )
  })

  test('a watcher continues when the server restarts with its saved state', async () => {
    const watcher = connect({ autoResubscribe: false, retryStrategy: () => 5 })
    const events = listen(watcher)
    await watcher.subscribe('/jobs?recursive=true')
    const client = connect({ retryStrategy: () => 5 })
    await client.call('KSET', '/jobs/a', '1')
    await expect.poll(() => events.length).toBe(1)
    await client.call('KSET', '/jobs/a', '2')
    const saved = (await client.callBuffer('KSAVE')) as Buffer
    // This cannot be events.once, which would reject at the first failed attempt to connect.
    const ready = new Promise((resolve) => watcher.once('ready', resolve))
    await ktree.restart()
    await client.call('KRECOVER', saved)
    await ready
    // The second event may or may not have come, so since is the first index that is missing.
    await watcher.subscribe(`/jobs?recursive=true&since=${(events.at(-1)?.index ?? 0) + 1}`)
    await client.call('KSET', '/jobs/a', '3')
    await expect.poll(() => events.at(-1)?.index).toBe(3)
    expect(events.map((event) => event.node.value)).toEqual(['1', '2', '3'])
  })
})

describe('ioredis 6, RESP3, replyMapping resp3', () => {
  const ktree = useServer()

  test('events are objects, and KWATCH leaves the connection usable', async () => {
    const client = new Redis6({ port: ktree.port, protocol: 3, replyMapping: 'resp3' })
    try {
      const seen: string[] = []
      client.on('message', (_channel, message) => seen.push(JSON.parse(message).action))
      // KUNWATCH does not work in ioredis 6, which takes its reply for an unsolicited one.
      expect(await client.call('KWATCH', '/a', '/b?recursive=true')).toBe(2)
      expect(await client.call('KSET', '/a', '1')).toEqual({
        action: 'set',
        node: { key: '/a', value: '1', modifiedIndex: 1, createdIndex: 1 },
        index: 1,
      })
      await expect.poll(() => seen).toEqual(['set'])
      expect(await client.call('KGET', '/')).toMatchObject({ node: { dir: true } })
      await client.unsubscribe('/a', '/b?recursive=true')
      expect(ktree.server.store.statsMap().watchers).toBe(0)
    } finally {
      client.disconnect()
    }
  })
})
