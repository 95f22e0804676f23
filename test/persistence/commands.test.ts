import { existsSync } from 'node:fs'
import { basename, relative } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Config } from '../../src/config/config.ts'
import { treeOf } from '../../src/persistence/data-directory.ts'
import { Engine } from '../../src/persistence/level.ts'
import { type RunningServer, type StartOptions, startServer } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import type { Store } from '../../src/store/store.ts'
import { eventually, join, type RawClient, type Reply, start } from '../server/raw-client.ts'
import { contentOf, keep, temporaryDirectory, useDisk } from './support.ts'

const error = (text: string) => ({ text })

/** A server on its own directory, with a client. */
async function startKept(options: StartOptions & { durability?: string } = {}) {
  const { durability = 'everysec', ...rest } = options
  const directory = temporaryDirectory()
  const directives = {
    'crash-index-gap': '0',
    'enable-protected-configs': 'yes',
    ...rest.directives,
    dir: directory,
    durability,
  }
  const server = await start({ ...rest, directives })
  return { server, directory, client: await join(server) }
}

async function info(client: RawClient): Promise<Record<string, string>> {
  const text = (await client.call('INFO', 'persistence')) as string
  const lines = text.split('\r\n').filter((line) => line.includes(':'))
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  )
}

/** The tree that a new server reads from a directory. */
async function storeIn(directory: string): Promise<Store> {
  const { store, persistence } = await keep({ directory })
  await persistence.close(false)
  return store
}

async function assertFree(directory: string): Promise<void> {
  const engine = await Engine.open(treeOf(directory))
  await engine.close()
}

describe('SAVE', () => {
  test('replies when all writes are on the disk', async () => {
    const { server, directory, client } = await startKept()
    const disk = useDisk()
    await client.call('KSET', '/a', '1')
    disk.hold()
    client.send('SAVE')
    client.send('PING')
    await eventually(() => disk.waiting === 1)
    const other = await join(server)
    expect(await other.call('PING')).toBe('PONG')
    expect(client.unread).toBe('')
    disk.release()
    expect(await client.take(2)).toEqual(['OK', 'PONG'])
    await client.call('KSET', '/b', '1')
    await server.close()
    const store = await storeIn(directory)
    expect([store.get('/a').node.value, store.get('/b').node.value]).toEqual(['1', '1'])
  })

  test('replies to a client that has half-closed, and so do the requests behind it', async () => {
    const { client } = await startKept()
    const disk = useDisk()
    await client.call('KSET', '/a', '1')
    disk.hold()
    client.send('SAVE')
    client.send('KINDEX')
    client.socket.end()
    await eventually(() => disk.waiting === 1)
    disk.release()
    expect(await client.take(2)).toEqual(['OK', 1])
    await client.closed
  })

  test('waits for the commit after the one that is running', async () => {
    const { server, client } = await startKept()
    const disk = useDisk()
    const other = await join(server)
    disk.hold()
    client.send('SAVE')
    await eventually(() => disk.waiting === 1)
    await other.call('KSET', '/late', '1')
    other.send('SAVE')
    other.send('PING')
    disk.step()
    expect(await client.next()).toBe('OK')
    await eventually(() => disk.waiting === 1)
    expect(other.unread).toBe('')
    disk.release()
    expect(await other.take(2)).toEqual(['OK', 'PONG'])
  })

  test('fails with the reason', async () => {
    const { client } = await startKept()
    const disk = useDisk()
    disk.failure = new Error('no space left')
    expect(await client.call('SAVE')).toMatchObject(error('ERR no space left'))
    disk.failure = undefined
    expect(await client.call('SAVE')).toBe('OK')
  })

  test.each([['SAVE'], ['BGSAVE']])('%s is refused with durability no', async (name) => {
    const client = await join(await start())
    const text = 'ERR durability is no: nothing is kept on disk'
    expect(await client.call(name)).toMatchObject(error(text))
  })

  test.each([
    ['SAVE', 'NOW'],
    ['BGSAVE', 'NOW'],
    ['LASTSAVE', 'x'],
    ['BGSAVE', 'SCHEDULE', 'SCHEDULE'],
  ])('%s takes no %s', async (...request) => {
    const { client } = await startKept()
    expect(await client.call(...request)).toMatchObject({ text: expect.stringMatching(/^ERR /) })
  })
})

describe('BGSAVE', () => {
  test.each([[['BGSAVE']], [['bgsave', 'schedule']]])('%j replies at once', async (request) => {
    const clock = new ManualClock()
    const { client } = await startKept({ clock })
    const disk = useDisk()
    const before = (await client.call('LASTSAVE')) as number
    await client.call('KSET', '/a', '1')
    clock.advance(5000)
    disk.hold()
    expect(await client.call(...request)).toBe('Background saving started')
    await eventually(() => disk.waiting === 1)
    expect((await info(client)).rdb_bgsave_in_progress).toBe('1')
    disk.release()
    await eventually(() => disk.commits > 0)
    await expect.poll(() => client.call('LASTSAVE')).toBe(before + 5)
    await expect.poll(async () => (await info(client)).rdb_bgsave_in_progress).toBe('0')
  })

  test('shows its failure in INFO', async () => {
    const { client } = await startKept()
    const disk = useDisk()
    disk.failure = new Error('no space left')
    await client.call('BGSAVE')
    await expect.poll(async () => (await info(client)).rdb_last_bgsave_status).toBe('err')
    disk.failure = undefined
    expect(await client.call('SAVE')).toBe('OK')
    expect((await info(client)).rdb_last_bgsave_status).toBe('ok')
  })
})

describe('INFO persistence and LASTSAVE', () => {
  test('count checkpoints, and the writes that only the journal has', async () => {
    const clock = new ManualClock(1_600_000_000_000)
    const { directory, client } = await startKept({ clock })
    expect(await info(client)).toMatchObject({
      ...{ loading: '0', rdb_changes_since_last_save: '0', rdb_last_save_time: '1600000000' },
      ...{ durability: 'everysec', data_directory: directory, checkpoints: '1', write_error: '' },
    })
    await client.call('KSET', '/a', '1')
    await client.call('KSET', '/a', '2')
    expect((await info(client)).rdb_changes_since_last_save).toBe('2')
    expect(Number((await info(client)).journal_size)).toBeGreaterThan(40)
    clock.advance(1000)
    expect(await client.call('SAVE')).toBe('OK')
    expect((await info(client)).rdb_changes_since_last_save).toBe('0')
    expect(await client.call('LASTSAVE')).toBe(1_600_000_001)
    expect((await info(client)).checkpoints).toBe('2')
  })

  test('continue after a restart', async () => {
    const clock = new ManualClock(1_600_000_000_000)
    const { server, directory } = await startKept({ clock })
    await server.close()
    clock.advance(10_000)
    const again = await join(await start({ clock, directives: { dir: directory } }))
    expect(await again.call('LASTSAVE')).toBe(1_600_000_000)
  })

  test('show that nothing is kept on disk', async () => {
    const client = await join(await start())
    await client.call('KSET', '/a', '1')
    expect(await info(client)).toMatchObject({
      ...{ durability: 'no', data_directory: '', rdb_changes_since_last_save: '0' },
    })
  })
})

describe('SHUTDOWN', () => {
  test.each([[[]], [['SAVE']], [['NOW']], [['FORCE']], [['save', 'now', 'FORCE']]])(
    '%j writes the last changes to the disk',
    async (words) => {
      const { server, directory, client } = await startKept()
      await client.call('KSET', '/a', '1')
      client.send('SHUTDOWN', ...words)
      await Promise.all([server.closed, client.closed])
      expect(client.unread).toBe('')
      expect((await storeIn(directory)).index).toBe(1)
    },
  )

  test('NOSAVE writes no checkpoint: the next start applies the journal', async () => {
    const { server, directory, client } = await startKept()
    await client.call('KSET', '/a', '1')
    await client.call('SAVE')
    await client.call('KSET', '/a', '2')
    const disk = useDisk()
    client.send('SHUTDOWN', 'NOSAVE')
    await Promise.all([server.closed, client.closed])
    expect([server.lostWrites, disk.commits]).toEqual([0, 0])
    expect((await storeIn(directory)).index).toBe(2)
  })

  test('fails if the disk fails, unless it is forced', async () => {
    const { server, directory, client } = await startKept()
    const disk = useDisk()
    disk.failure = new Error('no space left')
    await client.call('KSET', '/a', '1')
    const text = 'ERR Errors trying to SHUTDOWN. Check logs.'
    expect(await client.call('SHUTDOWN')).toMatchObject(error(text))
    expect(await client.call('SHUTDOWN', 'SAVE')).toMatchObject(error(text))
    expect(await client.call('PING')).toBe('PONG')
    client.send('SHUTDOWN', 'FORCE')
    await Promise.all([server.closed, client.closed])
    expect(server.lostWrites).toBe(1)
    disk.failure = undefined
    await assertFree(directory)
  })

  test('SAVE is refused with durability no; all other forms end the server', async () => {
    const server = await start()
    const client = await join(server)
    const text = 'ERR durability is no: nothing is kept on disk'
    expect(await client.call('SHUTDOWN', 'SAVE')).toMatchObject(error(text))
    expect(await client.call('SHUTDOWN', 'SAVE', 'NOSAVE')).toMatchObject(error('ERR syntax error'))
    expect(await client.call('SHUTDOWN', 'ABORT')).toMatchObject({
      text: expect.stringMatching(/^ERR /),
    })
    client.send('SHUTDOWN')
    await Promise.all([server.closed, client.closed])
  })
})

describe('CONFIG SET dir', () => {
  test('writes the tree into the new directory, and later changes only there', async () => {
    const { server, directory, client } = await startKept()
    for (let i = 0; i < 5; i++) await client.call('KSET', `/d${i}/f`, String(i))
    const second = temporaryDirectory()
    expect(await client.call('CONFIG', 'SET', 'dir', second)).toBe('OK')
    expect((await info(client)).data_directory).toBe(second)
    expect(await client.call('CONFIG', 'GET', 'dir')).toEqual(['dir', second])
    await assertFree(directory)
    for (let i = 0; i < 5; i++) await client.call('KSET', `/e${i}/f`, String(i))
    await client.call('KDEL', '/d2', 'RECURSIVE')
    await server.close()
    expect(contentOf(await storeIn(second))).toEqual(contentOf(server.store))
    expect((await storeIn(directory)).index).toBe(5)
  })

  test('may return to a former directory', async () => {
    const { server, directory, client } = await startKept()
    await client.call('KSET', '/a/b', '1')
    await client.call('CONFIG', 'SET', 'dir', temporaryDirectory())
    for (let i = 0; i < 5; i++) await client.call('KSET', `/e${i}/f`, String(i))
    await client.call('KDEL', '/a', 'RECURSIVE')
    expect(await client.call('CONFIG', 'SET', 'dir', directory)).toBe('OK')
    for (let i = 0; i < 5; i++) await client.call('KSET', `/g${i}/f`, String(i))
    await server.close()
    expect(contentOf(await storeIn(directory))).toEqual(contentOf(server.store))
  })

  test.each(['another server is using', 'another server has left'])(
    'is refused for a directory with a tree that %s, and changes nothing',
    async (which) => {
      const other = await startKept()
      await other.client.call('KSET', '/other', '1')
      if (which.includes('left')) await other.server.close()
      const { server, directory, client } = await startKept()
      await client.call('KSET', '/a', '1')
      expect(await client.call('CONFIG', 'SET', 'dir', other.directory)).toMatchObject({
        text: expect.stringMatching(/^ERR CONFIG SET failed - .*(holds a tree|in use)/),
      })
      expect(await client.call('CONFIG', 'GET', 'dir')).toEqual(['dir', directory])
      expect((await info(client)).data_directory).toBe(directory)
      await client.call('KSET', '/b', '1')
      expect(await client.call('SAVE')).toBe('OK')
      await Promise.all([server.close(), other.server.close()])
      expect(contentOf(await storeIn(directory))).toEqual(contentOf(server.store))
      expect((await storeIn(other.directory)).get('/other').node.value).toBe('1')
    },
  )

  test('is refused together with the other directives of the command', async () => {
    const other = await startKept()
    const { directory, client } = await startKept()
    const request = ['CONFIG', 'SET', 'durability', 'always', 'dir', other.directory]
    expect(await client.call(...request)).toMatchObject({ text: expect.stringMatching(/^ERR /) })
    expect(await client.call('CONFIG', 'GET', 'durability')).toEqual(['durability', 'everysec'])
    expect(await info(client)).toMatchObject({ durability: 'everysec', data_directory: directory })
  })

  // In /proc a directory can exist in which none can be made: node's recursive mkdir never ends.
  test.each(['/dev/null/x', '/proc/nope/x', ''])('to the impossible %j is refused', async (to) => {
    const { client, directory } = await startKept()
    await client.call('KSET', '/a', '1')
    const reply = await client.call('CONFIG', 'SET', 'dir', to)
    expect(reply).toMatchObject({ text: expect.stringMatching(/^ERR CONFIG SET failed /) })
    expect(await client.call('SAVE')).toBe('OK')
    expect((await info(client)).data_directory).toBe(directory)
  })

  test('keeps the former directory if it fails half-way', async () => {
    const { server, directory, client } = await startKept()
    const disk = useDisk()
    const other = await join(server)
    for (let i = 0; i < 50; i++) await client.call('KSET', `/d${i}/f`, 'x')
    disk.hold()
    const second = temporaryDirectory()
    client.send('CONFIG', 'SET', 'dir', second)
    // The last commit in the former directory, then the tree in the new one.
    await eventually(() => disk.waiting === 1)
    disk.step()
    await eventually(() => disk.waiting === 1)
    await other.call('KSET', '/meanwhile/f', '1')
    // The file would have a directory that the server may not keep.
    expect(await other.call('CONFIG', 'REWRITE')).toMatchObject(
      error('ERR dir or durability is being changed, and the change may fail: try later'),
    )
    disk.failure = new Error('no space left')
    const written = disk.writes.length
    disk.step()
    await eventually(() => disk.waiting === 1)
    disk.failure = undefined
    disk.release()
    expect(await client.next()).toMatchObject(error('ERR CONFIG SET failed - no space left'))
    expect(disk.writes.length).toBeGreaterThan(written)
    expect((await info(client)).data_directory).toBe(directory)
    for (let i = 0; i < 50; i++) await client.call('KSET', `/e${i}/f`, 'x')
    // A second attempt succeeds.
    client.send('CONFIG', 'SET', 'dir', second)
    client.send('CONFIG', 'REWRITE')
    expect(await client.next()).toBe('OK')
    expect(await client.next()).toMatchObject(
      error('ERR The server is running without a config file'),
    )
    expect(await client.call('CONFIG', 'SET', 'dir', directory)).toBe('OK')
    for (let i = 0; i < 50; i++) await client.call('KSET', `/g${i}/f`, 'x')
    await server.close()
    expect(contentOf(await storeIn(directory))).toEqual(contentOf(server.store))
  })

  test('that fails leaves the former directory whole for the next server', async () => {
    const { server, directory, client } = await startKept()
    for (let i = 0; i < 5; i++) {
      await client.call('KSET', `/d${i}/f`, 'x')
      await client.call('SAVE')
    }
    const disk = useDisk()
    disk.hold()
    client.send('CONFIG', 'SET', 'dir', temporaryDirectory())
    await eventually(() => disk.waiting === 1)
    disk.step()
    await eventually(() => disk.waiting === 1)
    disk.failure = new Error('no space left')
    disk.step()
    await eventually(() => disk.waiting === 1)
    disk.failure = undefined
    disk.release()
    expect(await client.next()).toMatchObject(error('ERR CONFIG SET failed - no space left'))
    await client.call('KSET', '/e/f', 'x')
    await server.close()
    expect(contentOf(await storeIn(directory))).toEqual(contentOf(server.store))
  })

  test.each(['everysec', 'always'])('works while clients write (%s)', async (durability) => {
    const { server, client } = await startKept({ durability })
    const writers = await Promise.all([1, 2, 3].map(() => join(server)))
    let done = false
    let written = 0
    const writing = writers.map(async (writer, n) => {
      for (let i = 0; !done; i++, written++) await writer.call('KSET', `/w${n}/d${i % 40}/f`, i)
    })
    let last = ''
    for (let i = 0; i < 4; i++) {
      const before = written
      await eventually(() => written > before + 50)
      last = temporaryDirectory()
      expect(await client.call('CONFIG', 'SET', 'dir', last)).toBe('OK')
    }
    done = true
    await Promise.all(writing)
    await server.close()
    expect(contentOf(await storeIn(last))).toEqual(contentOf(server.store))
  })

  test('by two clients at once leads to the last directory', async () => {
    const { server, client } = await startKept()
    const disk = useDisk()
    const other = await join(server)
    const [second, third] = [temporaryDirectory(), temporaryDirectory()]
    disk.hold()
    client.send('CONFIG', 'SET', 'dir', second)
    await eventually(() => disk.waiting === 1)
    other.send('CONFIG', 'SET', 'dir', third)
    await eventually(() => server.config.get('dir').includes(basename(third)))
    disk.release()
    expect([await client.next(), await other.next()]).toEqual(['OK', 'OK'])
    expect((await info(client)).data_directory).toBe(third)
    await assertFree(second)
  })

  test.each(['another directory', 'the former directory', 'a durability'])(
    'that fails leaves what a later one has set meanwhile: %s',
    async (what) => {
      const { server, directory, client } = await startKept()
      const later = await join(server)
      const [second, third] = [temporaryDirectory(), temporaryDirectory()]
      const dir = what === 'another directory' ? third : directory
      const durability = what === 'a durability' ? 'always' : 'everysec'
      const [name, value] = what === 'a durability' ? ['durability', durability] : ['dir', dir]
      const disk = useDisk()
      disk.hold()
      client.send('CONFIG', 'SET', 'dir', second)
      await eventually(() => disk.waiting === 1)
      // The tree is being written into the new directory when the disk fails.
      disk.step()
      await eventually(() => disk.waiting === 1)
      later.send('CONFIG', 'SET', name, value)
      await eventually(() => server.config.get(name as 'dir') === value)
      disk.failure = new Error('the disk is sick')
      disk.step()
      expect(await client.next()).toMatchObject({
        text: expect.stringMatching(/^ERR CONFIG SET failed - /),
      })
      disk.failure = undefined
      disk.release()
      expect(await later.next()).toBe('OK')
      expect(await client.call('CONFIG', 'GET', 'dir')).toEqual(['dir', dir])
      expect(await client.call('CONFIG', 'GET', 'durability')).toEqual(['durability', durability])
      expect(await info(client)).toMatchObject({ durability, data_directory: dir })
      await client.call('KSET', '/a', '1')
      await server.close()
      expect((await storeIn(dir)).index).toBe(1)
    },
  )

  test('of one turn fail together, and leave what there was before both', async () => {
    const { server, directory, client } = await startKept()
    const second = temporaryDirectory()
    server.config.set('dir', [second])
    server.config.set('dir', ['/dev/null/x'])
    await eventually(() => server.config.get('dir') === directory)
    expect((await info(client)).data_directory).toBe(directory)
    await assertFree(second)
  })

  test('ends before durability is set to no', async () => {
    const { server, directory, client } = await startKept()
    const disk = useDisk()
    const other = await join(server)
    const second = temporaryDirectory()
    disk.hold()
    client.send('CONFIG', 'SET', 'dir', second)
    await eventually(() => disk.waiting === 1)
    disk.step()
    // The tree is being written into the new directory.
    await eventually(() => disk.waiting === 1)
    other.send('CONFIG', 'SET', 'durability', 'no')
    await eventually(() => server.config.get('durability') === 'no')
    disk.release()
    expect([await client.next(), await other.next()]).toEqual(['OK', 'OK'])
    expect(await info(client)).toMatchObject({ durability: 'no', data_directory: '' })
    await assertFree(directory)
    await assertFree(second)
  })

  test('leaves no database open when the server closes meanwhile', async () => {
    const { server, directory, client } = await startKept()
    for (let i = 0; i < 50; i++) await client.call('KSET', `/d/${i}`, '1')
    const second = temporaryDirectory()
    client.send('CONFIG', 'SET', 'dir', second)
    await eventually(() => existsSync(treeOf(second)))
    await server.close()
    await assertFree(directory)
    await assertFree(second)
    const kept = server.config.get('dir') === directory ? directory : second
    expect((await storeIn(kept)).index).toBe(50)
  })
})

describe('CONFIG SET durability', () => {
  test('no keeps the tree on disk as it is; a change back writes the whole tree', async () => {
    const { server, directory, client } = await startKept()
    await client.call('KSET', '/a/b', '1')
    expect(await client.call('CONFIG', 'SET', 'durability', 'no')).toBe('OK')
    expect(await info(client)).toMatchObject({ durability: 'no', data_directory: '' })
    await client.call('KSET', '/a/c', '1')
    await client.call('KDEL', '/a/b')
    await client.call('KSET', '/d/e', '1')
    expect((await storeIn(directory)).index).toBe(1)
    expect(await client.call('CONFIG', 'SET', 'durability', 'everysec')).toBe('OK')
    await client.call('KSET', '/f/g', '1')
    await server.close()
    expect(contentOf(await storeIn(directory))).toEqual(contentOf(server.store))
  })

  test('always also covers earlier writes', async () => {
    const { server, client } = await startKept()
    const disk = useDisk()
    await client.call('KSET', '/a', '1')
    expect(await client.call('CONFIG', 'SET', 'durability', 'always')).toBe('OK')
    expect(disk.syncs).toBeGreaterThan(0)
    expect(server.config.get('durability')).toBe('always')
  })

  test('and dir take effect together', async () => {
    const { server, client } = await startKept()
    await client.call('KSET', '/a', '1')
    const second = temporaryDirectory()
    const request = ['CONFIG', 'SET', 'dir', second, 'durability', 'always']
    expect(await client.call(...request)).toBe('OK')
    expect(await info(client)).toMatchObject({ durability: 'always', data_directory: second })
    await client.call('KSET', '/b', '1')
    await server.close()
    expect((await storeIn(second)).index).toBe(2)
  })

  test('no together with dir only remembers the directory', async () => {
    const { client } = await startKept()
    const second = temporaryDirectory()
    expect(await client.call('CONFIG', 'SET', 'dir', second, 'durability', 'no')).toBe('OK')
    expect(existsSync(treeOf(second))).toBe(false)
    await client.call('KSET', '/a', '1')
    expect(await client.call('CONFIG', 'SET', 'durability', 'everysec')).toBe('OK')
    expect((await info(client)).data_directory).toBe(second)
  })

  test('no ends the wait for a SAVE', async () => {
    const { server, client } = await startKept()
    const disk = useDisk()
    const other = await join(server)
    disk.hold()
    client.send('CONFIG', 'SET', 'durability', 'no')
    await eventually(() => disk.waiting === 1)
    other.send('KSET', '/a', '1')
    await other.next()
    const processed = async (): Promise<Reply> => await client.call('PING')
    other.send('SAVE')
    other.send('PING')
    // The last commit of CONFIG SET itself.
    await eventually(() => server.store.index === 1)
    disk.release()
    expect(await client.next()).toBe('OK')
    await processed()
    await other.next()
    expect(await other.next()).toBe('PONG')
  })
})

describe('as a library, startServer', () => {
  const run = async (options: StartOptions): Promise<RunningServer> => {
    const server = await start(options)
    server.store.set('/a/b', '1')
    await server.close()
    return server
  }

  test('keeps nothing on disk by default', async () => {
    // The default directory is a relative one, and may exist where the tests run.
    const former = process.cwd()
    process.chdir(temporaryDirectory())
    onTestFinished(() => process.chdir(former))
    const server = await run({})
    expect(server.config.get('durability')).toBe('no')
    expect(existsSync(treeOf(server.config.get('dir')))).toBe(false)
    expect((await start()).store.index).toBe(0)
  })

  test('with a dir keeps the tree there, and reads it again', async () => {
    const dir = temporaryDirectory()
    const first = await run({ directives: { dir } })
    const second = await start({ directives: { dir } })
    expect(contentOf(second.store)).toEqual(contentOf(first.store))
  })

  test('takes a path relative to the working directory', async () => {
    const dir = temporaryDirectory()
    await run({ directives: { dir: relative(process.cwd(), dir) } })
    expect((await storeIn(dir)).index).toBe(1)
  })

  test('makes the directory and its parents', async () => {
    const dir = `${temporaryDirectory()}/not/yet/é`
    await run({ directives: { dir: Buffer.from(dir).toString('latin1') } })
    expect((await storeIn(dir)).index).toBe(1)
  })

  test('with a dir and durability no reads and writes nothing', async () => {
    const dir = temporaryDirectory()
    await run({ directives: { dir } })
    const server = await run({ directives: { dir, durability: 'no' } })
    expect(server.store.index).toBe(1)
    expect((await storeIn(dir)).stats.setsSuccess).toBe(1)
  })

  test('takes both from a config', async () => {
    const dir = temporaryDirectory()
    const config = new Config()
    config.set('bind', ['127.0.0.1'])
    config.set('dir', [dir])
    await run({ config, port: 0 })
    expect((await storeIn(dir)).index).toBe(1)
  })

  test('rejects if the directory is in use, and does not disturb its server', async () => {
    const { directory, client } = await startKept()
    const second = startServer({ directives: { dir: directory } })
    await expect(second).rejects.toThrow(/is in use by another process/)
    expect(await client.call('SAVE')).toBe('OK')
  })

  test('unlocks the directory if it cannot listen', async () => {
    const { port = 0 } = await start()
    const dir = temporaryDirectory()
    await expect(startServer({ port, directives: { dir } })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
    await assertFree(dir)
  })
})
