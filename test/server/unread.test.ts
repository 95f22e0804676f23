import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Config } from '../../src/config/config.ts'
import {
  ClientMemory,
  type KeepingClient,
  MIN_UNREAD_BYTES,
  type ReferringReplies,
} from '../../src/server/client-memory.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { looseValues, NEVER } from '../../src/store/loose-values.ts'
import { usedMemory } from './memory.ts'
import { eventually, frame, join, LogLines, type RawClient, start, visit } from './raw-client.ts'

const MB = 1024 ** 2

/** Resolves when the system has taken all that a client has written. */
async function written(client: RawClient): Promise<void> {
  await eventually(() => client.socket.writableLength === 0)
}

/** A number in CLIENT LIST for the client with this name. */
async function clientField(observer: RawClient, name: string, field: string): Promise<number> {
  const list = (await observer.call('CLIENT', 'LIST')) as string
  const line = list.split('\n').find((text) => text.includes(` name=${name} `)) ?? ''
  return Number(new RegExp(` ${field}=(\\d+)`).exec(line)?.[1])
}

const PONG = '+PONG\r\n'

describe('a client that writes its whole pipeline before it reads gets all replies', () => {
  const small = 'x'.repeat(100)
  const large = 'y'.repeat(100_000)
  const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`

  test.each([
    ['100,000 times GET of 100 bytes', frame('GET', 'small'), bulk(small), 100_000],
    [
      '100 times SET and GET of 100 KB',
      frame('SET', 'key', large) + frame('GET', 'key'),
      `+OK\r\n${bulk(large)}`,
      100,
    ],
    ['50 times KEYS, whose reply is made in pieces', frame('KEYS', 'k*'), undefined, 50],
  ])('%s', async (_, request, expected, count) => {
    const server = await start()
    server.store.set('/small', small)
    for (let i = 0; i < 2000; i++) server.store.set(`/k${i}${'-'.repeat(100)}`, '')
    const client = await join(server)
    client.write(request + frame('PING'))
    const reply = (await client.bytesUntil(PONG)).slice(0, -PONG.length)
    if (expected !== undefined) expect(reply === expected).toBe(true)
    client.socket.pause()
    client.write(request.repeat(count) + frame('PING'))
    await written(client)
    client.socket.resume()
    expect((await client.bytesUntil(PONG)) === reply.repeat(count) + PONG).toBe(true)
  })

  test('above the limit by memory, too', async () => {
    const server = await start({ directives: { maxmemory: '4mb' } })
    const client = await join(server)
    client.socket.pause()
    client.write(frame('PING', 'z'.repeat(10_000)).repeat(3000) + frame('PING'))
    await written(client)
    client.socket.resume()
    expect(await client.bytesUntil(PONG)).toHaveLength(
      3000 * 10_010 + PONG.length - 2 * 3000 + 6000,
    )
  })
})

describe('a client whose requests wait', () => {
  test('is read from up to client-query-buffer-limit, and then disconnected', async () => {
    const log = new LogLines()
    const clock = new ManualClock()
    const server = await start({
      clock,
      logger: pino({ level: 'warn' }, log),
      directives: {
        maxmemory: '4mb',
        'client-query-buffer-limit': '8mb',
        'proto-max-bulk-len': '1mb',
      },
    })
    const [client, observer] = [await join(server), await join(server)]
    await client.call('CLIENT', 'SETNAME', 'glutton')
    client.socket.pause()
    client.write(frame('PING', 'z'.repeat(100_000)).repeat(400))
    let most = 0
    while (
      server.config !== undefined &&
      !client.ended &&
      !log.holds('client-query-buffer-limit')
    ) {
      const input = await clientField(observer, 'glutton', 'qbuf')
      if (!Number.isNaN(input)) most = Math.max(most, input)
      // A client that reads nothing at all is read from a little more every second.
      clock.advance(1000)
    }
    expect(most).toBeGreaterThan(4 * MB)
    expect(most).toBeLessThan(9 * MB)
  })

  test('is slowed down instead while it reads', async () => {
    const server = await start({
      directives: {
        maxmemory: '4mb',
        'client-query-buffer-limit': '8mb',
        'proto-max-bulk-len': '1mb',
      },
    })
    const client = await join(server)
    client.write(frame('PING', 'z'.repeat(100_000)).repeat(400) + frame('PING'))
    expect((await client.bytesUntil(PONG)).length).toBeGreaterThan(40_000_000)
  })

  test('is not idle while it reads a long reply', async () => {
    const clock = new ManualClock()
    const server = await start({ clock, directives: { timeout: '10' } })
    server.store.set('/big', Buffer.alloc(40 * MB, 'x').toString('latin1'))
    const client = await visit(server)
    client.socket.pause()
    client.write(frame('GET', 'big').repeat(2))
    let received = 0
    client.socket.removeAllListeners('data')
    client.socket.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    for (let second = 1; second <= 30; second++) {
      client.socket.resume()
      await eventually(() => received >= second * MB)
      client.socket.pause()
      clock.advance(1000)
    }
    expect(client.ended).toBe(false)
    // A client that has stopped to read is idle, and is given a few seconds more to read.
    for (let second = 0; second < 20; second++) clock.advance(1000)
    client.socket.resume()
    await client.closed
    expect(received).toBeLessThan(80 * MB)
  })
})

test('a slow reader costs others nothing: they may leave unread as much as before', async () => {
  const server = await start({ directives: { maxmemory: '16mb' } })
  const [first, second, observer] = [await join(server), await join(server), await join(server)]
  for (const [client, name] of [
    [first, 'first'],
    [second, 'second'],
  ] as const) {
    await client.call('CLIENT', 'SETNAME', name)
    client.socket.pause()
    client.write(frame('PING', 'z'.repeat(10_000)).repeat(2000))
    await eventually(() => client.socket.writableLength < MB)
    for (let input = 0; input === 0; ) input = await clientField(observer, name, 'qbuf')
    expect(await clientField(observer, name, 'omem')).toBeLessThan(6 * MB)
  }
  for (const client of [second, first]) {
    client.socket.resume()
    client.write(frame('PING'))
    await client.bytesUntil(PONG)
  }
  expect(await observer.call('PING')).toBe('PONG')
})

describe('a client that leaves the end of a long value unread', () => {
  const VALUE = 'v'.repeat(8 * MB)

  test('keeps no more than the bytes that GETRANGE returns', async () => {
    const server = await start({ directives: { 'watch-history': '1' } })
    const [client, other] = [await join(server), await join(server)]
    await other.call('SET', 'key', VALUE)
    client.socket.pause()
    client.write(frame('GET', 'key').repeat(2))
    const before = usedMemory()
    for (let i = 0; i < 10; i++) {
      await other.call('SET', 'key', VALUE)
      client.write(frame('GETRANGE', 'key', '0', '70000'))
      await eventually(() => client.socket.writableLength === 0)
      await other.call('PING')
    }
    await other.call('FLUSHALL')
    await other.call('SET', 'another', 'x')
    expect(usedMemory() - before).toBeLessThan(24 * MB)
  })

  test('counts as having all of it, until the last bytes are with the system', async () => {
    const server = await start()
    const [client, observer] = [await join(server), await join(server)]
    await client.call('CLIENT', 'SETNAME', 'slow')
    const value = VALUE.repeat(4)
    await observer.call('SET', 'key', value)
    client.socket.pause()
    client.write(frame('GET', 'key'))
    await eventually(() => client.socket.writableLength === 0)
    let received = 0
    client.socket.removeAllListeners('data')
    client.socket.on('data', (chunk: Buffer) => {
      received += chunk.length
      if (received > 8 * MB) client.socket.pause()
    })
    client.socket.resume()
    await eventually(() => received > 8 * MB)
    expect(await clientField(observer, 'slow', 'omem')).toBeGreaterThanOrEqual(value.length)
  })
})

describe('all clients together', () => {
  const NOTHING: ReferringReplies = { refersSince: NEVER, looseBytes: () => 0 }
  const clientOf = (keptBytes: number, noEvict = false, heapBytes = 0, replies = NOTHING) => {
    const reasons: string[] = []
    return {
      keptBytes,
      heapBytes,
      replies,
      noEvict,
      reasons,
      disconnect: (reason: string) => void reasons.push(reason),
    }
  }

  test('may keep so much, and then the one that keeps the most is disconnected', () => {
    const memory = new ClientMemory(new Config(), 100 * MB)
    const [small, middle, large, spared] = [
      clientOf(1000),
      clientOf(30 * MB),
      clientOf(50 * MB),
      clientOf(60 * MB, true),
    ]
    expect(memory.evict([small, middle])).toBe(0)
    expect(memory.evict([small, middle, large, spared])).toBe(1)
    expect([small, middle, large, spared].map(({ reasons }) => reasons.length)).toEqual([
      0, 0, 1, 0,
    ])
    expect(large.reasons[0]).toContain('keeps the most: 52428800')
  })

  test('may keep less in a heap that is almost full, where unread replies do not lie', () => {
    const memory = new ClientMemory(new Config(), 80 * MB)
    const replies = clientOf(40 * MB)
    const requests = [1, 2, 3].map((n) => clientOf(n * 3 * MB, false, n * 3 * MB))
    expect(memory.evict([replies, ...requests])).toBe(0)
    expect(memory.evict([replies, ...requests], true)).toBe(1)
    expect(replies.reasons).toEqual([])
    expect(requests.map(({ reasons }) => reasons.length)).toEqual([0, 0, 1])
  })

  test('keep what the tree has no more, but together no more than has left it', () => {
    const memory = new ClientMemory(new Config(), 80 * MB)
    const refersSince = looseValues.mark
    looseValues.add(60 * MB)
    const readers = [1, 2, 3].map(() =>
      clientOf(0, false, 0, { refersSince, looseBytes: (inHeap) => (inHeap ? 0 : 60 * MB) }),
    )
    expect(memory.evict(readers, true)).toBe(0)
    expect(memory.evict([...readers, clientOf(30 * MB)])).toBe(1)
    expect(readers.map(({ reasons }) => reasons.length)).toEqual([1, 0, 0])
    expect(readers[0].reasons[0]).toContain(`keep ${90 * MB} bytes of unread replies`)
    expect(readers[0].reasons[0]).toContain(`keeps the most: ${60 * MB}`)
    const inHeap = clientOf(0, true, 0, { refersSince, looseBytes: () => 11 * MB })
    expect(memory.evict([inHeap])).toBe(0)
    expect(memory.evict([inHeap], true)).toBe(1)
  })

  test('are not asked what the tree has no more while too little has left it', () => {
    const memory = new ClientMemory(new Config(), 80 * MB)
    const looseBytes = (): number => expect.fail('has been asked')
    const { mark } = looseValues
    looseValues.add(5 * MB)
    const readers = [1, 2, 3].map(() => clientOf(MB, false, MB, { refersSince: mark, looseBytes }))
    expect(memory.evict(readers, true)).toBe(0)
  })

  test('are disconnected in spite of CLIENT NO-EVICT, the last of all, where the heap is almost full', () => {
    const memory = new ClientMemory(new Config(), 80 * MB)
    const spared = [1, 2, 3].map((n) => clientOf(n * 3 * MB, true, n * 3 * MB))
    const other = clientOf(MB, false, MB)
    expect(memory.evict([...spared, other])).toBe(0)
    expect(memory.evict([...spared, other], true)).toBe(2)
    expect([...spared, other].map(({ reasons }) => reasons.length)).toEqual([0, 0, 1, 1])
  })

  test('are looked at after so much input that waits, and not only every second', () => {
    const memory = new ClientMemory(new Config(), 160 * MB)
    expect(memory.noteWaiting(9 * MB)).toBe(false)
    expect(memory.noteWaiting(2 * MB)).toBe(true)
    memory.evict([])
    expect(memory.noteWaiting(9 * MB)).toBe(false)
  })

  test('are looked at sooner, and may keep less, where little is left of the heap', () => {
    const memory = new ClientMemory(new Config(), 160 * MB)
    memory.evict([], true, 16 * MB)
    expect(memory.noteWaiting(0.4 * MB)).toBe(false)
    expect(memory.noteWaiting(0.2 * MB)).toBe(true)
    const clients = [1, 2, 3, 4].map((n) => clientOf(n * MB, false, n * MB))
    expect(memory.evict(clients, true, 16 * MB)).toBe(1)
    expect(memory.evict(clients.slice(0, 1), true, 0)).toBe(0)
    expect(clients.map(({ reasons }) => reasons.length)).toEqual([0, 0, 0, 1])
    memory.evict([], false, 1024 * MB)
    expect(memory.noteWaiting(9 * MB)).toBe(false)
  })

  test('leave less room for each, but always some', () => {
    const memory = new ClientMemory(new Config(), 100 * MB)
    expect(memory.admits(25 * MB)).toBe(true)
    expect(memory.admits(25 * MB + 1)).toBe(false)
    memory.noteUnread(51 * MB)
    expect(memory.admits(MIN_UNREAD_BYTES + 1)).toBe(false)
    expect(memory.admits(MIN_UNREAD_BYTES)).toBe(true)
    memory.noteUnread(-2 * MB)
    expect(memory.admits(25 * MB)).toBe(true)
  })

  test('are counted exactly, whatever becomes of the replies', async () => {
    const notes: number[] = []
    const spied = ClientMemory.prototype.noteUnread
    ClientMemory.prototype.noteUnread = function (bytes) {
      notes.push(bytes)
      spied.call(this, bytes)
    }
    try {
      const server = await start()
      server.store.set('/big', Buffer.alloc(5 * MB, 'x').toString('latin1'))
      const [reader, leaver] = [await join(server), await visit(server)]
      for (const client of [reader, leaver]) {
        client.socket.pause()
        client.write(frame('GET', 'big').repeat(3) + frame('KEYS', '*'))
      }
      const unread = (): number => notes.reduce((sum, bytes) => sum + bytes, 0)
      await eventually(() => unread() > 20 * MB)
      await leaver.vanish()
      reader.socket.resume()
      await reader.take(4)
      await eventually(() => unread() === 0)
    } finally {
      ClientMemory.prototype.noteUnread = spied
    }
  })
})

describe('a client that reads nothing counts with what its replies keep of the tree', () => {
  const FILES = 15_000
  const LARGE = 4 * MB
  const paths = Array.from({ length: FILES }, (_, i) => `/small/${i}`)
  /** Changes all small values. */
  const SMALL = 'small'
  /** The replies alone have what they refer to. */
  const NOTHING = ''

  const times = (count: number, request: string): string[] => Array<string>(count).fill(request)
  const nameOf = (request: string): string =>
    /\$\d+\r\n(\w+)/.exec(request)?.[1].toLowerCase() ?? ''

  /** Waits until a command has been called so often. */
  async function called(observer: RawClient, name: string, count: number): Promise<void> {
    const calls = new RegExp(`cmdstat_${name}:calls=(\\d+)`)
    let seen = 0
    while (seen < count) {
      const info = (await observer.call('INFO', 'commandstats')) as string
      seen = Number(calls.exec(info)?.[1] ?? 0)
    }
  }

  /** The last two: what changes in the tree, and the bytes that the replies keep then. */
  test.each<[string, readonly string[], string, number]>([
    ['MGET', [frame('MGET', ...paths)], SMALL, 15 * MB],
    ['KGET', [frame('KGET', '/small', 'RECURSIVE')], SMALL, 15 * MB],
    ['KSAVE', [frame('KSAVE')], SMALL, 15 * MB],
    ['10 times GET', times(10, frame('GET', 'large/0')), 'SET large/0 x', LARGE],
    ['10 times KGET', times(10, frame('KGET', 'large/0')), 'DEL large/0', LARGE],
    ['2 times GET', times(2, frame('GET', 'large/0')), 'KDEL /large RECURSIVE', 2 * LARGE],
    // And two or three replies before it.
    ['30 times GET', times(30, frame('GET', 'large/0')), 'FLUSHALL', 32 * LARGE],
    ['GETDEL', [frame('GETDEL', 'large/0'), frame('GETDEL', 'large/1')], NOTHING, 2 * LARGE],
    ['GETEX', [frame('GETEX', 'large/0', 'PXAT', 1)], NOTHING, LARGE],
    ['GETSET', [frame('GETSET', 'large/0', '')], NOTHING, LARGE],
    ['SET GET', [frame('SET', 'large/1', '', 'GET')], NOTHING, LARGE],
    ['KDEL', [frame('KDEL', '/large/0')], NOTHING, LARGE],
    ['KSET', [frame('KSET', '/large/0', '')], NOTHING, LARGE],
    ['GETRANGE', times(16, frame('GETRANGE', 'large/0', 0, MB)), NOTHING, 16 * MB],
    ['DUMP', times(2, frame('DUMP', 'random')), NOTHING, 2 * LARGE],
    ['ECHO', times(2, frame('ECHO', 'e'.repeat(LARGE))), NOTHING, 2 * LARGE],
    ['PING', times(2, frame('PING', 'e'.repeat(LARGE))), NOTHING, 2 * LARGE],
  ])('%s', async (_, requests, change, kept) => {
    let clients: KeepingClient[] = []
    const evict = vi.spyOn(ClientMemory.prototype, 'evict').mockImplementation((all) => {
      clients = [...all]
      return 0
    })
    onTestFinished(() => evict.mockRestore())
    const clock = new ManualClock()
    const server = await start({ clock })
    const { store } = server
    for (const path of paths) store.set(path, 'x'.repeat(1024))
    store.set('/random', randomBytes(LARGE))
    for (const name of ['0', '1']) store.set(`/large/${name}`, Buffer.alloc(LARGE, 1))
    const [client, observer] = [await join(server), await join(server)]
    /** What all clients keep. */
    const loose = (inHeap: boolean): number => {
      clock.advance(1000)
      return clients.reduce((sum, { replies }) => sum + replies.looseBytes(inHeap), 0)
    }
    client.socket.pause()
    // The system takes the replies to some of these, and what comes then waits here.
    const all = [...times(3, frame('GET', 'random')), ...requests]
    client.write(all.join(''))
    const last = nameOf(all.at(-1) ?? '')
    await called(observer, last, all.filter((request) => nameOf(request) === last).length)
    if (change !== NOTHING) {
      expect(loose(false)).toBeLessThan(MB)
      if (change !== SMALL) await observer.call(...change.split(' '))
      else for (const path of paths) store.set(path, '')
    }
    await eventually(() => loose(false) > 0.95 * kept)
    // What the request itself removes counts twice.
    expect(loose(false)).toBeLessThan((change === NOTHING ? 2.05 : 1.05) * kept + MB)
    expect(loose(true) > 0.95 * kept).toBe(change === SMALL)
    client.socket.resume()
    client.write(frame('ECHO', 'the end'))
    await client.bytesUntil('$7\r\nthe end\r\n')
    expect(loose(false)).toBe(0)
  })
})

test('a monitor is not disconnected for a long line, as in Redis', async () => {
  const server = await start()
  const [monitor, client] = [await join(server), await join(server)]
  await monitor.call('MONITOR')
  const value = Buffer.alloc(40 * MB, '\x01').toString('latin1')
  await client.call('CONFIG', 'SET', 'proto-max-bulk-len', '64mb')
  monitor.socket.pause()
  expect(await client.call('SET', 'k', value)).toBe('OK')
  expect(await client.call('PING')).toBe('PONG')
  monitor.socket.resume()
  const lines = await monitor.bytesUntil('"PING"\r\n')
  expect(lines.includes(` "SET" "k" "${'\\x01'.repeat(40 * MB)}"\r\n+`)).toBe(true)
})

test.each([
  ['COMMAND', 'GETKEYS', 'MGET'],
  ['COMMAND', 'GETKEYSANDFLAGS', 'MGET'],
  ['PUBSUB', 'NUMSUB'],
  ['ACL user', 'PUBSUB', 'NUMSUB'],
])('names that a reply to %s %s repeats count until they are sent', async (...words) => {
  const names = Array.from({ length: 2500 }, (_, i) => String(i).padStart(8000, 'n'))
  const server = await start()
  const [client, observer] = [await join(server), await join(server)]
  if (words[0] === 'ACL user') {
    words.shift()
    await client.call('ACL', 'SETUSER', 'u', 'on', 'nopass', 'allchannels', '~u', '+@all')
    await client.call('AUTH', 'u', 'any')
  }
  client.socket.pause()
  client.send(...words, ...names)
  const unread = async (): Promise<number> => {
    const list = (await observer.call('CLIENT', 'LIST')) as string
    return Math.max(...[...list.matchAll(/ omem=(\d+)/g)].map(([, bytes]) => Number(bytes)))
  }
  await expect.poll(unread, { timeout: 10_000 }).toBeGreaterThan(19 * MB)
  expect(await unread()).toBeLessThan(23 * MB)
  client.socket.resume()
  expect(await client.next()).toHaveLength(words[0] === 'PUBSUB' ? 5000 : 2500)
})
