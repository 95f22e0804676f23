import { connect } from 'node:net'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  Config,
  type Event,
  ManualClock,
  type RunningServer,
  type StartOptions,
  Store,
  StoreError,
  startServer,
} from '../../src/index.ts'
import { temporaryDirectory } from '../persistence/data-server.ts'

const TEXTS = [
  'Zürich 日本',
  'plain',
  '',
  'a\0b\r\n',
  '\u{1f333}\ufeff',
  '\xe4\xff',
  'é'.normalize('NFD'),
]
const PATHS = ['/name', '/Straße/日本', '/\xe4\xff', '/\u{1f333}/a b', '/%F0?*[x]']
/** No UTF-8. */
const BYTES = Buffer.from([0xff, 0xfe, 0x00, 0x80, 0xc3, 0x28])

async function start(options: StartOptions = {}): Promise<RunningServer> {
  const server = await startServer(options)
  onTestFinished(() => server.close())
  return server
}

function client(server: RunningServer, password?: string): Redis {
  const redis = new Redis({ port: server.port!, ...(password !== undefined && { password }) })
  onTestFinished(() => void redis.disconnect())
  return redis
}

const errorOf = (act: () => unknown): Error => {
  try {
    act()
  } catch (error) {
    return error as Error
  }
  return expect.fail('it did not throw')
}

describe('text between a program and clients', () => {
  test.each(PATHS)('values at %j, both ways', async (path) => {
    const server = await start()
    const { store } = server
    const redis = client(server)
    for (const text of TEXTS) {
      store.set(path, text)
      expect(await redis.get(path)).toBe(text)
      await redis.set(path, `${text}!`)
      const { node } = store.get(path)
      expect([node.key, node.value]).toEqual([path, `${text}!`])
      expect([node.keyBytes, node.valueBytes]).toEqual([Buffer.from(path), Buffer.from(`${text}!`)])
    }
  })

  test('bytes, both ways', async () => {
    const server = await start()
    const { store } = server
    const redis = client(server)
    store.set(Buffer.concat([Buffer.from('/'), Buffer.from([0xe4])]), BYTES)
    expect(await redis.getBuffer(Buffer.from([0x2f, 0xe4]))).toEqual(BYTES)
    await redis.set('/b', BYTES)
    expect(store.get('/b').node.valueBytes).toEqual(BYTES)
    expect(store.get('/b').node.value).toBe(BYTES.toString('utf8'))
    store.set('/part', new Uint8Array(BYTES.buffer, BYTES.byteOffset + 1, 2))
    expect(await redis.getBuffer('/part')).toEqual(BYTES.subarray(1, 3))
    expect(store.compareAndSwap('/b', { prevValue: BYTES }, 'x').node.value).toBe('x')
  })

  test('every write and its event', async () => {
    const { store } = await start()
    const [path, value, other] = ['/Straße/a', 'größer', '日本']
    const of = ({ action, node, prevNode }: Event) => [
      action,
      node.key,
      node.value,
      prevNode?.value,
    ]
    expect(of(store.create(path, value))).toEqual(['create', path, value, undefined])
    expect(of(store.update(path, other))).toEqual(['update', path, other, value])
    expect(of(store.set(path, value))).toEqual(['set', path, value, other])
    const swapped = store.compareAndSwap(path, { prevValue: value }, other)
    expect(of(swapped)).toEqual(['compareAndSwap', path, other, value])
    const deleted = store.compareAndDelete(path, { prevValue: other })
    expect(of(deleted)).toEqual(['compareAndDelete', path, undefined, other])
    const ordered = store.create('/Straße', value, { unique: true })
    expect(ordered.node.key).toMatch(/^\/Straße\/\d{20}$/)
    expect(store.createDirectory('/größe').node).toMatchObject({ key: '/größe', dir: true })
    expect(store.setDirectory('/日').node).toMatchObject({ key: '/日', dir: true })
    store.rename('/größe', '/kleiner/größe')
    const listed = store
      .get('/', { recursive: true, sorted: true })
      .node.nodes?.map(({ key }) => key)
    expect(listed).toEqual(['/Straße', '/kleiner', '/日'])
    expect(of(store.delete('/Straße', { recursive: true }))[1]).toBe('/Straße')
  })

  test('watchers on either side', async () => {
    const server = await start()
    const [redis, writer] = [client(server), client(server)]
    const messages: string[] = []
    redis.on('message', (_, message) => messages.push(message))
    await redis.subscribe('/Straße?recursive=true')
    const events: Event[] = []
    const watcher = server.store.watch('/Straße', { recursive: true, stream: true }, (event) =>
      events.push(event),
    )
    expect(watcher.path).toBe('/Straße')
    server.store.set('/Straße/ä', 'Zürich')
    await writer.set('/Straße/ö', '日本')
    await expect.poll(() => messages.length).toBe(2)
    expect(messages.map((message) => JSON.parse(message).node)).toMatchObject([
      { key: '/Straße/ä', value: 'Zürich' },
      { key: '/Straße/ö', value: '日本' },
    ])
    expect(events.map(({ node }) => [node.key, node.value])).toEqual([
      ['/Straße/ä', 'Zürich'],
      ['/Straße/ö', '日本'],
    ])
    const replayed: Event[] = []
    server.store.watch('/Straße/ä', { since: 1 }, (event) => replayed.push(event))
    expect(replayed.map(({ node }) => node.value)).toEqual(['Zürich'])
    watcher.remove()
  })

  test('errors', async () => {
    const { store } = await start()
    store.set('/ä', 'größe')
    const missing = errorOf(() => store.get('/日本/x'))
    expect(missing).toBeInstanceOf(StoreError)
    expect(missing).toMatchObject({ code: 100, cause: '/日本', message: 'Key not found (/日本)' })
    const failed = errorOf(() => store.compareAndSwap('/ä', { prevValue: '日' }, 'x'))
    expect(failed).toMatchObject({ code: 101, cause: '[日 != größe]' })
    expect(errorOf(() => store.set('/ä/b', 'x'))).toMatchObject({ code: 104, cause: '/ä' })
    const state = JSON.parse(store.save())
    state.Root.Children.ä.CreatedIndex = -1
    const refused = errorOf(() => store.recovery(JSON.stringify(state)))
    expect(refused.message).toMatch(/^\/ä: CreatedIndex is -1/)
    expect(errorOf(() => store.set('/a', '\ud800'))).toBeInstanceOf(TypeError)
  })

  test('a saved state is text, and bytes where one asks for them', async () => {
    const store = new Store({ clock: new ManualClock() })
    store.set('/Straße', 'Zürich 日本')
    store.set('/bytes', BYTES)
    const saved = store.save()
    expect(saved).toContain('Zürich 日本')
    expect(store.saveBytes().toString('utf8')).toBe(saved)
    for (const state of [saved, store.saveNoCopy(), store.saveBytes()]) {
      const again = new Store()
      again.recovery(state)
      expect(again.get('/Straße').node.value).toBe('Zürich 日本')
      expect(again.get('/bytes').node.valueBytes).toEqual(BYTES)
    }
    expect(store.clone().get('/Straße').node.value).toBe('Zürich 日本')
  })

  test('on disk, in a directory with a name of its own, across a restart', async () => {
    const dir = `${temporaryDirectory()}/größe 日本`
    const first = await startServer({ directives: { dir, durability: 'always' } })
    first.store.set('/Straße', 'Zürich 日本')
    await first.close()
    const second = await start({ directives: { dir } })
    expect(second.store.get('/Straße').node.value).toBe('Zürich 日本')
    expect(await client(second).get('/Straße')).toBe('Zürich 日本')
    expect(second.config.get('dir')).toBe(dir)
  })
})

describe('directives are text', () => {
  test('a password', async () => {
    const server = await start({ directives: { requirepass: 'geheim ü日' } })
    expect(await client(server, 'geheim ü日').ping()).toBe('PONG')
    expect(server.config.get('requirepass')).toBe('geheim ü日')
    server.config.setMany([['requirepass', 'größer']])
    expect(await client(server, 'größer').ping()).toBe('PONG')
  })

  test('a configuration that is given stays in the hands of the program', async () => {
    const config = new Config()
    config.set('bind', ['127.0.0.1'])
    config.set('port', ['0'])
    config.set('durability', ['no'])
    config.set('unixsocket', [`${temporaryDirectory()}/ü.sock`])
    const seen: string[] = []
    config.onChange('requirepass', (value, previous) => seen.push(previous, value))
    const server = await start({ config })
    expect(server.config).toBe(config)
    expect(server.addresses).toEqual([config.get('unixsocket')])
    const socket = connect(config.get('unixsocket'))
    onTestFinished(() => void socket.destroy())
    socket.write('CONFIG SET requirepass "\\xc3\\xbc"\r\n')
    await expect.poll(() => seen).toEqual(['', 'ü'])
    expect(config.format('requirepass')).toBe('ü')
  })
})
