import { createClient } from 'redis'
import { afterEach, describe, expect, test } from 'vitest'
import { fromFlat } from './flat-reply.ts'
import { useServer } from './ktree.ts'

describe.each([2, 3] as const)('node-redis 6, RESP%i', (RESP) => {
  const ktree = useServer()
  const clients: { destroy(): void }[] = []
  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy()
  })
  const create = (password?: string) => {
    const client = createClient({
      RESP,
      socket: { host: '127.0.0.1', port: ktree.port, reconnectStrategy: () => 1 },
      ...(password !== undefined && { password }),
    })
    // The end of a connection is an error event, which without a listener would end the process.
    client.on('error', () => {})
    return client
  }
  const connect = async (password?: string) => {
    const client = await create(password).connect()
    clients.push(client)
    return client
  }
  /** Turns a RESP2 reply into the object that RESP3 returns. */
  const event = (reply: unknown) => (RESP === 3 ? reply : fromFlat(reply))

  test('connects, and speaks the expected protocol', async () => {
    const client = await connect()
    expect(client.isReady).toBe(true)
    expect(await client.ping()).toBe('PONG')
    expect(await client.clientInfo()).toMatchObject({ resp: RESP, libName: 'node-redis' })
  })

  test('sendCommand calls K commands', async () => {
    const client = await connect()
    expect(event(await client.sendCommand(['KSET', '/a', '1']))).toEqual({
      action: 'set',
      node: { key: '/a', value: '1', modifiedIndex: 1, createdIndex: 1 },
      index: 1,
    })
    expect(event(await client.sendCommand(['KGET', '/', 'RECURSIVE', 'SORTED']))).toMatchObject({
      node: { key: '/', dir: RESP === 3 ? true : 1, nodes: [{ key: '/a' }] },
    })
    await expect(client.sendCommand(['KGET', '/nope'])).rejects.toThrow(
      'KEYNOTFOUND 100 Key not found (/nope) [1]',
    )
  })

  test('commands sent together are a pipeline', async () => {
    const client = await connect()
    const replies = await Promise.all(
      Array.from({ length: 500 }, (_, i) => client.sendCommand(['KSET', `/${i}`, 'x'])),
    )
    expect(replies.map((reply) => (event(reply) as { index: number }).index)).toEqual(
      Array.from({ length: 500 }, (_, i) => i + 1),
    )
  })

  test('subscribe watches; in RESP3 the connection stays usable', async () => {
    const watcher = await connect()
    const client = await connect()
    const seen: [string, string][] = []
    await watcher.subscribe('/jobs?recursive=true', (message, channel) => {
      seen.push([channel, JSON.parse(message).node.key])
    })
    await client.sendCommand(['KSET', '/jobs/a', '1'])
    if (RESP === 3) await watcher.sendCommand(['KSET', '/jobs/b', '1'])
    else await client.sendCommand(['KSET', '/jobs/b', '1'])
    await expect
      .poll(() => seen)
      .toEqual([
        ['/jobs?recursive=true', '/jobs/a'],
        ['/jobs?recursive=true', '/jobs/b'],
      ])
    await watcher.unsubscribe('/jobs?recursive=true')
    expect(await watcher.sendCommand(['KINDEX'])).toBe(2)
  })

  test('pSubscribe watches a pattern of keys', async () => {
    const watcher = await connect()
    const seen: string[] = []
    await watcher.pSubscribe('/jobs/*', (_message, key) => seen.push(key))
    ktree.server.store.set('/jobs/a', '1')
    ktree.server.store.set('/other', '1')
    ktree.server.store.delete('/jobs/a')
    await expect.poll(() => seen).toEqual(['/jobs/a', '/jobs/a'])
  })

  test('a replay by since is complete', async () => {
    for (let i = 0; i < 500; i++) ktree.server.store.set('/jobs/a', String(i))
    const watcher = await connect()
    const seen: number[] = []
    await watcher.subscribe('/jobs?recursive=true&since=101', (message) => {
      seen.push(JSON.parse(message).index)
    })
    ktree.server.store.set('/jobs/b', '1')
    await expect.poll(() => seen.length).toBe(401)
    expect(seen).toEqual(Array.from({ length: 401 }, (_, i) => 101 + i))
  })

  test('resubscribes by itself after its connection is killed', async () => {
    const watcher = await connect()
    const seen: string[] = []
    await watcher.subscribe('/a?since=1', (message) => seen.push(JSON.parse(message).node.value))
    ktree.server.store.set('/a', '1')
    await expect.poll(() => seen).toEqual(['1'])
    const client = await connect()
    expect(await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])).toBe(1)
    ktree.server.store.set('/a', '2')
    // The channel's name has since=1, and the client subscribes to the same name again.
    await expect.poll(() => seen).toEqual(['1', '1', '2'])
  })

  test('the client gives the password when it connects', async () => {
    ktree.server.config.setMany([['requirepass', 'secret']])
    expect(await (await connect('secret')).ping()).toBe('PONG')
    const wrong = create('wrong')
    clients.push(wrong)
    const failure = new Promise((resolve) => wrong.once('error', resolve))
    wrong.connect().catch(() => {})
    expect(String(await failure)).toContain('WRONGPASS')
  })

  test('the legacy interface works with callbacks', async () => {
    const legacy = (await connect()).legacy()
    const reply = await new Promise((resolve, reject) => {
      legacy.sendCommand(['KSET', '/a', '1'], (error, result) =>
        error ? reject(error) : resolve(result),
      )
    })
    expect(event(reply)).toMatchObject({ action: 'set', node: { key: '/a' } })
  })
})
