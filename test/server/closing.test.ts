import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { LongWork, PUT_OFF } from '../../src/request/long-work.ts'
import { serveRest } from '../../src/server/rest.ts'
import type { StartOptions } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { frame, join, type RawClient, start } from './raw-client.ts'

test('requests received before the server closes get their replies', async () => {
  const server = await start()
  for (let i = 0; i < 50_000; i++) server.store.set(`/k${i}`, 'x')
  const slow = await join(server)
  const other = await join(server)
  // The pipeline takes many times as long as one client's turn.
  slow.write(frame('KEYS', '*nothing*').repeat(40))
  await other.call('PING')
  expect(slow.unread.length).toBeLessThan(40 * '*0\r\n'.length)
  await server.close()
  await slow.closed
  expect(slow.unread).toBe('*0\r\n'.repeat(40))
})

test('a request that would be put off for ever is answered when the server closes', async () => {
  const check = vi.spyOn(LongWork.prototype, 'check').mockImplementation(() => {
    throw PUT_OFF
  })
  onTestFinished(() => check.mockRestore())
  const server = await start()
  const client = await join(server)
  client.write(frame('MULTI') + frame('PING') + frame('EXEC'))
  while (check.mock.calls.length < 5) await (await join(server)).call('PING')
  check.mockClear()
  await server.close()
  await client.closed
  expect(check.mock.calls.length).toBeLessThan(5)
  expect(client.unread).toMatch(/^.OK\r\n.QUEUED\r\n-ERR internal error/)
})

describe('what clients have sent when the server closes', () => {
  /** @param slices that a client takes for what it has sent @param fails whether each of them does */
  function fakeClient(slices: number, fails = false) {
    const client = {
      served: 0,
      failures: 0,
      get yielding(): boolean {
        return client.served < slices
      },
      serveSlice(): void {
        client.served++
        now += 10
        if (fails) throw new Error('expected')
      },
      fail(): void {
        client.failures++
        client.served = slices
      },
    }
    return client
  }
  let now = 0

  function serve(...clients: ReturnType<typeof fakeClient>[]): number {
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now)
    onTestFinished(() => clock.mockRestore())
    return serveRest(new Map(clients.map((client, i) => [i, client])))
  }

  test('is served, a slice of each in turn', () => {
    const [short, long] = [fakeClient(1), fakeClient(100)]
    expect(serve(long, short, fakeClient(0))).toBe(0)
    expect([short.served, long.served]).toEqual([1, 100])
  })

  test('is served no longer than some seconds, and nobody loses a short pipeline to a long one', () => {
    const endless = fakeClient(Number.POSITIVE_INFINITY)
    const others = Array.from({ length: 20 }, () => fakeClient(3))
    expect(serve(endless, ...others)).toBe(1)
    expect(others.map(({ served }) => served)).toEqual(others.map(() => 3))
    expect(endless.served).toBeLessThan(1000)
  })

  test('is served though the slice of another client fails', () => {
    const [bad, good] = [fakeClient(2, true), fakeClient(2)]
    expect(serve(bad, good)).toBe(0)
    expect([bad.failures, good.served]).toEqual([1, 2])
  })
})

describe('a client that does not close loses its place', () => {
  /** Clients that read nothing and never close, in all places but one. @returns the one */
  async function full(options: StartOptions = {}) {
    const server = await start({
      ...options,
      directives: { ...options.directives, maxclients: '4' },
    })
    const admin = await join(server)
    const silent: Socket[] = []
    for (let i = 0; i < 3; i++) {
      const socket = connect({ port: server.port ?? 0, host: '127.0.0.1', allowHalfOpen: true })
      socket.on('error', () => {})
      onTestFinished(() => void socket.destroy())
      await once(socket, 'connect')
      socket.write(frame('CLIENT', 'SETNAME', 'silent'))
      await once(socket, 'data')
      socket.pause()
      silent.push(socket)
    }
    return { server, admin, silent }
  }

  /** Count of the connected clients, once the ends that are under way are over. */
  async function places(admin: RawClient): Promise<number> {
    for (let turn = 0; turn < 20; turn++) await admin.call('PING')
    const info = String(await admin.call('INFO', 'clients'))
    return Number(/connected_clients:(\d+)/.exec(info)?.[1])
  }

  test('with CLIENT KILL', async () => {
    const { server, admin } = await full()
    expect(await admin.call('CLIENT', 'KILL', 'TYPE', 'normal')).toBe(3)
    expect(await places(admin)).toBe(1)
    expect(await (await join(server)).call('PING')).toBe('PONG')
  })

  test('with CLIENT KILL while it does not read a long reply', async () => {
    const { server, admin, silent } = await full()
    server.store.set('/long', 'x'.repeat(60_000_000))
    for (const socket of silent) socket.write(frame('GET', 'long'))
    await admin.call('PING')
    expect(await admin.call('CLIENT', 'KILL', 'TYPE', 'normal')).toBe(3)
    expect(await places(admin)).toBe(1)
  })

  test('with CLIENT KILL after QUIT', async () => {
    const { admin, silent } = await full()
    for (const socket of silent) socket.write(frame('QUIT'))
    await admin.call('PING')
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal')
    expect(await places(admin)).toBe(1)
  })

  test('with `timeout`, be it idle or in the middle of a reply', async () => {
    const clock = new ManualClock()
    const { server, admin, silent } = await full({ clock, directives: { timeout: '10' } })
    server.store.set('/long', 'x'.repeat(60_000_000))
    silent[0].write(frame('GET', 'long'))
    await admin.call('PING')
    expect(await places(admin)).toBe(4)
    // The first survey counts what has been read before it as the last sign of life.
    clock.advance(9000)
    expect(await places(admin)).toBe(4)
    clock.advance(3000)
    expect(await places(admin)).toBe(1)
    expect(await (await join(server)).call('PING')).toBe('PONG')
  })

  test('with its user', async () => {
    const { admin, silent } = await full()
    await admin.call('ACL', 'SETUSER', 'alice', 'on', 'nopass', '~*', '+@all')
    for (const socket of silent) socket.write(frame('AUTH', 'alice', 'x'))
    await places(admin)
    await admin.call('ACL', 'DELUSER', 'alice')
    expect(await places(admin)).toBe(1)
  })
})

test('a client that ends itself gets its reply', async () => {
  const server = await start()
  const killed = await join(server)
  const id = await killed.call('CLIENT', 'ID')
  expect(await killed.call('CLIENT', 'KILL', 'ID', String(id), 'SKIPME', 'no')).toBe(1)
  await killed.closed
  const removed = await join(server)
  await removed.call('ACL', 'SETUSER', 'alice', 'on', 'nopass', '~*', '+@all')
  await removed.call('AUTH', 'alice', 'x')
  expect(await removed.call('ACL', 'DELUSER', 'alice')).toBe(1)
  await removed.closed
})
