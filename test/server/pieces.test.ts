import { pino } from 'pino'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { FileList } from '../../src/store/tree/file-list.ts'
import { TreeWalk } from '../../src/store/tree/tree-copy.ts'
import { collectGarbage, usedMemory } from './memory.ts'
import {
  ErrorReply,
  eventually,
  frame,
  join,
  LogLines,
  type RawClient,
  start,
  visit,
} from './raw-client.ts'

const MB = 1024 ** 2

async function settledMemory(): Promise<number> {
  collectGarbage()
  // Memory outside the heap is given back a little later.
  await new Promise((resolve) => setImmediate(resolve))
  return usedMemory()
}

/** A string of bytes in one piece, as it comes from a client. */
const flat = (byte: string, length: number): string => Buffer.alloc(length, byte).toString('latin1')

const MARK = frame('ECHO', 'that was all')
const MARK_REPLY = '$12\r\nthat was all\r\n'

/** Few files with long names, because each file takes time and each byte of a name little. */
const FILES = 7500
const keyOf = (i: number): string => `dir${i % 50}/file${i}${'-'.repeat(1400)}`

/** A server with so many files that a listing does not fit into the buffers of a connection. */
async function startLarge(): Promise<RunningServer> {
  const server = await start()
  for (let i = 0; i < FILES; i++) server.store.set(`/${keyOf(i)}`, `value ${i}`)
  server.store.set('/leased', 'x', { expireTime: Date.now() + 3_600_000 })
  server.store.set('/long', flat('y', 300_000))
  server.store.set('/_hidden/file', 'x')
  return server
}

/** The bytes of the replies to requests, asked for by a client that reads them at once. */
async function ask(server: RunningServer, requests: string, protocol: 2 | 3): Promise<string> {
  const client = await join(server, protocol)
  client.write(requests + MARK)
  return await client.bytesUntil(MARK_REPLY)
}

/** Waits until a client that does not read has a reply in progress. */
async function inProgress(observer: RawClient, name: string): Promise<void> {
  for (;;) {
    const list = (await observer.call('CLIENT', 'LIST')) as string
    const line = list.split('\n').find((text) => text.includes(` name=${name} `)) ?? ''
    if (Number(/ omem=(\d+)/.exec(line)?.[1]) > 0) return
  }
}

/** A client that has asked for something and reads nothing. */
async function askAndPause(
  server: RunningServer,
  requests: string,
  protocol: 2 | 3 = 2,
): Promise<RawClient> {
  const client = await join(server, protocol)
  await client.call('CLIENT', 'SETNAME', 'slow')
  client.socket.pause()
  client.write(requests)
  return client
}

describe.each([2, 3] as const)(
  'in RESP%i a reply shows the moment at which it was asked for',
  (protocol) => {
    test.each([
      ['KEYS', ['KEYS', '*']],
      ['SCAN', ['SCAN', '0', 'COUNT', '1000000']],
      ['KGET', ['KGET', '/', 'RECURSIVE']],
      ['KGET SORTED', ['KGET', '/', 'RECURSIVE', 'SORTED']],
      ['KSAVE', ['KSAVE']],
      ['MGET', ['MGET', ...Array.from({ length: FILES }, (_, i) => (i % 250 ? keyOf(i) : 'long'))]],
    ])('%s', async (_, request) => {
      const server = await startLarge()
      const expected = await ask(server, frame(...request), protocol)
      const client = await askAndPause(server, frame(...request), protocol)
      const observer = await join(server)
      await inProgress(observer, 'slow')
      for (const key of [keyOf(1), 'leased', 'long']) await observer.call('SET', key, 'new')
      await observer.call('RENAME', keyOf(2), 'moved')
      await observer.call('KDEL', '/dir3', 'RECURSIVE')
      await observer.call('FLUSHALL')
      await observer.call('SET', keyOf(4), 'newer')
      client.socket.resume()
      client.write(MARK)
      const reply = await client.bytesUntil(MARK_REPLY)
      // The counters of the state differ, because the state itself has been asked for.
      const plain = (text: string): string =>
        text.replace(/"getsSuccess":\d+|"\d+-\d+-\d+T[^"]*"/g, '').replace(/ttl\r\n:\d+/, 'ttl')
      expect(plain(reply) === plain(expected)).toBe(true)
    })
  },
)

test('replies stay in order, and requests behind a reply in pieces come after it', async () => {
  const server = await startLarge()
  const requests = [
    frame('KEYS', '*'),
    frame('PING', '1'),
    frame('SET', 'after', 'x'),
    frame('GET', 'after'),
    frame('GET', 'long'),
    frame('KEYS', 'dir1/*'),
    frame('NOPE'),
    frame('MGET', 'long', 'after', 'long', 'none'),
    frame('KGET', '/', 'SORTED'),
  ]
  const client = await askAndPause(server, requests.join(''))
  const observer = await join(server)
  await inProgress(observer, 'slow')
  expect(await observer.call('GET', 'after')).toBe(null)
  client.socket.resume()
  client.write(MARK)
  const whole = await client.bytesUntil(MARK_REPLY)
  await observer.call('DEL', 'after')
  let expected = ''
  for (const request of requests) {
    expected += (await ask(server, request, 2)).slice(0, -MARK_REPLY.length)
  }
  // Between the two, indexes have risen, and a second may have passed.
  const plain = (text: string): string => text.replace(/(ndex|ttl)\r\n:\d+/g, '$1')
  expect(plain(whole) === plain(expected + MARK_REPLY)).toBe(true)
})

test('a transaction shows its own moments, and nobody else comes between', async () => {
  const server = await startLarge()
  const before = await ask(server, frame('KEYS', '*'), 2)
  const requests = ['MULTI', 'KEYS *', 'FLUSHALL', 'KEYS *', 'SET a 1', 'KEYS *', 'EXEC']
  const pipeline = requests.map((request) => frame(...request.split(' '))).join('')
  const client = await askAndPause(server, pipeline)
  const observer = await join(server)
  await inProgress(observer, 'slow')
  expect(await observer.call('KEYS', '*')).toEqual(['a'])
  client.socket.resume()
  client.write(MARK)
  const keys = before.slice(0, -MARK_REPLY.length)
  expect(
    (await client.bytesUntil(MARK_REPLY)) ===
      `+OK\r\n${'+QUEUED\r\n'.repeat(5)}*5\r\n${keys}+OK\r\n*0\r\n+OK\r\n*1\r\n$1\r\na\r\n${MARK_REPLY}`,
  ).toBe(true)
})

test('CLIENT REPLY mutes a reply in pieces, too', async () => {
  const server = await startLarge()
  const client = await join(server)
  const skip = frame('CLIENT', 'REPLY', 'SKIP')
  const requests = [['KEYS', '*'], ['KSAVE'], ['KGET', '/', 'RECURSIVE'], ['GET', 'long']]
  client.write(requests.map((request) => skip + frame(...request)).join('') + MARK)
  expect(await client.bytesUntil(MARK_REPLY)).toBe(MARK_REPLY)
})

test('a message that comes during a reply in pieces comes after it', async () => {
  const server = await startLarge()
  const keys = await ask(server, frame('KEYS', '*'), 3)
  const client = await join(server, 3)
  await client.call('SUBSCRIBE', 'news')
  await client.call('CLIENT', 'SETNAME', 'slow')
  client.socket.pause()
  client.write(frame('KEYS', '*') + MARK)
  const observer = await join(server)
  await inProgress(observer, 'slow')
  expect(await observer.call('PUBLISH', 'news', 'short')).toBe(1)
  expect(await observer.call('PUBLISH', 'news', 'z'.repeat(200_000))).toBe(1)
  client.socket.resume()
  const message = (text: string): string =>
    `>3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$${text.length}\r\n${text}\r\n`
  const messages = message('short') + message('z'.repeat(200_000))
  const all = await client.bytesUntil(MARK_REPLY)
  expect(all === keys.slice(0, -MARK_REPLY.length) + messages + MARK_REPLY).toBe(true)
})

test('KSAVE sends what the library saves', async () => {
  const server = await startLarge()
  const saved = server.store.save()
  const reply = (await ask(server, frame('KSAVE'), 2)).slice(0, -MARK_REPLY.length)
  expect(reply === `$${saved.length}\r\n${saved}\r\n`).toBe(true)
})

test('COMMAND DOCS and COMMAND INFO of many names repeat what they say of each', async () => {
  const server = await start()
  for (const [about, header] of [
    ['DOCS', '*40000\r\n'],
    ['INFO', '*20000\r\n'],
  ]) {
    const reply = await ask(server, frame('COMMAND', about, ...Array(20_000).fill('kset')), 2)
    const one = (await ask(server, frame('COMMAND', about, 'kset'), 2)).slice(0, -MARK_REPLY.length)
    expect(reply === header + one.slice(4).repeat(20_000) + MARK_REPLY).toBe(true)
  }
})

test('LATENCY HISTOGRAM of a name looks at no other command', async () => {
  const client = await join(await start())
  for (const name of ['GET', 'STRLEN', 'TTL', 'TYPE', 'EXISTS']) await client.call(name, 'k')
  for (const name of ['ID', 'GETNAME', 'INFO']) await client.call('CLIENT', name)
  const entries = vi.spyOn(Array.prototype, 'entries')
  onTestFinished(() => entries.mockRestore())
  const looked = async (...names: string[]) => {
    entries.mockClear()
    const found = (await client.call('LATENCY', 'HISTOGRAM', ...names)) as unknown[]
    return [found.filter((_, i) => i % 2 === 0), entries.mock.calls.length]
  }
  expect(await looked('Get')).toEqual([['get'], 1])
  expect(await looked('client|ID')).toEqual([['client|id'], 1])
  expect(await looked('client')).toEqual([['client|id', 'client|getname', 'client|info'], 3])
  // A command that is new among those of the container.
  await client.call('CLIENT', 'LIST')
  const [names] = await looked('client', 'client')
  expect(names).toContain('client|list')
  expect(await looked('nope', 'client|nope')).toEqual([[], 0])
})

test('LATENCY HISTOGRAM of many names repeats what it says of each', async () => {
  const server = await start()
  const client = await join(server)
  for (const about of ['ID', 'INFO', 'GETNAME']) await client.call('CLIENT', about)
  await client.call('CONFIG', 'GET', 'port')
  const names = Array(20_000).fill(['client', 'CONFIG|GET', 'none']).flat()
  const before = await settledMemory()
  const reading = await askAndPause(server, frame('LATENCY', 'HISTOGRAM', ...names))
  await inProgress(client, 'slow')
  expect((await settledMemory()) - before).toBeLessThan(8 * MB)
  await client.call('CONFIG', 'GET', 'port')
  reading.socket.resume()
  reading.write(MARK)
  const reply = await reading.bytesUntil(MARK_REPLY)
  const [header] = /^\*\d+\r\n/.exec(reply) ?? ['']
  const rest = reply.slice(header.length, -MARK_REPLY.length)
  expect(Number.parseInt(header.slice(1), 10) % (2 * 20_000)).toBe(0)
  expect(rest === rest.slice(0, rest.length / 20_000).repeat(20_000)).toBe(true)
})

test('a client that half-closes still gets its reply in pieces', async () => {
  const server = await startLarge()
  const expected = await ask(server, frame('KEYS', '*'), 2)
  const client = await visit(server)
  client.socket.end(frame('KEYS', '*') + MARK)
  await client.closed
  expect(client.unread === expected).toBe(true)
})

describe('memory', () => {
  test('MGET of 80 times a value of 60 MB costs pieces, however slowly it is read', async () => {
    const server = await start()
    server.store.set('/big', flat('x', 60 * MB))
    const observer = await join(server)
    const client = await visit(server)
    let received = 0
    client.socket.removeAllListeners('data')
    client.socket.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    const before = await settledMemory()
    client.write(frame('MGET', ...Array(80).fill('big')))
    for (const step of [1, 50, 100, 200]) {
      client.socket.resume()
      await eventually(() => received >= step * MB)
      client.socket.pause()
      for (let i = 0; i < 20; i++) expect(await observer.call('PING')).toBe('PONG')
      expect((await settledMemory()) - before).toBeLessThan(8 * MB)
    }
    await client.vanish()
  })

  test('a listing that is not read costs its nodes and not its bytes', async () => {
    const server = await startLarge()
    const observer = await join(server)
    const whole = (await ask(server, frame('KGET', '/', 'RECURSIVE'), 2)).length
    expect(whole).toBeGreaterThan(10 * MB)
    const before = await settledMemory()
    const clients: RawClient[] = []
    for (let i = 0; i < 4; i++) {
      const client = await askAndPause(server, frame('KGET', '/', 'RECURSIVE', 'SORTED'))
      await inProgress(observer, 'slow')
      clients.push(client)
    }
    expect((await settledMemory()) - before).toBeLessThan(4 * 6 * MB)
    for (const client of clients) await client.vanish()
  })

  test('a pipeline of values that are not copied costs no copies', async () => {
    const server = await start()
    const observer = await join(server)
    server.store.set('/big', flat('x', 20 * MB))
    const before = await settledMemory()
    const client = await askAndPause(server, frame('GET', 'big').repeat(20))
    await inProgress(observer, 'slow')
    expect((await settledMemory()) - before).toBeLessThan(8 * MB)
    await client.vanish()
  })
})

describe('a reply that cannot be ended', () => {
  test('ends its connection, and no other', async () => {
    const log = new LogLines()
    const server = await start({ logger: pino({ level: 'error' }, log) })
    for (let i = 0; i < 60_000; i++) server.store.set(`/file${i}`, 'x'.repeat(50))
    const [client, observer] = [await join(server), await join(server)]
    let steps = 0
    vi.spyOn(TreeWalk.prototype, 'next').mockImplementation(() => {
      if (++steps > 3000) throw new Error('out of luck')
      return 'sorting'
    })
    client.send('KGET', '/')
    await client.closed
    vi.restoreAllMocks()
    expect(log.holds('out of luck')).toBe(true)
    expect(await observer.call('KGET', '/file1')).toBeInstanceOf(Array)
    expect(await observer.call('INFO', 'STATS')).toContain('unexpected_error_replies:1\r\n')
  })

  test('is an error if nothing has been sent yet', async () => {
    const server = await start()
    server.store.set('/a', '1')
    const client = await join(server)
    vi.spyOn(FileList.prototype, 'at').mockImplementation(() => {
      throw new Error('out of luck')
    })
    expect(await client.call('KEYS', '*')).toEqual(
      new ErrorReply('ERR internal error: out of luck'),
    )
    vi.restoreAllMocks()
    expect(await client.call('KEYS', '*')).toEqual(['a'])
  })
})

test('a reply in pieces counts as one call', async () => {
  const server = await startLarge()
  const client = await join(server)
  await client.call('CONFIG', 'RESETSTAT')
  await ask(server, frame('KEYS', '*'), 2)
  expect(await client.call('INFO', 'COMMANDSTATS')).toMatch(/cmdstat_keys:calls=1,/)
})

test('CLIENT LIST of one client 100,000 times goes out in pieces', async () => {
  const server = await start()
  const observer = await join(server)
  const before = await settledMemory()
  const client = await join(server)
  await client.call('CLIENT', 'SETNAME', 'n'.repeat(1024))
  const count = 100_000
  const id = (await client.call('CLIENT', 'ID')) as number
  client.socket.pause()
  client.write(frame('CLIENT', 'LIST', 'ID', ...Array.from({ length: count }, () => id)))
  await inProgress(observer, 'n'.repeat(1024))
  expect((await settledMemory()) - before).toBeLessThan(50 * MB)
  client.socket.destroy()
  for (const protocol of [2, 3] as const) {
    const other = await join(server, protocol)
    await other.call('CLIENT', 'SETNAME', 'other')
    const own = (await other.call('CLIENT', 'ID')) as number
    const list = (await other.call('CLIENT', 'LIST', 'ID', own, 0, own, own)) as string
    const lines = list.replace(/^txt:/, '').split('\n')
    expect(lines).toHaveLength(4)
    expect(new Set(lines).size).toBe(2)
  }
})
