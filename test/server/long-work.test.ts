import { afterEach, expect, test, vi } from 'vitest'
import { Users } from '../../src/access/users.ts'
import { LongWork, PUT_OFF } from '../../src/request/long-work.ts'
import type { RunningServer } from '../../src/server/start.ts'
import { eventually, frame, join, start } from './raw-client.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

const times = <T>(count: number, value: T): T[] => Array<T>(count).fill(value)

const LARGE_BYTES = 8 * 1024 * 1024
const FILES = 10_000

/** A server with a long value, and a directory that is long to list, to copy and to move. */
async function startLong(): Promise<RunningServer> {
  const server = await start()
  server.store.set('/value', Buffer.alloc(LARGE_BYTES, 'x'))
  for (let i = 0; i < FILES; i++) server.store.set(`/dir/file${i}`, 'x')
  return server
}

/** Puts the next requests off that begin long work. @returns counts those */
function putOff(count: number): { count: number } {
  const done = { count: 0 }
  vi.spyOn(LongWork.prototype, 'check').mockImplementation(() => {
    if (done.count === count) return
    done.count++
    throw PUT_OFF
  })
  return done
}

/** Requests, and what is sent for them, whether put off or not. */
async function replies(requests: readonly string[][], putsOff: boolean): Promise<unknown> {
  const server = await startLong()
  const client = await join(server)
  const done = putOff(putsOff ? 1 : 0)
  client.write(requests.map((request) => frame(...request)).join(''))
  client.send('KSTATS')
  const all = await client.take(requests.length + 1)
  expect(done.count).toBe(putsOff ? 1 : 0)
  const stats = await client.call('INFO', 'commandstats')
  const calls = String(stats).match(/cmdstat_\w+:calls=\d+/g)
  const hits = String(await client.call('INFO', 'stats')).match(/keyspace_(hits|misses):\d+/g)
  return { all, calls, hits, index: server.store.index }
}

test.each([
  ['KGET', ['KGET', '/dir', 'RECURSIVE']],
  ['KSAVE', ['KSAVE']],
  ['KEYS', ['KEYS', '*7*']],
  ['SCAN', ['SCAN', '0', 'COUNT', '100000', 'MATCH', '*7*']],
  ['RENAME', ['RENAME', 'dir', 'other']],
  ['RENAMENX', ['RENAMENX', 'dir', 'other']],
  ['SETRANGE', ['SETRANGE', 'value', '3', 'abc']],
  ['APPEND', ['APPEND', 'value', 'abc']],
  ['GETRANGE', ['GETRANGE', 'value', '1', '3000000']],
  ['DUMP', ['DUMP', 'value']],
])('%s that is put off replies as if it were not, and is counted once', async (_, request) => {
  const requests = [['SET', 'a', '1'], request, ['INCR', 'a'], ['STRLEN', 'value']]
  const isState = request[0] === 'KSAVE'
  const plain = (given: unknown): string =>
    isState ? JSON.stringify(given).replace(/\d{4}-\d\d-\d\dT[^"\\]*/g, '') : JSON.stringify(given)
  const expected = plain(await replies(requests, false))
  vi.restoreAllMocks()
  expect(plain(await replies(requests, true)) === expected).toBe(true)
})

/** Has nine writes below `/done` take 12 ms each. @returns the turns in which they run, and what counts these once it is called */
function nineWrites({ store }: RunningServer): { turns: number[]; count: () => void } {
  let turn = 0
  let now = performance.now()
  const turns: number[] = []
  const count = (): void => {
    turn++
    if (turns.length < 9) setImmediate(count)
  }
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  store.watch('/done', { recursive: true, stream: true, since: 0 }, () => {
    turns.push(turn)
    // What one of them takes.
    now += 12
  })
  return { turns, count }
}

test('transactions of many clients take turns, whatever they are', async () => {
  const server = await start()
  const { turns, count } = nineWrites(server)
  const clients = await Promise.all(Array.from({ length: 9 }, () => join(server)))
  for (const [i, client] of clients.entries()) {
    const others = [[], [['INFO']], times(500, ['SET', 'a', '1'])][i % 3]
    const requests = [['MULTI'], ['SET', `done/${i}`, '1'], ...others]
    client.write(requests.map((request) => frame(...request)).join(''))
    await client.take(requests.length)
  }
  setImmediate(count)
  for (const client of clients) client.write(frame('EXEC'))
  await Promise.all(clients.map((client) => client.take(1)))
  // One turn has time for two of them.
  for (const each of turns) expect(turns.filter((other) => other === each).length).toBeLessThan(3)
})

test.each<[string, string[][], string[], string[]]>([
  ['an event', [], ['KWAIT', '/trigger'], ['SET', 'trigger', '1']],
  ['an index', [], ['KSYNC', 'INDEX', '1'], ['SET', 'trigger', '1']],
  ['the end of a pause', [['CLIENT', 'PAUSE', '100000', 'WRITE']], ['PING'], ['CLIENT', 'UNPAUSE']],
])(
  'clients that are woken by %s take turns with their long requests',
  async (_, before, wait, wake) => {
    const server = await start()
    const { turns, count } = nineWrites(server)
    const other = await join(server)
    for (const request of before) await other.call(...request)
    const clients = await Promise.all(Array.from({ length: 9 }, () => join(server)))
    for (const [i, client] of clients.entries()) {
      client.write(frame(...wait) + frame('SET', `done/${i}`, 'x'.repeat(5000)))
    }
    const waiting = async (): Promise<number> =>
      String(await other.call('CLIENT', 'LIST')).match(/ qbuf=[5-9]\d{3} /g)?.length ?? 0
    while ((await waiting()) < 9);
    setImmediate(count)
    expect(await other.call(...wake)).toBe('OK')
    for (const client of clients) expect((await client.take(2)).at(-1)).toBe('OK')
    // One turn has time for two of them.
    for (const each of turns) expect(turns.filter((same) => same === each).length).toBeLessThan(4)
  },
)

/** Sends a request to each of nine clients at once, each of which takes 12 ms. @returns the turns in which they ran */
async function turnsOf(request: (i: number) => string[], runs: (ran: () => void) => void) {
  let now = performance.now()
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const server = await start()
  const clients = await Promise.all(Array.from({ length: 9 }, () => join(server)))
  const other = await join(server)
  const turns: number[] = []
  let turn = 0
  let isOver = false
  const count = (): void => {
    turn++
    if (!isOver) setImmediate(count)
  }
  await runs.call(server, () => {
    turns.push(turn)
    now += 12
  })
  setImmediate(count)
  for (const [i, client] of clients.entries()) client.write(frame(...request(i)))
  const done = Promise.all(clients.map((client) => client.take(1)))
  // One that is short waits for none of those that are put off.
  const pong = other.call('PING').then(() => turns.length)
  await done
  isOver = true
  expect(turns).toHaveLength(9)
  return { turns, before: await pong }
}

test.each<[string, (i: number) => string[], (this: RunningServer, ran: () => void) => void]>([
  [
    'look through all users',
    () => ['ACL', 'LIST'],
    (ran) => {
      const describe = Users.prototype.describe
      vi.spyOn(Users.prototype, 'describe').mockImplementation(function (this: Users) {
        ran()
        return describe.call(this)
      })
    },
  ],
  [
    'make hundreds of directories',
    (i) => ['SET', `done/${'d/'.repeat(300)}${i}`, '1'],
    function (ran) {
      this.store.watch('/done', { recursive: true, stream: true, since: 0 }, ran)
    },
  ],
])(
  'requests of many clients that %s take turns, however short they are',
  async (_, request, runs) => {
    const { turns, before } = await turnsOf(request, runs)
    for (const each of turns) expect(turns.filter((other) => other === each).length).toBeLessThan(3)
    expect(before).toBeLessThan(9)
  },
)

test.each([
  ['KGET', ['KGET', '/dirs', 'RECURSIVE']],
  ['KSAVE', ['KSAVE']],
  ['RENAME', ['RENAME', 'dirs', 'other']],
])('%s of empty directories is long work', async (_, request) => {
  const server = await start()
  for (let i = 0; i < FILES; i++) server.store.createDirectory(`/dirs/d${i}`)
  const client = await join(server)
  const done = putOff(1)
  await client.call(...request)
  expect(done.count).toBe(1)
})

test('EXEC with long work is put off whole', async () => {
  const server = await startLong()
  const [client, other] = [await join(server), await join(server)]
  await client.call('WATCH', 'a')
  putOff(1)
  const queue = [['MULTI'], ['SET', 'a', '1'], ['SETRANGE', 'value', '0', 'abc'], ['GET', 'a']]
  client.write([...queue, ['EXEC'], ['PING']].map((request) => frame(...request)).join(''))
  const all = await client.take(6)
  expect(all.slice(4)).toEqual([['OK', LARGE_BYTES, '1'], 'PONG'])
  expect(await other.call('GETRANGE', 'value', '0', '3')).toBe('abcx')
})

test('a watched key that changes before the EXEC that was put off makes it do nothing', async () => {
  const server = await startLong()
  const client = await join(server)
  await client.call('WATCH', 'a')
  vi.spyOn(LongWork.prototype, 'check').mockImplementationOnce(() => {
    server.store.set('/a', 'changed')
    throw PUT_OFF
  })
  const queue = [['MULTI'], ['SETRANGE', 'value', '0', 'abc'], ['EXEC']]
  client.write(queue.map((request) => frame(...request)).join(''))
  expect((await client.take(3))[2]).toBe(null)
})

test('CLIENT REPLY SKIP still applies to a request that is put off', async () => {
  const client = await join(await startLong())
  putOff(1)
  const requests = [['CLIENT', 'REPLY', 'SKIP'], ['SETRANGE', 'value', '0', 'abc'], ['PING']]
  client.write(requests.map((request) => frame(...request)).join(''))
  expect(await client.next()).toBe('PONG')
})

test('a client that has half-closed gets the reply to a request that was put off', async () => {
  const client = await join(await startLong())
  putOff(1)
  client.write(frame('DUMP', 'value') + frame('ECHO', 'last'))
  client.socket.end()
  expect(String(await client.next()).length).toBeGreaterThan(1000)
  expect(await client.next()).toBe('last')
  await client.closed
})

test('clients that each write and list at once share copies of the tree', async () => {
  const server = await start()
  for (let i = 0; i < FILES; i++) server.store.set(`/dir${i % 10}/file${i}`, 'x')
  const clients = await Promise.all(Array.from({ length: 10 }, () => join(server)))
  const begin = vi.spyOn(LongWork.prototype, 'begin')
  // The first listing runs. The others are put off until all clients have written, however late their requests come.
  let run = 0
  vi.spyOn(LongWork.prototype, 'check').mockImplementation(() => {
    if (run > 0 && server.store.files < FILES + clients.length) throw PUT_OFF
    run++
  })
  const end = '$3\r\nend\r\n'
  for (const [i, client] of clients.entries()) {
    const requests = [
      ['SET', `key${i}`, 'x'],
      ['KGET', '/', 'RECURSIVE'],
      ['ECHO', 'end'],
    ]
    client.write(requests.map((request) => frame(...request)).join(''))
  }
  for (const [i, client] of clients.entries()) {
    const replies = await client.bytesUntil(end)
    expect(replies.includes(`\r\n/key${i}\r\n`)).toBe(true)
  }
  const copies = begin.mock.results.filter(({ type }) => type === 'return')
  // The first one may have a copy of its own. All others have written when the second one is made.
  expect(copies.length).toBeLessThanOrEqual(2)
})

test('a server that closes replies to requests that were put off', async () => {
  const server = await startLong()
  const clients = await Promise.all(Array.from({ length: 3 }, () => join(server)))
  const done = putOff(clients.length)
  vi.spyOn(LongWork.prototype, 'later').mockImplementation(() => {})
  for (const client of clients) client.send('SETRANGE', 'value', '0', 'abc')
  await eventually(() => done.count === clients.length)
  await server.close()
  for (const client of clients) expect(await client.next()).toBe(LARGE_BYTES)
})
