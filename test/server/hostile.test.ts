import fc from 'fast-check'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { usedMemory } from './memory.ts'
import {
  ErrorReply,
  eventually,
  frame,
  join,
  LogLines,
  type RawClient,
  type Reply,
  start,
  visit,
} from './raw-client.ts'

const MB = 1024 ** 2

/** A number in CLIENT LIST for the client with this name. */
async function clientField(observer: RawClient, name: string, field: string): Promise<number> {
  const list = (await observer.call('CLIENT', 'LIST')) as string
  const line = list.split('\n').find((text) => text.includes(` name=${name} `)) ?? ''
  return Number(new RegExp(` ${field}=(\\d+)`).exec(line)?.[1])
}

const path = fc.constantFrom('/', '/a', '/a/b', '/a/_h', '/q', '//x/../y', '')
const text = fc.oneof(
  fc.constantFrom('', '1', '-1', 'x'.repeat(300)),
  fc.string({ unit: 'binary' }),
)
const request = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom('KSET', 'KCREATE', 'KUPDATE'), path, text) },
  fc.tuple(fc.constant('KSET'), path, text, fc.constantFrom('EX', 'PX', 'EXAT', 'PXAT'), text),
  fc.tuple(fc.constant('KGET'), path, fc.constantFrom('RECURSIVE', 'SORTED')),
  fc.tuple(fc.constant('KCAS'), path, text, fc.constantFrom('PREVVALUE', 'PREVINDEX'), text),
  fc.tuple(fc.constant('KDEL'), path, fc.constantFrom('DIR', 'RECURSIVE')),
  fc.tuple(fc.constantFrom('KWATCH', 'SUBSCRIBE', 'KWAIT', 'PSUBSCRIBE'), path),
  fc.constantFrom('/a?since=1', '/?recursive=true&since=1').map((channel) => ['KWATCH', channel]),
  fc.tuple(fc.constant('KRECOVER'), text),
  fc.constantFrom(
    ['KSAVE'],
    ['KSTATS'],
    ['INFO'],
    ['HELLO', '3'],
    ['HELLO', '3', 'SETNAME', 'n'],
    ['CLIENT', 'LIST'],
    ['CLIENT', 'REPLY', 'SKIP'],
    ['CONFIG', 'GET', '*'],
    ['COMMAND', 'DOCS', 'kset'],
    ['MONITOR'],
    ['RESET'],
    ['QUIT'],
  ),
)

const edit = fc.record({
  at: fc.nat(),
  remove: fc.nat({ max: 3 }),
  insert: fc.constantFrom(
    '',
    '\0',
    '\r',
    '\n',
    '\r\n',
    '*',
    '$',
    '-',
    '9',
    '999999999',
    '"',
    '\xff',
  ),
})

const mutated = fc
  .tuple(
    fc.array(
      request.map((args) => frame(...(args as string[]))),
      { minLength: 1, maxLength: 4 },
    ),
    fc.array(edit, { minLength: 1, maxLength: 4 }),
  )
  .map(([frames, edits]) =>
    edits.reduce((bytes, { at, remove, insert }) => {
      const place = at % (bytes.length + 1)
      return bytes.slice(0, place) + insert + bytes.slice(place + remove)
    }, frames.join('')),
  )

test('mutated requests do not crash the server, block it or fill its memory', async () => {
  const total = Number(process.env.KTREE_MUTATIONS ?? 2500)
  const log = new LogLines()
  const server = await start({ logger: pino({ level: 'error' }, log) })
  const observer = await join(server)
  let first = 0
  let sent = 0
  const batches = fc.array(mutated, { minLength: 20, maxLength: 20 })
  while (sent < total) {
    await fc.assert(
      fc.asyncProperty(batches, async (batch) => {
        const clients = await Promise.all(batch.map(() => visit(server)))
        for (const [i, client] of clients.entries()) {
          client.socket.end(Buffer.from(batch[i], 'latin1'))
        }
        await Promise.all(clients.map((client) => client.closed))
        sent += batch.length
        expect(await observer.call('PING')).toBe('PONG')
      }),
      { numRuns: 50 },
    )
    await observer.call('KDEL', '/a', 'RECURSIVE')
    if (first === 0) first = usedMemory()
  }
  expect(log.lines).toEqual([])
  expect(server.store.hub.count).toBe(0)
  expect(((await observer.call('CLIENT', 'LIST')) as string).trim().split('\n')).toHaveLength(1)
  if (process.env.KTREE_MUTATIONS) console.log(`grown by ${(usedMemory() - first) / MB} MB`)
  expect(usedMemory() - first).toBeLessThan(8 * MB)
}, 600_000)

test.each([
  [
    'a form',
    'POST / HTTP/1.1\r\nHost: localhost\r\n\r\n*3\r\n$4\r\nKSET\r\n$2\r\n/a\r\n$1\r\n1\r\n',
  ],
  ['a page', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\nKSET /a 1\r\n'],
])('a browser is disconnected before its request does anything: %s', async (_, bytes) => {
  const log = new LogLines()
  const server = await start({ logger: pino({ level: 'warn' }, log) })
  const client = await join(server)
  client.write(bytes)
  await client.closed
  expect(server.store.index).toBe(0)
  expect(log.holds('it speaks HTTP')).toBe(true)
})

describe('a client that never reads', () => {
  test.each([
    ['large', ['KGET', '/big'], 20_000],
    ['small', ['PING'], 4_000_000],
  ])('and asks for %s replies is no longer served above a limit', async (_, args, count) => {
    const server = await start()
    const [client, observer] = [await join(server), await join(server)]
    await observer.call('KSET', '/big', 'x'.repeat(MB))
    // The limit for one client is a quarter of it.
    await observer.call('CONFIG', 'SET', 'maxmemory', '16mb')
    await client.call('CLIENT', 'SETNAME', 'glutton')
    client.socket.pause()
    client.write(frame(...args).repeat(count))
    // Requests come to wait, while the unread output stays small.
    for (let waiting = 0; waiting === 0; ) {
      for (let i = 0; i < 20; i++) await observer.call('PING')
      waiting = await clientField(observer, 'glutton', 'qbuf')
      expect(await clientField(observer, 'glutton', 'omem')).toBeLessThan(6 * MB)
    }
    await client.vanish()
    await eventually(() => client.ended)
    expect(await observer.call('PING')).toBe('PONG')
  })
})

test('a client that reads late gets all of its replies, in order', async () => {
  const server = await start()
  const client = await join(server)
  client.socket.pause()
  const count = 300_000
  let requests = ''
  for (let i = 0; i < count; i++) requests += frame('PING', i)
  client.write(requests)
  const observer = await join(server)
  for (let i = 0; i < 50; i++) await observer.call('PING')
  client.socket.resume()
  for (let i = 0; i < count; i++) {
    const reply = await client.next()
    if (reply !== String(i)) expect(reply).toBe(String(i))
  }
})

test('a long pipeline yields to other clients', async () => {
  const server = await start({ directives: { 'watch-history': '100000' } })
  for (let i = 0; i < 100_000; i++) server.store.set('/busy', '')
  const [greedy, other] = [await join(server), await join(server)]
  // Each request searches the whole history, and finds nothing.
  for (let i = 1; i <= 100; i++) greedy.send('KWATCH', `/quiet?since=${i}`)
  expect(await other.call('PING')).toBe('PONG')
  expect(greedy.unread.split('subscribe').length).toBeLessThan(100)
  await greedy.take(100)
})

test.each([
  ['SET', (key: string) => ['SET', key, 'v']],
  ['KSET with a TTL', (key: string) => ['KSET', key, 'v', 'EX', '1000']],
])(
  'many events keep little more than their keys, whatever was sent between the requests: %s',
  async (_, request) => {
    const server = await start({ directives: { 'watch-history': '20000' } })
    const client = await join(server)
    const between = frame('ECHO', 'x'.repeat(1750)).repeat(2)
    const before = usedMemory()
    for (let round = 0; round < 20; round++) {
      let requests = ''
      for (let i = 0; i < 1000; i++) {
        requests += frame(...request(`/a-long-name-to-be-cut-${i % 7}`)) + between
      }
      client.write(requests + frame('PING'))
      await client.bytesUntil('+PONG\r\n')
    }
    expect(server.store.history.size).toBe(20_000)
    expect(usedMemory() - before).toBeLessThan(40 * MB)
  },
)

test('queued requests keep little more than their arguments, whatever was sent between them', async () => {
  const server = await start()
  const client = await join(server)
  await client.call('MULTI')
  // WATCH is refused here, which does not fail the transaction.
  const between = frame('WATCH', 'x'.repeat(3900))
  const before = usedMemory()
  for (let round = 0; round < 10; round++) {
    client.write(
      (frame('GET', '/a-long-name-to-be-cut') + between).repeat(1000) + frame('GET', 'x'),
    )
    await client.take(2001)
  }
  expect(usedMemory() - before).toBeLessThan(10 * MB)
})

test('a blocked client that keeps sending is no longer read, and its end is noticed', async () => {
  const clock = new ManualClock()
  const server = await start({ clock })
  const [client, observer] = [await join(server), await join(server)]
  await client.call('CLIENT', 'SETNAME', 'talker')
  client.send('KWAIT', '/never')
  await eventually(() => server.store.hub.count === 1)
  client.write(frame('KSET', '/a', 'x'.repeat(1000)).repeat(30_000))
  for (let i = 0; i < 200; i++) await observer.call('PING')
  expect(await clientField(observer, 'talker', 'qbuf')).toBeLessThan(2 * MB)
  expect(server.store.index).toBe(0)
  client.socket.destroy()
  while (server.store.hub.count > 0) {
    clock.advance(1000)
    await observer.call('PING')
  }
  expect(await observer.call('KINDEX')).toBe(0)
})

test('clients that vanish in the middle of a frame leave nothing behind', async () => {
  const server = await start()
  const observer = await join(server)
  const whole = frame('KSET', '/a', 'x'.repeat(100_000))
  const before = usedMemory()
  for (let round = 0; round < 20; round++) {
    const clients = await Promise.all(Array.from({ length: 10 }, () => visit(server)))
    for (const [i, client] of clients.entries()) {
      client.write(whole.slice(0, 1 + Math.floor((i * whole.length) / 11)))
    }
    await observer.call('PING')
    await Promise.all(clients.map((client, i) => (i % 2 ? client.vanish() : client.socket.end())))
    await Promise.all(clients.map((client) => client.closed))
  }
  for (let count = 0; count !== 1; ) {
    count = ((await observer.call('CLIENT', 'LIST')) as string).trim().split('\n').length
  }
  expect(server.store.index).toBe(0)
  expect(usedMemory() - before).toBeLessThan(8 * MB)
})

describe('KRECOVER', () => {
  const nested = (depth: number, open: string, close: string): string =>
    `${open.repeat(depth)}${close.repeat(depth)}`

  test.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['no state', '{}'],
    ['null', 'null'],
    ['an array', '[]'],
    ['deep arrays', nested(100_000, '[', ']')],
    ['deep objects', `${'{"Root":'.repeat(50_000)}1${'}'.repeat(50_000)}`],
    ['deep nodes', `{"Root":${'{"Children":{"a":'.repeat(20_000)}{}${'}}'.repeat(20_000)}}`],
    ['a prototype', '{"__proto__":{"Root":1},"constructor":{}}'],
    ['a huge index', '{"Root":{"Path":"/"},"CurrentIndex":1e400}'],
    ['bytes that are not UTF-8', '{"Root":"\xff\xfe"}'],
  ])('refuses %s and keeps the tree', async (_, state) => {
    const log = new LogLines()
    const server = await start({ logger: pino({ level: 'error' }, log) })
    const client = await join(server, 3)
    await client.call('KSET', '/a', '1')
    expect(await client.call('KRECOVER', state)).toBeInstanceOf(ErrorReply)
    expect(log.lines).toEqual([])
    expect(await client.call('KINDEX')).toBe(1)
    expect(await client.call('KGET', '/a')).toBeInstanceOf(Array)
  })

  test('loads or refuses mutated states, and a loaded state can be used and saved', async () => {
    const log = new LogLines()
    const server = await start({ logger: pino({ level: 'error' }, log) })
    const client = await join(server)
    client.write(frame('KSET', '/a/b', '1') + frame('KSET', '/a/c', '2', 'EX', '1000'))
    client.write(frame('KMKDIR', '/d', 'EX', '1000') + frame('KDEL', '/a/b'))
    await client.take(4)
    const state = (await client.call('KSAVE')) as string
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
        const bytes = edits.reduce((text, { at, remove, insert }) => {
          const place = at % (text.length + 1)
          return text.slice(0, place) + insert + text.slice(place + remove)
        }, state)
        client.write(frame('KRECOVER', bytes) + frame('KGET', '/', 'RECURSIVE', 'SORTED'))
        client.write(frame('KSET', '/a/x', '1') + frame('KSAVE') + frame('KDEL', '/a', 'RECURSIVE'))
        const replies: Reply[] = await client.take(5)
        expect(replies[1]).toBeInstanceOf(Array)
        expect(typeof replies[3]).toBe('string')
        expect(await client.call('KRECOVER', replies[3] as string)).toBe('OK')
      }),
      { numRuns: 500 },
    )
    expect(log.lines).toEqual([])
  })
})
