import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { ErrorReply, join, LogLines, Push, type Reply, start, subscribed } from './raw-client.ts'

/** A message's event. */
function eventOf(reply: Reply): {
  action: string
  index: number
  node: Record<string, unknown>
  prevNode?: Record<string, unknown>
} {
  const items = reply instanceof Push ? reply.items : (reply as Reply[])
  return JSON.parse(Buffer.from(items.at(-1) as string, 'latin1').toString('utf8'))
}

const indexes = (replies: readonly Reply[]): number[] =>
  replies.map((reply) => eventOf(reply).index)

describe.each(['KWATCH', 'SUBSCRIBE'])('%s', (command) => {
  test.each([2, 3] as const)('confirms and delivers in RESP%i', async (protocol) => {
    const server = await start()
    const [watcher, writer] = [await join(server, protocol), await join(server)]
    const wrap = (items: Reply[]): Reply => (protocol === 3 ? new Push(items) : items)
    watcher.send(command, '/jobs?recursive=true', '/one')
    expect(await watcher.take(2)).toEqual([
      wrap(['subscribe', '/jobs?recursive=true', 1]),
      wrap(['subscribe', '/one', 2]),
    ])
    await writer.call('KSET', '/jobs/a', 'x')
    await writer.call('KSET', '/elsewhere', 'x')
    await writer.call('KSET', '/one', 'y')
    const json = (key: string, value: string, index: number): string =>
      `{"action":"set","node":{"key":"${key}","value":"${value}","modifiedIndex":${index},"createdIndex":${index}},"index":${index}}`
    expect(await watcher.take(2)).toEqual([
      wrap(['message', '/jobs?recursive=true', json('/jobs/a', 'x', 1)]),
      wrap(['message', '/one', json('/one', 'y', 3)]),
    ])
  })

  test('replays from an index and then goes live', async () => {
    const server = await start()
    const [watcher, writer] = [await join(server), await join(server)]
    for (const value of ['1', '2', '3', '4']) await writer.call('KSET', '/a', value)
    await watcher.call(command, '/a?since=2')
    await writer.call('KSET', '/a', '5')
    expect(indexes(await watcher.take(4))).toEqual([2, 3, 4, 5])
  })

  test('delivers nothing before a future index', async () => {
    const server = await start()
    const [watcher, writer] = [await join(server), await join(server)]
    await watcher.call(command, '/a?since=3')
    expect([server.store.hub.count, server.store.hub.idle]).toEqual([1, true])
    for (const value of ['1', '2', '3', '4']) await writer.call('KSET', '/a', value)
    expect(indexes(await watcher.take(2))).toEqual([3, 4])
  })

  test.each([
    [
      '/a?color=red',
      "ERR bad tree channel: unknown option 'color', known are recursive=true and since=index (a key with a question mark can be watched from its directory)",
    ],
    ['/a?since=-1', "ERR bad tree channel: option 'since' must be an index, 0 or more"],
    ['/a?since=', "ERR bad tree channel: option 'since' must be an index, 0 or more"],
    ['/a?recursive=1', "ERR bad tree channel: option 'recursive' must be true or false"],
    ['/a?since=1&since=1', "ERR bad tree channel: option 'since' is given twice"],
  ])('refuses %s and subscribes to nothing', async (channel, error) => {
    const server = await start()
    const client = await join(server)
    expect(await client.call(command, '/good', channel)).toEqual(new ErrorReply(error))
    expect(await client.call('PUBSUB', 'CHANNELS')).toEqual([])
    expect(server.store.hub.count).toBe(0)
  })

  test('fails only if the history has dropped an event that it watches', async () => {
    const server = await start({ directives: { 'watch-history': '3' } })
    const client = await join(server, 3)
    await client.call('KSET', '/quiet', '1')
    for (let i = 0; i < 10; i++) await client.call('KSET', '/busy', String(i))
    expect(await client.call(command, '/busy?since=2')).toEqual(
      new ErrorReply(
        'EVENTINDEXCLEARED 401 The event in requested index is outdated and cleared (the requested history has been cleared [9/2]) [11]',
      ),
    )
    expect(await client.call(command, '/quiet?since=1')).toBeInstanceOf(ErrorReply)
    expect(await client.call(command, '/quiet?since=2')).toEqual(
      new Push(['subscribe', '/quiet?since=2', 1]),
    )
    await client.call(command, '/busy?since=9')
    expect(indexes(await client.take(3))).toEqual([9, 10, 11])
  })
})

test('KWATCH takes tree channels only', async () => {
  const client = await join(await start())
  expect(await client.call('KWATCH', 'news')).toBeInstanceOf(ErrorReply)
})

test.each(['KUNWATCH', 'UNSUBSCRIBE'])('%s ends one stream, or all streams', async (command) => {
  const server = await start()
  const client = await join(server)
  client.send('KWATCH', '/a', '/b', '/c')
  await client.take(3)
  expect(await client.call(command, '/b')).toEqual(['unsubscribe', '/b', 2])
  expect(server.store.hub.count).toBe(2)
  client.send(command)
  expect(await client.take(2)).toEqual([
    ['unsubscribe', '/a', 1],
    ['unsubscribe', '/c', 0],
  ])
  expect(server.store.hub.count).toBe(0)
  await client.call('KSET', '/a', '1')
  expect(await client.untilPong()).toEqual([])
})

test('in RESP2 a watching client may only use the commands that Redis allows', async () => {
  const client = await join(await start())
  await client.call('KWATCH', '/a')
  expect(await client.call('KGET', '/a')).toEqual(
    new ErrorReply(
      "ERR Can't execute 'kget': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
    ),
  )
  expect(await client.call('PING')).toEqual(['pong', ''])
  expect(await client.call('RESET')).toBe('RESET')
  expect(await client.call('KINDEX')).toBe(0)
})

test('in RESP3 the connection stays usable, and gets the events of its own writes', async () => {
  const client = await join(await start(), 3)
  await client.call('KWATCH', '/?recursive=true')
  client.send('KSET', '/a', '1')
  client.send('KSET', '/a/b', '1')
  client.send('KDEL', '/a')
  const replies = await client.take(5)
  expect(indexes(replies.filter((reply) => reply instanceof Push))).toEqual([1, 2])
  expect(replies.filter((reply) => reply instanceof ErrorReply)).toHaveLength(1)
  expect(replies.filter((reply) => Array.isArray(reply))).toHaveLength(2)
})

test('a client gets the events of its own command even if the command fails', async () => {
  const clock = new ManualClock()
  const server = await start({ clock })
  const client = await join(server, 3)
  await client.call('KSET', '/d/due', '1', 'PX', '100')
  await client.call('KSET', '/d/stays', '1')
  await client.call('KWATCH', '/d?recursive=true')
  // The key is due, and only the command itself can expire it.
  const now = clock.now()
  clock.now = () => now + 200
  client.send('KDEL', '/d', 'DIR')
  const [first, second] = await client.take(2)
  const push = [first, second].find((reply) => reply instanceof Push)
  expect(eventOf(push as Reply)).toMatchObject({ action: 'expire', index: 3 })
  expect([first, second].find((reply) => reply instanceof ErrorReply)).toMatchObject({
    text: expect.stringMatching(/^DIRNOTEMPTY /),
  })
})

test('PSUBSCRIBE matches the keys of all events', async () => {
  const server = await start()
  const [client, writer] = [await join(server), await join(server)]
  expect(await client.call('PSUBSCRIBE', '/jobs/*/s[0-9]')).toEqual([
    'psubscribe',
    '/jobs/*/s[0-9]',
    1,
  ])
  await writer.call('KSET', '/jobs/x/y/s1', '1')
  await writer.call('KSET', '/jobs/x/sa', '1')
  await writer.call('KDEL', '/jobs/x/y/s1')
  const replies = await client.untilPong()
  expect(replies.map((reply) => (reply as Reply[]).slice(0, 3))).toEqual([
    ['pmessage', '/jobs/*/s[0-9]', '/jobs/x/y/s1'],
    ['pmessage', '/jobs/*/s[0-9]', '/jobs/x/y/s1'],
  ])
  expect(indexes(replies)).toEqual([1, 3])
  expect(await client.call('PUNSUBSCRIBE')).toEqual(['punsubscribe', '/jobs/*/s[0-9]', 0])
})

test('ordinary channels work as in Redis, and PUBLISH refuses a tree channel', async () => {
  const server = await start()
  const [client, publisher] = [await join(server), await join(server)]
  await client.call('SUBSCRIBE', 'news')
  await client.call('SUBSCRIBE', '/news')
  await client.call('PSUBSCRIBE', 'n*')
  expect(await publisher.call('PUBLISH', 'news', 'hi')).toBe(2)
  expect(await client.take(2)).toEqual([
    ['message', 'news', 'hi'],
    ['pmessage', 'n*', 'news', 'hi'],
  ])
  expect(await publisher.call('PUBLISH', '/news', 'hi')).toBeInstanceOf(ErrorReply)
  expect(await publisher.call('PUBSUB', 'NUMSUB', 'news', '/news')).toEqual(['news', 1, '/news', 1])
  expect(await client.untilPong()).toEqual([])
})

test('hidden keys are seen only by watchers at or below their hidden component', async () => {
  const server = await start()
  const [client, writer] = [await join(server), await join(server)]
  client.send('KWATCH', '/a?recursive=true', '/a/_b?recursive=true', '/a/_b/c')
  await client.take(3)
  await writer.call('KSET', '/a/_b/c', '1')
  const replies = await client.untilPong()
  expect(replies.map((reply) => (reply as Reply[])[1]).sort()).toEqual([
    '/a/_b/c',
    '/a/_b?recursive=true',
  ])
})

test('a watcher below a directory sees its delete and its expiry', async () => {
  const clock = new ManualClock()
  const server = await start({ clock })
  const [client, writer] = [await join(server), await join(server)]
  await writer.call('KSET', '/d/e/f', '1')
  client.send('KWATCH', '/d/e/f', '/d/e/missing', '/dd')
  await client.take(3)
  await writer.call('KDEL', '/d', 'RECURSIVE')
  expect((await client.untilPong()).map((reply) => eventOf(reply).node.key)).toEqual(['/d', '/d'])
  await writer.call('KMKDIR', '/d/e', 'PX', '50')
  clock.advance(50)
  const replies = await client.untilPong()
  expect(replies.map((reply) => eventOf(reply).action)).toEqual(['expire', 'expire'])
})

test('a refresh notifies nobody', async () => {
  const server = await start()
  const [client, writer] = [await join(server), await join(server)]
  await writer.call('KSET', '/a', '1', 'EX', '100')
  client.send('KWATCH', '/a', '/a?since=1')
  await client.take(2)
  await writer.call('KSET', '/a', '', 'EX', '200', 'REFRESH')
  await writer.call('KUPDATE', '/a', '', 'EX', '300', 'REFRESH')
  await writer.call('KCAS', '/a', '', 'PREVVALUE', '1', 'EX', '400', 'REFRESH')
  expect(await writer.call('KINDEX')).toBe(4)
  expect(indexes(await client.untilPong())).toEqual([1])
})

test('values of any bytes arrive unchanged', async () => {
  const server = await start()
  const [client, writer] = [await join(server), await join(server)]
  await client.call('KWATCH', '/v')
  const text = Buffer.from('"Grüße"\n\u2028', 'utf8')
  const binary = Buffer.from([0, 255, 254, 13, 10])
  await writer.call('KSET', '/v', text.toString('latin1'))
  await writer.call('KSET', '/v', binary.toString('latin1'))
  const [first, second] = (await client.take(2)).map(eventOf)
  expect(first.node.value).toBe(text.toString('utf8'))
  expect(first.node.encoding).toBeUndefined()
  expect(second.node.encoding).toBe('base64')
  expect(Buffer.from(second.node.value as string, 'base64')).toEqual(binary)
  expect(second.prevNode?.value).toBe(text.toString('utf8'))
})

describe('a watcher that does not read', () => {
  const VALUE = 'v'.repeat(20_000)
  const ROOMY = { 'watch-history': '5000', 'watch-history-memory': '64mb' }

  test('gets a long replay at its own pace, and then the events since', async () => {
    const server = await start({ directives: ROOMY })
    const [client, writer] = [await join(server), await join(server)]
    for (let i = 0; i < 1000; i++) writer.send('KSET', '/big', VALUE)
    await writer.take(1000)
    await client.call('KWATCH', '/quiet')
    client.socket.pause()
    client.send('KWATCH', '/big?since=1')
    await subscribed(writer, '/big?since=1')
    for (let i = 0; i < 100; i++) writer.send('KSET', '/big', VALUE)
    await writer.take(100)
    client.socket.resume()
    const replies = (await client.take(1101)).slice(1)
    expect(indexes(replies)).toEqual(Array.from({ length: 1100 }, (_, i) => i + 1))
    expect(await client.untilPong()).toEqual([])
  })

  test('may leave and come back in the middle of its replay', async () => {
    const server = await start({ directives: ROOMY })
    const [client, other, writer] = [await join(server), await join(server), await join(server)]
    const channel = '/big?since=1'
    // Keeps the channel's stream alive while the client is not subscribed.
    await other.call('KWATCH', channel)
    for (let i = 0; i < 500; i++) writer.send('KSET', '/big', VALUE)
    await writer.take(500)
    await other.take(500)
    const ROUNDS = 20
    for (let i = 0; i < ROUNDS; i++) {
      client.send('KWATCH', channel)
      client.send('KUNWATCH', channel)
    }
    client.send('KWATCH', channel)
    for (let round = 0; round <= ROUNDS; round++) {
      expect(await client.next()).toEqual(['subscribe', channel, 1])
      for (let index = 1; round < ROUNDS || index <= 500; index++) {
        const reply = (await client.next()) as Reply[]
        if (reply[0] === 'unsubscribe') break
        expect(eventOf(reply).index).toBe(index)
      }
    }
    await writer.call('KSET', '/big', 'end')
    expect(indexes(await client.untilPong())).toEqual([501])
  })

  test('is disconnected when the history has dropped an event that its replay still needs', async () => {
    const log = new LogLines()
    const server = await start({
      directives: { ...ROOMY, 'watch-history': '1000' },
      logger: pino({ level: 'warn' }, log),
    })
    const [client, writer] = [await join(server), await join(server)]
    for (let i = 0; i < 1000; i++) writer.send('KSET', '/big', VALUE)
    await writer.take(1000)
    client.socket.pause()
    client.send('KWATCH', '/big?since=1')
    await subscribed(writer, '/big?since=1')
    // The history drops all events that the client has not been sent yet.
    for (let i = 0; i < 1001; i++) writer.send('KSET', '/big', '')
    await writer.take(1001)
    client.socket.resume()
    await client.closed
    expect(log.holds('a watcher replays too slowly')).toBe(true)
    expect(await writer.call('PING')).toBe('PONG')
  })

  test('is disconnected beyond the output limit, and slows no other client', async () => {
    const log = new LogLines()
    const server = await start({
      directives: { 'client-output-buffer-limit': ['pubsub', '2mb', '0', '0'] },
      logger: pino({ level: 'warn' }, log),
    })
    const [slow, fast, writer] = [await join(server), await join(server), await join(server)]
    await slow.call('KWATCH', '/big')
    await fast.call('KWATCH', '/big')
    slow.socket.pause()
    for (let i = 1; i <= 1000; i++) {
      await writer.call('KSET', '/big', VALUE)
      expect(eventOf(await fast.next()).index).toBe(i)
    }
    expect(log.holds('over the hard limit of 2097152')).toBe(true)
    expect(server.store.hub.count).toBe(1)
    slow.socket.resume()
    await slow.closed
  })

  test('beyond the output limit an EXEC makes no more messages for it', async () => {
    const server = await start({
      directives: { 'client-output-buffer-limit': ['pubsub', '1mb', '0', '0'] },
    })
    const [slow, writer] = [await join(server), await join(server)]
    await slow.call('SUBSCRIBE', '/?recursive=true')
    const watching: number[] = []
    server.store.hub.addEverywhere(() => watching.push(server.store.hub.count))
    await writer.call('MULTI')
    for (let i = 0; i < 100; i++) await writer.call('SET', 'big', 'x'.repeat(100_000))
    await writer.call('EXEC')
    expect(watching.length).toBe(100)
    expect(watching.filter((count) => count > 0).length).toBeLessThan(50)
    await slow.closed
  })

  test.each([
    ['alone', ['/?recursive=true']],
    ['beside another channel', ['/?recursive=true', 'other']],
  ])(
    'one request brings it no more than its limit, although the system takes all at once: %s',
    async (_, channels) => {
      const server = await start({
        directives: { 'client-output-buffer-limit': ['pubsub', '1mb', '0', '0'] },
      })
      const [watcher, writer] = [await join(server), await join(server)]
      watcher.send('SUBSCRIBE', ...channels)
      await watcher.take(channels.length)
      // Each of these requests brings it less.
      for (let i = 0; i < 12_000; i += 3000) {
        const pairs = Array.from({ length: 3000 }, (_, j) => [`d/${i + j}`, 'x'])
        await writer.call('MSET', ...pairs.flat())
        await watcher.take(3000)
      }
      const watching: number[] = []
      server.store.hub.addEverywhere(() => watching.push(server.store.hub.count))
      await writer.call('RENAME', 'd', 'e')
      expect(watching.length).toBeGreaterThan(12_000)
      expect(watching.filter((count) => count > 0).length).toBeLessThan(9000)
      await watcher.closed
      expect(await writer.call('GET', 'e/1')).toBe('x')
    },
  )
})
