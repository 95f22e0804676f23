import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { systemFiles } from '../../src/log/journal-files.ts'
import type { RunningServer, StartOptions } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'
import {
  ErrorReply,
  eventually,
  frame,
  join,
  Push,
  type RawClient,
  type Reply,
  start,
  visit,
} from '../server/raw-client.ts'
import { contentOf, type Disk, keep, temporaryDirectory, useDisk } from './support.ts'

interface Always {
  readonly server: RunningServer
  readonly disk: Disk
  readonly directory: string
}

/** A server with durability always, on a disk that a test can hold up. */
async function startAlways(options: StartOptions = {}): Promise<Always> {
  const directory = temporaryDirectory()
  const directives = {
    'enable-protected-configs': 'yes',
    ...options.directives,
    dir: directory,
    durability: 'always',
  }
  const server = await start({ ...options, directives })
  return { server, disk: useDisk(), directory }
}

/** Resolves when everything that servers of this process have sent so far has been received. */
async function settled(): Promise<void> {
  const other = await join(await start())
  for (let i = 0; i < 5; i++) await other.call('PING')
}

/** Makes a write that waits for the disk. */
async function holdWrite({ server, disk }: Always): Promise<RawClient> {
  const writer = await join(server)
  disk.hold()
  writer.send('KSET', '/held', '1')
  await eventually(() => disk.waiting === 1)
  return writer
}

const field = (event: Reply, name: string): Reply => {
  const items = event as Reply[]
  return items[items.indexOf(name) + 1]
}

const indexIn = (event: Reply): Reply =>
  event instanceof ErrorReply ? event : field(event, 'index')
const valueIn = (event: Reply): Reply => field(field(event, 'node'), 'value')
const misconf = { text: expect.stringMatching(/^MISCONF /) }

describe('before the disk has a write, nobody hears', () => {
  test('of a write: neither its client, nor readers, nor watchers', async () => {
    const always = await startAlways()
    const { server, disk } = always
    const [reader, watcher, globber, waiter, monitor, modern] = [
      await join(server),
      await join(server),
      await join(server),
      await join(server),
      await join(server),
      await join(server, 3),
    ]
    await watcher.call('KWATCH', '/held')
    await globber.call('PSUBSCRIBE', '/h*')
    waiter.send('KWAIT', '/held')
    await eventually(() => server.store.hub.count === 2)
    await modern.call('SUBSCRIBE', '/?recursive=true')
    await monitor.call('MONITOR')
    const writer = await holdWrite(always)
    reader.send('KGET', '/held')
    modern.send('KINDEX')
    await eventually(() => server.store.stats.getsSuccess === 1)
    await settled()
    for (const client of [writer, reader, watcher, globber, waiter, monitor, modern]) {
      expect(client.unread).toBe('')
    }
    disk.release()
    expect(indexIn(await writer.next())).toBe(1)
    expect(valueIn(await reader.next())).toBe('1')
    expect(JSON.parse(((await watcher.next()) as string[])[2]).index).toBe(1)
    expect(JSON.parse(((await globber.next()) as string[])[3]).index).toBe(1)
    expect(indexIn(await waiter.next())).toBe(1)
    expect(await monitor.next()).toContain('"KSET" "/held"')
    expect(await modern.next()).toMatchObject({ items: ['message', '/?recursive=true', {}] })
    expect(await modern.next()).toBe(1)
  })

  test('of a write whose message is large', async () => {
    const { server, disk } = await startAlways()
    const [watcher, globber, writer] = [await join(server), await join(server), await join(server)]
    await watcher.call('KWATCH', '/a')
    await globber.call('PSUBSCRIBE', '/*')
    disk.hold()
    writer.send('KSET', '/a', 'x'.repeat(600_000))
    await eventually(() => disk.waiting === 1)
    await settled()
    expect([watcher.unread.length, globber.unread.length, writer.unread.length]).toEqual([0, 0, 0])
    disk.release()
    expect(((await watcher.next()) as string[])[2].length).toBeGreaterThan(600_000)
    expect(((await globber.next()) as string[])[3].length).toBeGreaterThan(600_000)
  })

  test('of an expiry', async () => {
    const clock = new ManualClock()
    const { server, disk } = await startAlways({ clock })
    const [client, watcher] = [await join(server), await join(server)]
    await watcher.call('KWATCH', '/a')
    await client.call('KSET', '/a', '1', 'PX', '100')
    await watcher.next()
    disk.hold()
    clock.advance(100)
    await eventually(() => disk.waiting === 1)
    client.send('KINDEX')
    await settled()
    expect([watcher.unread, client.unread]).toEqual(['', ''])
    disk.release()
    expect(JSON.parse(((await watcher.next()) as string[])[2]).action).toBe('expire')
    expect(await client.next()).toBe(2)
  })

  test('of a KRECOVER', async () => {
    const { server, disk } = await startAlways()
    const client = await join(server)
    disk.hold()
    client.send('KRECOVER', new Store().save())
    client.send('KINDEX')
    await eventually(() => disk.waiting === 1)
    await settled()
    expect(client.unread).toBe('')
    disk.release()
    expect(await client.take(2)).toEqual(['OK', 0])
  })

  test('of a write while a failed CONFIG SET dir is undone', async () => {
    const { server, disk } = await startAlways()
    const [client, writer] = [await join(server), await join(server)]
    disk.hold()
    client.send('CONFIG', 'SET', 'dir', temporaryDirectory())
    // The last commit in the former directory, the first in the new one, and one in the former
    // again.
    await eventually(() => disk.waiting === 1)
    disk.step()
    await eventually(() => disk.waiting === 1)
    disk.failure = new Error('no space left')
    disk.step()
    const { commits } = disk
    let tooEarly = 0
    const writing = (async () => {
      while (disk.commits === commits) {
        const reply = await writer.call('KSET', '/a', '1')
        if (!(reply instanceof ErrorReply) && disk.commits === commits) tooEarly++
      }
    })()
    await eventually(() => disk.waiting === 1)
    disk.failure = undefined
    await settled()
    disk.release()
    await writing
    expect(await client.next()).toBeInstanceOf(ErrorReply)
    expect(tooEarly).toBe(0)
  })

  test('but with everysec all hear of a write at once', async () => {
    const server = await start({ directives: { dir: temporaryDirectory() } })
    const disk = useDisk()
    const client = await join(server)
    disk.hold()
    expect(indexIn(await client.call('KSET', '/a', '1'))).toBe(1)
    client.send('SAVE')
    await eventually(() => disk.waiting === 1)
    const other = await join(server)
    expect(indexIn(await other.call('KSET', '/b', '1'))).toBe(2)
    disk.release()
    expect(await client.next()).toBe('OK')
  })
})

describe('replies that wait', () => {
  test('arrive in order, with those of reads among them', async () => {
    const always = await startAlways()
    const { server, disk } = always
    const client = await join(server)
    await holdWrite(always)
    const requests = [
      ['KSET', '/a', '1'],
      ['KGET', '/a'],
      ['PING'],
      ['KSET', '/a', '2'],
      ['KGET', '/missing'],
      ['KGET', '/a'],
      ['KINDEX'],
    ]
    client.write(requests.map((request) => frame(...request)).join(''))
    await eventually(() => server.store.index === 3)
    disk.step()
    await eventually(() => disk.waiting === 1)
    await settled()
    expect(client.unread).toBe('')
    disk.release()
    const [set, get, pong, again, missing, got, index] = await client.take(7)
    expect([indexIn(set), valueIn(get), pong, indexIn(again)]).toEqual([2, '1', 'PONG', 3])
    expect(missing).toBeInstanceOf(ErrorReply)
    expect([valueIn(got), index]).toEqual(['2', 3])
  })

  test('of many clients share a sync', async () => {
    const always = await startAlways()
    const { server, disk } = always
    await holdWrite(always)
    const { syncs } = disk
    const clients: RawClient[] = []
    for (let i = 0; i < 40; i++) {
      const client = await join(server)
      for (let n = 0; n < 25; n++) client.send('KSET', `/c${i}/${n}`, '1')
      clients.push(client)
    }
    await eventually(() => server.store.index === 1001)
    disk.release()
    for (const client of clients) await client.take(25)
    // The sync that was held, and one for all writes meanwhile.
    expect(disk.syncs - syncs).toBe(2)
  })

  test('share a sync with other writes of the same turn', async () => {
    const { server, disk } = await startAlways()
    const clients: RawClient[] = []
    for (let i = 0; i < 20; i++) clients.push(await join(server))
    const { syncs } = disk
    for (let round = 0; round < 20; round++) {
      await Promise.all(clients.map((client, i) => client.call('KSET', `/${i}`, String(round))))
    }
    expect(server.store.index).toBe(400)
    expect(disk.syncs - syncs).toBeLessThan(200)
  })

  test('all arrive for a pipeline that takes many syncs and turns', async () => {
    const { server, disk } = await startAlways()
    const [client, other] = [await join(server), await join(server)]
    const count = 30_000
    let requests = ''
    for (let i = 0; i < count; i++) requests += frame('KSET', `/d${i % 100}/${i}`, String(i))
    client.write(requests)
    other.write(requests)
    const [mine, its] = await Promise.all([client.take(count), other.take(count)])
    const indexes = [...mine, ...its].map((reply) => indexIn(reply) as number)
    expect(new Set(indexes).size).toBe(2 * count)
    expect(mine.map(indexIn)).toEqual([...mine.map(indexIn)].sort((a, b) => Number(a) - Number(b)))
    expect(disk.syncs).toBeLessThan(count)
  })

  test('are not sent to clients that have muted them', async () => {
    const always = await startAlways()
    const { server, disk } = always
    const [silent, skipping] = [await join(server), await join(server)]
    await holdWrite(always)
    silent.send('CLIENT', 'REPLY', 'OFF')
    silent.send('KSET', '/a', '1')
    skipping.send('CLIENT', 'REPLY', 'SKIP')
    skipping.send('KSET', '/b', '1')
    skipping.send('KGET', '/b')
    await eventually(() => server.store.index === 3 && server.store.stats.getsSuccess === 1)
    disk.release()
    expect(valueIn(await skipping.next())).toBe('1')
    silent.send('CLIENT', 'REPLY', 'ON')
    expect(await silent.next()).toBe('OK')
    expect(await skipping.untilPong()).toEqual([])
  })

  test('are still sent to a client that has quit or half-closed', async () => {
    const always = await startAlways()
    const { server, disk } = always
    const [quitter, half] = [await join(server), await join(server)]
    await holdWrite(always)
    quitter.send('KSET', '/a', '1')
    quitter.send('QUIT')
    half.send('KSET', '/b', '1')
    half.socket.end()
    await eventually(() => server.store.index === 3)
    await settled()
    expect([quitter.unread, half.unread, quitter.ended]).toEqual(['', '', false])
    disk.release()
    const [set, ok] = await quitter.take(2)
    expect([valueIn(set), ok]).toEqual(['1', 'OK'])
    expect(valueIn(await half.next())).toBe('1')
    await Promise.all([quitter.closed, half.closed])
  })

  test('do not hold up others when their client has left', async () => {
    const always = await startAlways()
    const { server, disk, directory } = always
    const gone = await visit(server)
    const writer = await holdWrite(always)
    gone.send('KSET', '/a', '1')
    await eventually(() => server.store.index === 2)
    await gone.vanish()
    disk.release()
    expect(indexIn(await writer.next())).toBe(1)
    expect(indexIn(await writer.call('KSET', '/b', '1'))).toBe(3)
    await server.close()
    expect((await keep({ directory })).store.get('/a').node.value).toBe('1')
  })

  test('are sent before a closing server ends', async () => {
    const always = await startAlways()
    const { server, disk, directory } = always
    const writer = await holdWrite(always)
    const closed = server.close()
    await settled()
    expect(writer.unread).toBe('')
    disk.release()
    expect(indexIn(await writer.next())).toBe(1)
    await Promise.all([writer.closed, closed])
    expect((await keep({ directory })).store.index).toBe(1)
  })

  test('count as unread: a client with too many is not served until they are sent', async () => {
    const always = await startAlways()
    const { server, disk } = always
    const client = await join(server)
    await client.call('KSET', '/large', 'x'.repeat(100_000))
    await holdWrite(always)
    // The limit for one client is a quarter of it.
    server.config.set('maxmemory', ['4mb'])
    for (let i = 0; i < 100; i++) client.send('KGET', '/large')
    await settled()
    expect(server.store.stats.getsSuccess).toBeLessThan(30)
    disk.release()
    for (const reply of await client.take(100)) expect(valueIn(reply)).toHaveLength(100_000)
  })

  test('keep their order when some of them are made in pieces', async () => {
    const always = await startAlways()
    const { server, disk } = always
    const client = await join(server)
    const long = 'x'.repeat(200_000)
    for (let i = 0; i < 20_000; i++) server.store.set(`/dir/${i}${'-'.repeat(100)}`, '')
    const keys = (await client.call('KEYS', 'dir/*')) as string[]
    await client.call('KSET', '/large', long)
    await holdWrite(always)
    client.write(
      frame('SET', 'a', '1') +
        frame('KEYS', 'dir/*') +
        frame('GET', 'large') +
        frame('SET', 'a', '2') +
        frame('GET', 'a'),
    )
    await settled()
    expect(client.unread).toBe('')
    disk.release()
    const replies = await client.take(5)
    expect(replies).toEqual(['OK', keys, long, 'OK', '2'])
  })

  test('are sent at once when durability is no longer always', async () => {
    const always = await startAlways()
    const { server, disk } = always
    const [client, admin] = [await join(server), await join(server)]
    await holdWrite(always)
    client.send('KSET', '/a', '1')
    await eventually(() => server.store.index === 2)
    admin.send('CONFIG', 'SET', 'durability', 'everysec')
    disk.release()
    expect(await admin.next()).toBe('OK')
    expect(indexIn(await client.next())).toBe(2)
    disk.hold()
    expect(indexIn(await client.call('KSET', '/a', '2'))).toBe(3)
    disk.release()
  })
})

describe('when the journal fails', () => {
  const fail = async ({ disk }: Always): Promise<void> => {
    disk.failure = new Error('no space left')
    disk.release()
  }

  test('only replies to writes become errors, whatever is made in pieces around them', async () => {
    const always = await startAlways()
    const { server } = always
    const client = await join(server)
    const long = 'x'.repeat(200_000)
    for (let i = 0; i < 20_000; i++) server.store.set(`/dir/${i}${'-'.repeat(100)}`, '')
    await client.call('KSET', '/large', long)
    const keys = (await client.call('KEYS', 'dir/*')) as string[]
    await holdWrite(always)
    client.write(
      frame('GETSET', 'large', 'new') +
        frame('GET', 'large') +
        frame('SET', 'a', '1') +
        frame('KEYS', 'dir/*'),
    )
    await settled()
    await fail(always)
    const replies = await client.take(4)
    expect(replies).toEqual([misconf, 'new', misconf, keys])
  })

  test('writes get an error, and reads their replies', async () => {
    const always = await startAlways()
    const { server, disk } = always
    const client = await join(server)
    await client.call('KSET', '/x', 'old')
    disk.hold()
    client.write(
      [
        ['KGET', '/x'],
        ['KSET', '/a', '1'],
        ['KGET', '/a'],
        ['KCREATE', '/x', '1'],
        ['KDEL', '/x'],
        ['PING'],
        ['KSET', '/b/c', '1'],
        ['KINDEX'],
      ]
        .map((request) => frame(...request))
        .join(''),
    )
    await eventually(() => disk.waiting === 1)
    await fail(always)
    const [old, a, gotA, exists, deleted, pong, b, index] = await client.take(8)
    expect([valueIn(old), valueIn(gotA), pong, index]).toEqual(['old', '1', 'PONG', 4])
    expect(exists).toMatchObject({ text: expect.stringMatching(/^NODEEXIST /) })
    for (const reply of [a, deleted, b]) expect(reply).toMatchObject(misconf)
  })

  test('writes that wait for the next sync get an error too, unless they are muted', async () => {
    const always = await startAlways()
    const { server } = always
    const [client, silent, watcher] = [await join(server), await join(server), await join(server)]
    const writer = await holdWrite(always)
    client.send('KSET', '/a', '1')
    client.send('PING')
    silent.send('CLIENT', 'REPLY', 'SKIP')
    silent.send('KSET', '/b', '1')
    silent.send('PING')
    watcher.send('KWATCH', '/?recursive=true&since=1')
    await eventually(() => server.store.index === 3)
    await fail(always)
    expect(await writer.next()).toMatchObject(misconf)
    const [a, pong] = await client.take(2)
    expect(a).toMatchObject(misconf)
    expect(pong).toBe('PONG')
    expect(await silent.next()).toBe('PONG')
    expect(await watcher.next()).toMatchObject(['subscribe', expect.anything(), 1])
  })

  test('a client that watches its own write still gets the message', async () => {
    const always = await startAlways()
    const { server, disk } = always
    const client = await join(server, 3)
    await client.call('SUBSCRIBE', '/a')
    disk.hold()
    client.send('KSET', '/a', '1')
    client.send('CLIENT', 'REPLY', 'SKIP')
    client.send('KSET', '/a', '2')
    client.send('PING')
    await eventually(() => disk.waiting === 1)
    await fail(always)
    const messages: number[] = []
    const replies: Reply[] = []
    while (replies.at(-1) !== 'PONG') {
      const reply = await client.next()
      if (reply instanceof Push) messages.push(JSON.parse(reply.items[2] as string).index)
      else replies.push(reply)
    }
    expect(messages).toEqual([1, 2])
    expect(replies).toMatchObject([misconf, 'PONG'])
  })

  test('the client that monitors its own write gets the error before the whole line', async () => {
    const always = await startAlways()
    const { server, disk } = always
    const client = await join(server, 3)
    await client.call('SUBSCRIBE', '/a')
    await client.call('MONITOR')
    const value = 'x'.repeat(40_000)
    disk.hold()
    client.send('KSET', '/a', value)
    client.send('PING')
    await eventually(() => disk.waiting === 1)
    await fail(always)
    const [event, reply, line] = await client.take(3)
    expect(event).toBeInstanceOf(Push)
    expect(reply).toMatchObject(misconf)
    expect(line).toMatch(/ "KSET" "\/a" "x{40000}"$/)
    expect(await client.take(2)).toEqual(['PONG', expect.stringMatching(/ "PING"$/)])
  })

  test('KRECOVER gets an error too', async () => {
    const always = await startAlways()
    const { server, disk } = always
    const client = await join(server)
    await client.call('KSET', '/a', '1')
    const state = (await client.call('KSAVE')) as string
    disk.hold()
    client.send('KRECOVER', state)
    await eventually(() => disk.waiting === 1)
    await fail(always)
    expect(await client.next()).toMatchObject(misconf)
  })

  test('writes are refused and reads served until the disk works again', async () => {
    const clock = new ManualClock()
    const always = await startAlways({ clock })
    const { server, disk, directory } = always
    const writer = await holdWrite(always)
    await fail(always)
    expect(await writer.next()).toMatchObject(misconf)
    for (const request of [
      ['KSET', '/a', '1'],
      ['KCREATE', '/a', '1'],
      ['KUPDATE', '/held', '1'],
      ['KMKDIR', '/d'],
      ['KCAS', '/held', '2', 'PREVVALUE', '1'],
      ['KCAD', '/held', 'PREVVALUE', '1'],
      ['KDEL', '/held'],
      ['KRECOVER', new Store().save()],
    ]) {
      expect(await writer.call(...request)).toMatchObject({
        text: 'MISCONF Errors writing to the data directory: no space left',
      })
    }
    expect(valueIn(await writer.call('KGET', '/held'))).toBe('1')
    expect(await writer.call('KINDEX')).toBe(1)
    expect(await writer.call('PING')).toBe('PONG')
    expect(await writer.call('INFO', 'persistence')).toContain('write_error:no space left\r\n')
    expect(await writer.call('INFO', 'persistence')).toContain('aof_last_write_status:err\r\n')
    // The commit is tried again, and fails again.
    const { length } = disk.writes
    const refused = async (): Promise<boolean> => {
      clock.advance(1000)
      expect(await writer.call('KSET', '/a', '1')).toMatchObject(misconf)
      return disk.writes.length > length
    }
    await expect.poll(refused).toBe(true)
    disk.failure = undefined
    const retry = async (): Promise<Reply> => {
      clock.advance(1000)
      return indexIn(await writer.call('KSET', '/a', '1'))
    }
    await expect.poll(retry).toBe(2)
    await server.close()
    const { store } = await keep({ directory })
    expect(contentOf(store)).toEqual(contentOf(server.store))
  })
})

test('while the directory changes, each write is held until it is on the disk', async () => {
  let done = 0
  const { store, persistence } = await keep({
    durability: 'always',
    onKept: (number) => {
      if (number !== Number.POSITIVE_INFINITY) done = number
    },
  })
  for (let round = 0; round < 30; round++) {
    const between = round % 3 === 0 ? 'no' : 'always'
    let over = false
    const change = persistence
      .change(temporaryDirectory(), between)
      .then(() => persistence.change(temporaryDirectory(), 'always'))
      .finally(() => {
        over = true
      })
    while (!over) {
      // In the next turn of the event loop, as replies are sent.
      store.set('/a', 'x')
      await new Promise((resolve) => setImmediate(resolve))
      const { durability, holding, covering } = persistence
      if (durability !== 'always') continue
      if (holding) expect(covering).toBeGreaterThan(done)
    }
    await change
  }
})

describe('on a fast disk, the server syncs before it replies', () => {
  /** Follows the syncs of the server's own thread. They fail with an error, if there is one. */
  const watchSyncs = () => {
    const seen = { count: 0, error: undefined as Error | undefined }
    const { syncNow } = systemFiles
    const spy = vi.spyOn(systemFiles, 'syncNow').mockImplementation((file) => {
      if (seen.error !== undefined) throw seen.error
      syncNow(file)
      seen.count++
    })
    onTestFinished(() => spy.mockRestore())
    return seen
  }
  const startFast = () => {
    const directives = { dir: temporaryDirectory(), durability: 'always' }
    return start({ directives })
  }

  test('once for all writes of a pipeline, also of large values', async () => {
    const client = await join(await startFast())
    const seen = watchSyncs()
    const large = 'x'.repeat(50_000)
    client.send('KSET', '/a', large)
    client.send('KSET', '/a', large)
    client.send('SET', 'b', '1')
    for (const index of [1, 2]) expect(indexIn(await client.next())).toBe(index)
    expect(await client.next()).toBe('OK')
    expect(seen.count).toBeGreaterThan(0)
    const before = seen.count
    client.write(Array.from({ length: 100 }, () => frame('SET', 'c', '2')).join(''))
    for (let i = 0; i < 100; i++) expect(await client.next()).toBe('OK')
    expect(seen.count - before).toBeLessThan(10)
  })

  test('unless a turn has so many writes that the next requests are work enough', async () => {
    const client = await join(await startFast())
    const seen = watchSyncs()
    const spy = vi.spyOn(systemFiles, 'sync')
    onTestFinished(() => spy.mockRestore())
    client.write(Array.from({ length: 1900 }, () => frame('SET', 'c', '2')).join(''))
    for (let i = 0; i < 1900; i++) expect(await client.next()).toBe('OK')
    expect(spy).toHaveBeenCalled()
    // The last writes may have come in a turn of their own.
    expect(seen.count).toBeLessThan(2)
  })

  test('and refuses the write if the sync fails', async () => {
    const client = await join(await startFast())
    const seen = watchSyncs()
    seen.error = Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
    expect(await client.call('SET', 'a', '1')).toMatchObject(misconf)
    expect(await client.call('SET', 'a', '2')).toMatchObject(misconf)
    expect(await client.call('GET', 'a')).toBe('1')
  })

  test('what no command has written is synced, too', async () => {
    const server = await startFast()
    const seen = watchSyncs()
    const watcher = await join(server)
    await watcher.call('KWATCH', '/a')
    server.store.set('/a', '1')
    await watcher.next()
    expect(seen.count).toBe(1)
  })
})
