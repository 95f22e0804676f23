import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { LongWork } from '../../../src/request/long-work.ts'
import type { RunningServer } from '../../../src/server/start.ts'
import { type Clock, ManualClock } from '../../../src/store/clock.ts'
import { StoreError } from '../../../src/store/errors.ts'
import type { Event } from '../../../src/store/event.ts'
import type { Store } from '../../../src/store/store.ts'
import { testAlone } from '../../cluster/alone.ts'
import { useDisk } from '../../persistence/support.ts'
import { IdleClock } from '../../server/idle-clock.ts'
import {
  ErrorReply,
  eventually,
  frame,
  join,
  Push,
  type RawClient,
  type Reply,
  start,
} from '../../server/raw-client.ts'

/** Runs requests in a transaction. */
async function transact(client: RawClient, ...requests: string[]): Promise<Reply> {
  expect(await client.call('MULTI')).toBe('OK')
  for (const request of requests) expect(await client.call(...request.split(' '))).toBe('QUEUED')
  return await client.call('EXEC')
}

/** Collects the store's events from now on: `set /a 3`. */
function collectEvents({ store }: RunningServer): string[] {
  const events: string[] = []
  store.hub.addEverywhere(({ action, node, index }: Event) => {
    events.push(`${action} ${node.key} ${index}`)
  })
  return events
}

const errorText = (reply: Reply): string => (reply instanceof ErrorReply ? reply.text : '')

test('K commands change several nodes together, with one event after another', async () => {
  const server = await start()
  const client = await join(server)
  const events = collectEvents(server)
  const replies = (await transact(
    client,
    'KSET /a 1',
    'KMKDIR /d',
    'KCAS /a 2 PREVVALUE 1',
    'KGET /nope',
    'KDEL /d DIR',
  )) as Reply[]
  expect(replies).toHaveLength(5)
  expect(errorText(replies[3])).toMatch(/^KEYNOTFOUND 100/)
  expect(events).toEqual(['set /a 1', 'create /d 2', 'compareAndSwap /a 3', 'delete /d 4'])
})

const touches: readonly [watched: string, before: string[], write: string[], touched: boolean][] = [
  ['/d', [], ['KSET', '/d/a', '1'], true],
  ['/d', ['KSET', '/d/a', '1'], ['KSET', '/d/b/c', '1'], true],
  ['/d', ['KSET', '/d/b/c', '1'], ['KDEL', '/d/b/c'], true],
  ['/d', ['KSET', '/d/a', '1'], ['KSET', '/e', '1'], false],
  ['/d', ['KSET', '/d/a', '1'], ['KSET', '/da', '1'], false],
  ['/d', ['KMKDIR', '/d'], ['KUPDATE', '/d', '', 'EX', '100'], true],
  // Changes that watchers do not see: hidden nodes, refreshes.
  ['/d', [], ['KSET', '/d/_h/x', '1'], true],
  ['d', ['KSET', '/d/a', '1', 'EX', '100'], ['KSET', '/d/a', '', 'EX', '200', 'REFRESH'], true],
  ['/', ['KSET', '/d/a', '1'], ['SET', 'd/a', '2'], true],
  // Changes to a directory above.
  ['/d/a', ['KSET', '/d/a', '1'], ['KDEL', '/d', 'RECURSIVE'], true],
  ['/d/x', ['KSET', '/d/a', '1'], ['KDEL', '/d', 'RECURSIVE'], false],
  ['/d/a', ['KSET', '/d/a', '1'], ['KSET', '/d/b', '1'], false],
  ['/d/a', ['KSET', '/d/a', '1'], ['RENAME', 'd', 'e'], true],
  ['/e/a', ['KSET', '/d/a', '1'], ['RENAME', 'd', 'e'], true],
  ['/d//./a/', ['KSET', '/d/a', '1'], ['SET', 'd/a', '2'], true],
  ['/d/a', ['KSET', '/d/a', '1'], ['FLUSHALL'], true],
  // Requests that change nothing.
  ['/d/a', ['KSET', '/d/a', '1'], ['KCAS', '/d/a', '2', 'PREVVALUE', 'x'], false],
  ['/d', ['KSET', '/d/a', '1'], ['KCREATE', '/d/a', '2'], false],
  ['/d', ['KSET', '/d/a', '1'], ['KGET', '/d', 'RECURSIVE'], false],
]

test.for(touches)(
  'WATCH %s after %j, then %j: touched %s',
  async ([path, before, write, touched]) => {
    const server = await start()
    const client = await join(server)
    const other = await join(server)
    if (before.length > 0) await client.call(...before)
    await client.call('WATCH', path)
    await other.call(...write)
    expect(await transact(client, 'PING')).toEqual(touched ? null : ['PONG'])
    // The watch ends in any case.
    expect(await transact(client, 'PING')).toEqual(['PONG'])
  },
)

test('KRECOVER touches all watches, also of keys that exist neither before nor after it', async () => {
  const client = await join(await start())
  await client.call('KSET', '/a', '1')
  const state = (await client.call('KSAVE')) as string
  await client.call('KDEL', '/a')
  await client.call('KSET', '/b', '1')
  for (const path of ['/a', '/b', '/c']) {
    await client.call('WATCH', path)
    await client.call('KRECOVER', state)
    expect(await transact(client, 'PING')).toBe(null)
    await client.call('KSET', '/b', '1')
    await client.call('DEL', 'a')
  }
})

test('a watch is touched by an expiry that has not been carried out yet', async () => {
  const clock = new IdleClock()
  const client = await join(await start({ clock }))
  for (const [path, set] of [
    ['/a', 'KSET /a 1 PX 10'],
    ['/d', 'KSET /d/x/y 1 PX 10'],
    ['/e/x/y', 'KMKDIR /e PX 10'],
  ]) {
    await client.call(...set.split(' '))
    if (path === '/e/x/y') await client.call('KSET', path, '1')
    await client.call('WATCH', path)
    clock.time += 9
    expect(await transact(client, 'PING')).toEqual(['PONG'])
    await client.call('WATCH', path)
    clock.time += 1
    expect(await transact(client, 'PING')).toBeNull()
  }
})

testAlone(
  'nodes expire by entries of the log',
  'removing a key that expired before WATCH does not touch the watch',
  async () => {
    const clock = new IdleClock()
    const server = await start({ clock })
    const client = await join(server)
    await client.call('KSET', '/a', '1', 'PX', '10')
    await client.call('KSET', '/d/x', '1', 'PX', '10')
    clock.time += 10
    await client.call('WATCH', '/a', '/d')
    expect(server.store.deleteExpiredKeys(clock.time)).toBe(2)
    expect(await transact(client, 'PING')).toEqual(['PONG'])
  },
)

test('nothing expires in the middle of EXEC', async () => {
  const clock = new IdleClock()
  const server = await start({ clock })
  const client = await join(server)
  for (const path of ['/b', '/c/x', '/d/x/y', '/e/z'])
    await client.call('KSET', path, '1', 'PX', '5')
  await client.call('KSET', '/e/kept', '1')
  clock.time += 5
  const events = collectEvents(server)
  await transact(client, 'KSET /a 1', 'SET b 2', 'KCREATE /c/x 3', 'KDEL /d/x DIR', 'RENAME e f')
  const expiries = events.findLastIndex((each) => each.startsWith('expire')) + 1
  expect(events.slice(0, expiries).every((each) => each.startsWith('expire'))).toBe(true)
  expect(expiries).toBe(4)
  expect(events.slice(expiries).map((each) => each.split(' ').slice(0, 2).join(' '))).toEqual([
    'set /a',
    'set /b',
    'create /c/x',
    'delete /d/x',
    'delete /e',
    'set /f',
    'set /f/kept',
  ])
})

test('time stands still in EXEC', async () => {
  let time = Date.UTC(2020, 0, 1)
  // Each look at the clock takes a millisecond.
  const clock: Clock = { now: () => time++, schedule: () => () => {} }
  const client = await join(await start({ clock }))
  const replies = (await transact(client, 'TIME', 'SET a 1 PX 1', 'GET a', 'TIME')) as Reply[]
  expect(replies[3]).toEqual(replies[0])
  expect(replies[2]).toBe('1')
})

test('KWAIT in EXEC does not wait', async () => {
  const client = await join(await start())
  expect(await transact(client, 'KWAIT /a', 'KSET /a 1', 'KWAIT /a SINCE 1')).toEqual([
    null,
    expect.anything(),
    expect.arrayContaining(['action', 'set']),
  ])
})

test('messages to a client while its EXEC runs come after the reply, once', async () => {
  const client = await join(await start(), 3)
  expect(await client.call('SUBSCRIBE', '/a', 'c')).toBeInstanceOf(Push)
  await client.next()
  const replies = await transact(client, 'KSET /a 1', 'PUBLISH c x', 'KGET /nope', 'PING')
  expect(replies).toEqual([expect.anything(), 1, expect.any(ErrorReply), 'PONG'])
  const messages = (await client.take(2)) as Push[]
  expect(messages.map(({ items }) => items[1])).toEqual(['/a', 'c'])
  expect(await client.call('PING')).toBe('PONG')
})

test.each([
  ['EXEC', false],
  ['an EXEC of which one request fails', true],
])('what expires before %s is told once, before the reply', async (_, fails) => {
  const clock = new IdleClock()
  const client = await join(await start({ clock }), 3)
  await client.call('SET', 'text', 'abc')
  expect(await client.call('SUBSCRIBE', '/k')).toBeInstanceOf(Push)
  await client.call('SET', 'k', 'v', 'PX', '5')
  await client.next()
  for (const request of ['MULTI', 'SET k new', fails ? 'INCR text' : 'INCR n'])
    await client.call(...request.split(' '))
  clock.time += 5
  client.send('EXEC')
  const output = await client.untilPong()
  const actions = output.map((reply) => (reply instanceof Push ? actionOf(reply) : 'reply'))
  expect(actions).toEqual(['expire', 'reply', 'set'])
})

test('what a request tells its own client before it fails is told once, after the error', async () => {
  const clock = new IdleClock()
  const server = await start({ clock })
  const client = await join(server, 3)
  await client.call('SUBSCRIBE', '/k', '/l')
  await client.next()
  for (const key of ['k', 'l']) {
    await client.call('SET', key, 'v', 'PX', '5')
    await client.next()
  }
  clock.time += 5
  server.store.create = (path) => {
    server.store.expireBefore([path])
    throw new StoreError(105, path, server.store.index)
  }
  // The last request fails, too, but tells nothing.
  client.write(['k', 'l', 'k'].map((key) => frame('KCREATE', `/${key}`, 'new')).join(''))
  const output = await client.untilPong()
  const actions = output.map((reply) => (reply instanceof Push ? actionOf(reply) : 'reply'))
  expect(actions).toEqual(['reply', 'expire', 'reply', 'expire', 'reply'])
})

const actionOf = ({ items }: Push): string => JSON.parse(String(items[2])).action

test('a watcher sees the events of a transaction with no other event between them', async () => {
  const server = await start()
  const watcher = await join(server, 3)
  await watcher.call('KWATCH', '/?recursive=true')
  const writers = await Promise.all([join(server), join(server), join(server)])
  const count = 50
  await Promise.all(
    writers.map(async (writer, id) => {
      for (let i = 0; i < count; i++) {
        await transact(writer, `KSET /x/${id} ${i}`, `KSET /y/${id} ${i}`, `KDEL /x/${id}`)
      }
    }),
  )
  const messages = (await watcher.take(3 * 3 * count)) as Push[]
  const keys = messages.map(({ items }) => JSON.parse(String(items[2])).node.key as string)
  for (let i = 0; i < keys.length; i += 3) {
    const id = keys[i].slice(-1)
    expect(keys.slice(i, i + 3)).toEqual([`/x/${id}`, `/y/${id}`, `/x/${id}`])
  }
})

test('client-query-buffer-limit bounds queues and watches', async () => {
  const server = await start({ directives: { 'client-query-buffer-limit': '1mb' } })
  const client = await join(server)
  await client.call('MULTI')
  for (let i = 0; i < 9; i++) await client.call('KSET', '/a', 'x'.repeat(100_000))
  expect(client.ended).toBe(false)
  client.send('KSET', '/a', 'x'.repeat(200_000))
  await client.closed
  expect(server.store.index).toBe(0)

  // Small requests take more memory than their bytes.
  const small = await join(server)
  small.write('MULTI\r\n')
  for (let i = 0; i < 20 && !small.ended; i++) {
    small.write('PING\r\n'.repeat(1000))
  }
  await small.closed

  const watcher = await join(server)
  const names = Array.from({ length: 100 }, (_, i) => `key:${i}`)
  for (let i = 0; i < 50; i++) watcher.send('WATCH', ...names.map((name) => `${i}/${name}`))
  await watcher.closed
})

test('a client to which its own EXEC sends too much is disconnected after all commands have run', async () => {
  const server = await start({ directives: { 'client-query-buffer-limit': '512mb' } })
  const client = await join(server, 3)
  await client.call('KWATCH', '/?recursive=true')
  await client.call('MULTI')
  for (const key of ['/a', '/a', '/b']) await client.call('KSET', key, 'x'.repeat(30_000_000))
  client.send('EXEC')
  await client.closed
  expect(server.store.index).toBe(3)
})

test('an EXEC whose replies are too long ends the connection after all commands have run', async () => {
  const server = await start()
  const client = await join(server)
  await client.call('SET', 'a', 'x'.repeat(60_000))
  // Replies of this length are copied; those to longer values are not.
  client.write(frame('MULTI') + frame('GET', 'a').repeat(5000) + frame('SET', 'b', '1'))
  await client.take(5002)
  client.send('EXEC')
  await client.closed
  expect(server.store.lookup('/b')).toBeDefined()
  expect(await (await join(server)).call('GET', 'b')).toBe('1')
})

test('once the replies of an EXEC are too long, what only replies is left out', async () => {
  const server = await start()
  const client = await join(server)
  await client.call('SET', 'a', 'x'.repeat(60_000))
  const left = ['INFO', 'ACL LIST', 'CLIENT LIST', 'CONFIG GET *', 'COMMAND', 'KGET /', 'TIME']
  const run = ['ACL SETUSER u on', 'CONFIG SET maxmemory 1gb', 'SUBSCRIBE c', 'SET b 1']
  const requests = [...left, ...run].map((request) => frame(...request.split(' '))).join('')
  client.write(frame('MULTI') + frame('GET', 'a').repeat(5000) + requests)
  await client.take(5001 + left.length + run.length)
  client.send('EXEC')
  await client.closed
  const stats = String(await (await join(server)).call('INFO', 'commandstats'))
  const called = [...stats.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)].map(([, name, n]) => name + n)
  expect(called.sort()).toEqual(
    ['acl|setuser1', 'config|set1', 'exec1', 'get', 'multi1', 'set2', 'subscribe1'].map((each) =>
      each === 'get' ? expect.stringMatching(/^get[1-4]\d\d\d$/) : each,
    ),
  )
})

test('a failed transaction keeps no requests, however many are queued', async () => {
  const server = await start({ directives: { 'client-query-buffer-limit': '1mb' } })
  const client = await join(server)
  await client.call('MULTI')
  await client.call('NOPE')
  for (let i = 0; i < 30; i++) {
    expect(await client.call('KSET', '/a', 'x'.repeat(100_000))).toBe('QUEUED')
  }
  expect(errorText(await client.call('EXEC'))).toMatch(/^EXECABORT/)
})

test('dir and durability cannot be changed in a transaction', async () => {
  const client = await join(await start())
  const replies = await transact(client, 'CONFIG SET durability always', 'CONFIG GET durability')
  expect(errorText((replies as Reply[])[0])).toMatch(/^ERR dir and durability cannot be changed/)
  expect((replies as Reply[])[1]).toEqual(['durability', 'no'])
})

/** A server that keeps its tree on disk. */
async function startOnDisk(): Promise<RunningServer> {
  const directory = mkdtempSync(joinPath(tmpdir(), 'ktree-transactions-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return await start({ directives: { dir: directory, durability: 'always' } })
}

testAlone(
  'a node has no journal',
  'all writes of an EXEC are in one record, and the reply waits for the disk',
  async () => {
    const server = await startOnDisk()
    const client = await join(server)
    const disk = useDisk()
    disk.hold()
    await client.call('MULTI')
    for (let i = 0; i < 100; i++) client.send('SET', `k${i}`, 'v')
    await client.take(100)
    client.send('EXEC')
    await eventually(() => server.store.lookup('/k99') !== undefined)
    await eventually(() => disk.waiting === 1)
    expect(client.unread).toBe('')
    expect(disk.appends).toBe(1)
    disk.release()
    expect(await client.next()).toEqual(new Array(100).fill('OK'))
  },
)

testAlone(
  'a node has no journal',
  'when the disk has failed, writes are refused as soon as they are queued',
  async () => {
    const server = await startOnDisk()
    const client = await join(server)
    const queued = await join(server)
    await queued.call('MULTI')
    await queued.call('SET', 'b', '1')
    useDisk().failure = new Error('no space')
    expect(errorText(await client.call('SET', 'a', '1'))).toMatch(/^MISCONF/)
    await client.call('MULTI')
    expect(await client.call('GET', 'a')).toBe('QUEUED')
    expect(errorText(await client.call('SET', 'a', '2'))).toMatch(/^MISCONF/)
    expect(errorText(await client.call('EXEC'))).toBe(
      'EXECABORT Transaction discarded because of previous errors.',
    )
    expect(errorText(await queued.call('EXEC'))).toMatch(
      /^EXECABORT Transaction discarded because of: MISCONF /,
    )
    expect(await transact(client, 'GET a')).toEqual(['1'])
    expect(await client.call('GET', 'b')).toBeNull()
  },
)

test('a key that expires while its transaction is being queued is gone in EXEC', async () => {
  const clock = new ManualClock()
  const client = await join(await start({ clock }))
  await client.call('SET', 'a', '1', 'PX', '10')
  await client.call('MULTI')
  await client.call('GET', 'a')
  clock.advance(10)
  expect(await client.call('EXEC')).toEqual([null])
})

test('a transaction that moves a directory to and fro ends after a quarter of a million nodes', async () => {
  const server = await start()
  const client = await join(server)
  for (let i = 0; i < 25_000; i++) server.store.set(`/a/${i}`, '')
  const requests = Array.from({ length: 14 }, (_, i) => (i % 2 ? 'RENAME b a' : 'RENAME a b'))
  const replies = (await transact(client, ...requests, 'SET c 1')) as Reply[]
  expect(replies.slice(0, 10)).toEqual(Array(10).fill('OK'))
  for (const i of [10, 12]) {
    expect(errorText(replies[i])).toBe(
      'ERR too many nodes moved by one transaction (the limit is 250000)',
    )
  }
  expect(replies[14]).toBe('OK')
  expect(server.store.files).toBe(25_001)
  // The next ones begin anew.
  expect(await client.call('RENAME', 'a', 'b')).toBe('OK')
  expect(await transact(client, 'RENAME b a')).toEqual(['OK'])
})

test('renames that are refused after a look at all nodes count as well', async () => {
  const server = await start()
  const client = await join(server)
  for (let i = 0; i < 25_000; i++) server.store.set(`/a/${i}`, '')
  server.store.set('/a/b/c', '')
  const requests = Array.from({ length: 2 }, () => `RENAME a ${'/d'.repeat(1023)}`)
  const replies = (await transact(client, ...requests)) as Reply[]
  expect(replies.map(errorText)).toEqual([
    'ERR path is too deep (1025 levels, the limit is 1024)',
    'ERR too many nodes moved by one transaction (the limit is 250000)',
  ])
})

test('a node that moves to a long path counts as several', async () => {
  const server = await start()
  const client = await join(server)
  for (let i = 0; i < 188; i++) server.store.set(`/a/${i}`, '')
  const long = 'x'.repeat(15_000)
  const there = [`RENAME a ${long}`, `RENAME ${long} a`]
  const requests = [...there, ...there, ...there]
  const replies = (await transact(client, ...requests)) as Reply[]
  expect(replies.slice(0, 5)).toEqual(Array(5).fill('OK'))
  expect(errorText(replies[5])).toBe(
    'ERR too many nodes moved by one transaction (the limit is 250000)',
  )
})

testAlone(
  'what comes of an entry must not depend on who listens',
  'so does one of which messages tell that it is new',
  async () => {
    const server = await start()
    const client = await join(server)
    for (let i = 0; i < 25_000; i++) server.store.set(`/a/${i}`, '')
    const requests = Array.from({ length: 4 }, (_, i) => (i % 2 ? 'RENAME b a' : 'RENAME a b'))
    await client.call('CONFIG', 'SET', 'notify-keyspace-events', 'KEn')
    const replies = (await transact(client, ...requests)) as Reply[]
    expect(replies.slice(0, 2)).toEqual(['OK', 'OK'])
    expect(errorText(replies[2])).toMatch('ERR too many nodes moved by one transaction')
    await client.call('CONFIG', 'SET', 'notify-keyspace-events', 'KEA')
    expect(await transact(client, ...requests)).toEqual(Array(4).fill('OK'))
  },
)

test('so does one far below the directory that moves', async () => {
  const server = await start()
  const client = await join(server)
  // As many nodes, in one level and in 1,000.
  for (let i = 0; i < 5000; i++) server.store.set(`/flat/${i}`, '')
  for (let i = 0; i < 5; i++) server.store.set(`/deep/${i}${'/d'.repeat(999)}`, '')
  const moves = (name: string): Promise<unknown> => {
    const pairs = Array.from({ length: 5 }, (_, i) => (i % 2 ? ['to', name] : [name, 'to']))
    return transact(client, ...pairs.map(([from, to]) => `RENAME ${from} ${to}`))
  }
  const replies = (await moves('deep')) as Reply[]
  expect(replies.slice(0, 2)).toEqual(['OK', 'OK'])
  expect(errorText(replies[2])).toMatch('ERR too many nodes moved by one transaction')
  expect(await moves('flat')).toEqual(Array(5).fill('OK'))
})

test('a transaction that writes a byte into a long value, over and over, ends after 512 MB', async () => {
  const client = await join(await start())
  await client.call('SETRANGE', 'long', '60000000', 'x')
  const requests = Array.from({ length: 20 }, (_, i) => `SETRANGE long ${i} y`)
  const replies = (await transact(client, ...requests)) as Reply[]
  expect(replies.slice(0, 9)).toEqual(Array(9).fill(60_000_001))
  for (const reply of replies.slice(9)) {
    expect(errorText(reply)).toMatch(/^ERR too many bytes copied by one transaction/)
  }
  expect(await client.call('GETRANGE', 'long', '0', '9')).toBe('yyyyyyyyy\0')
  expect(await client.call('SETRANGE', 'long', '9', 'y')).toBe(60_000_001)
})

test('a transaction of GETRANGE and DUMP of a long value ends after 512 MB, but writes all', async () => {
  const client = await join(await start())
  await client.call('SETRANGE', 'long', '60000000', 'x')
  const dumps = Array<string>(9).fill('DUMP long')
  const late = ['SETRANGE long 0 y', 'GETRANGE long 0 100000', 'DUMP long', 'STRLEN long']
  const replies = (await transact(client, 'GETRANGE long 0 99999', ...dumps, ...late)) as Reply[]
  expect(replies[0]).toHaveLength(100_000)
  expect([replies[10], replies[13]]).toEqual([60_000_001, 60_000_001])
  for (const reply of replies.slice(11, 13)) {
    expect(errorText(reply)).toMatch(/^ERR too many bytes copied for replies by one transaction/)
  }
})

test('GETRANGE and DUMP copy nothing for a client that wants no replies', async () => {
  const server = await start()
  const client = await join(server)
  await client.call('SETRANGE', 'long', '60000000', 'x')
  const begin = vi.spyOn(LongWork.prototype, 'begin')
  const allocations = (['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const).map((name) => {
    const spied = vi.spyOn(Buffer, name)
    onTestFinished(() => spied.mockRestore())
    return spied
  })
  const requests = [
    ['GETRANGE', 'long', '0', '20000000'],
    ['DUMP', 'long'],
  ]
  client.send('CLIENT', 'REPLY', 'OFF')
  for (const request of requests) client.send(...request)
  client.send('MULTI')
  for (let i = 0; i < 100; i++) for (const request of requests) client.send(...request)
  client.send('EXEC')
  client.send('CLIENT', 'REPLY', 'ON')
  expect(await client.next()).toBe('OK')
  expect(begin).not.toHaveBeenCalled()
  begin.mockRestore()
  const lengths = allocations.flatMap(({ mock }) => mock.calls.map(([length]) => length))
  expect(Math.max(...lengths)).toBeLessThan(1024 * 1024)
  expect(await client.call('INFO', 'stats')).toContain('keyspace_hits:202\r')
})

test.each([
  ['files', (store: Store, path: string) => store.set(path, '')],
  ['directories', (store: Store, path: string) => store.createDirectory(path)],
] as const)(
  'a transaction that lists many %s that change between ends after five million',
  async (_, make) => {
    const server = await start()
    const client = await join(server)
    for (let i = 0; i < 200_000; i++) make(server.store, `/d/_${i}`)
    const pairs = Array.from({ length: 40 }, (_, i) => ['KGET / RECURSIVE', `SET x ${i}`]).flat()
    const replies = (await transact(client, ...pairs)) as Reply[]
    const listed = replies.filter((reply, i) => i % 2 === 0 && !(reply instanceof ErrorReply))
    expect(listed.length).toBe(25)
    expect(errorText(replies[78])).toMatch(/^ERR too many nodes listed by one transaction/)
    expect(await client.call('GET', 'x')).toBe('39')
    expect(await client.call('KGET', '/d', 'RECURSIVE')).not.toBeInstanceOf(ErrorReply)
  },
)

test('a transaction that takes rights from a user with much to judge, over and over, ends after five million', async () => {
  const server = await start()
  const client = await join(server)
  await client.call('ACL', 'SETUSER', 'u', 'on', 'nopass', '+@all', '~*', '&x*')
  const other = await join(server, 3)
  await other.call('AUTH', 'u', '')
  const channels = Array.from({ length: 20_000 }, (_, i) => `x${i}`)
  other.send('SUBSCRIBE', ...channels)
  for (const _ of channels) await other.next()
  const changes = ['ACL SETUSER u &x', 'ACL SETUSER u resetchannels &x*']
  const requests = Array.from({ length: 270 }, () => changes).flat()
  const replies = (await transact(client, ...requests)) as Reply[]
  const refused = replies.filter((reply) => reply instanceof ErrorReply)
  expect(replies.slice(0, 500)).toEqual(Array(500).fill('OK'))
  expect(refused.length).toBe(40)
  expect(errorText(replies[500])).toMatch(/^ERR too many rights judged by one transaction/)
  expect(other.ended).toBe(false)
  // The next ones begin anew.
  expect(await client.call('ACL', 'SETUSER', 'u', 'resetchannels')).toBe('OK')
  await other.closed
})

test.each([
  ['many patterns', 500, 'x'],
  ['long names', 1, 'x'.repeat(15_000)],
])('rights count by what it takes to judge them: %s', async (_, patterns, name) => {
  const server = await start()
  const client = await join(server)
  const keys = Array.from({ length: patterns }, (_, i) => `~a${i}*`)
  await client.call('ACL', 'SETUSER', 'u', 'on', 'nopass', '+@all', ...keys, '~x*')
  const other = await join(server, 3)
  await other.call('AUTH', 'u', '')
  await other.call('WATCH', ...Array.from({ length: 1000 }, (_, i) => `${name}${i}`))
  const changes = ['ACL SETUSER u ~y', `ACL SETUSER u resetkeys ${keys.join(' ')} ~x*`]
  const requests = Array.from({ length: 25 }, () => changes).flat()
  const replies = (await transact(client, ...requests)) as Reply[]
  expect(replies[1]).toBe('OK')
  expect(errorText(replies[49])).toMatch(/^ERR too many rights judged by one transaction/)
})
