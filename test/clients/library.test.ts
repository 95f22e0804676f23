import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { ManualClock, type RunningServer, type StartOptions, startServer } from '../../src/index.ts'

describe('startServer', () => {
  const servers: RunningServer[] = []
  const sockets: Socket[] = []
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    for (const server of servers.splice(0)) await server.close()
  })
  const start = async (options: StartOptions = {}): Promise<RunningServer> => {
    const server = await startServer(options)
    servers.push(server)
    return server
  }
  /** Sends inline requests, and waits for output that contains `expected`. */
  const ask = async (server: RunningServer, request: string, expected: string): Promise<string> => {
    const socket = connect(server.port ?? 0, '127.0.0.1')
    sockets.push(socket)
    socket.setEncoding('latin1')
    let received = ''
    socket.write(`${request}\r\n`)
    while (!received.includes(expected)) {
      const [chunk] = await once(socket, 'data')
      received += chunk
    }
    return received
  }

  test('takes a free port of the loopback interface', async () => {
    const server = await start()
    expect(server.addresses).toEqual([`127.0.0.1:${server.port}`])
    expect(await ask(server, 'PING', 'PONG')).toBe('+PONG\r\n')
  })

  test('shares its store with the program that started it', async () => {
    const server = await start()
    server.store.set('/a', 'from here')
    expect(await ask(server, 'KGET /a', 'index')).toContain('from here')
  })

  test('two servers at once do not share anything', async () => {
    const [one, two] = [await start(), await start()]
    expect(one.port).not.toBe(two.port)
    await ask(one, 'KSET /a 1', 'index')
    expect(await ask(two, 'KGET /a', '\r\n')).toBe('-KEYNOTFOUND 100 Key not found (/a) [0]\r\n')
  })

  test('rejects if the port is taken, and leaves the other server alone', async () => {
    const first = await start()
    const port = first.port ?? 0
    await expect(startServer({ port })).rejects.toMatchObject({ code: 'EADDRINUSE', port })
    expect(await ask(first, 'PING', 'PONG')).toBe('+PONG\r\n')
  })

  test('rejects a wrong directive, and names it', async () => {
    await expect(startServer({ directives: { maxclients: 'many' } })).rejects.toMatchObject({
      directive: 'maxclients',
    })
    await expect(startServer({ directives: { nope: '1' } })).rejects.toThrow(/nope/)
  })

  test('accepts directives', async () => {
    const server = await start({ directives: { requirepass: 'secret' } })
    expect(await ask(server, 'KINDEX', '\r\n')).toBe('-NOAUTH Authentication required.\r\n')
    expect(await ask(server, 'AUTH secret', '\r\n')).toBe('+OK\r\n')
  })

  test('a manual clock makes keys expire and KWAIT time out', async () => {
    const clock = new ManualClock(Date.UTC(2030, 0, 1))
    const server = await start({ clock })
    expect(await ask(server, 'KSET /a 1 PX 1500', 'index\r\n:1')).toContain(
      '2030-01-01T00:00:01.500Z',
    )
    const watching = ask(server, 'SUBSCRIBE /a', 'expire')
    const waiting = ask(server, 'KWAIT /b TIMEOUT 2000', '*-1')
    await expect.poll(() => server.store.statsMap().watchers).toBe(2)
    clock.advance(1499)
    expect(await ask(server, 'KGET /a', 'index\r\n:1')).toContain('value')
    clock.advance(1)
    expect(await watching).toContain('"action":"expire"')
    expect(await ask(server, 'KGET /a', '\r\n')).toBe('-KEYNOTFOUND 100 Key not found (/a) [2]\r\n')
    clock.advance(500)
    expect(await waiting).toBe('*-1\r\n')
  })

  test('close() disconnects clients that wait or watch, and leaves no resources behind', async () => {
    // Sockets closed by the tests before may need a turn of the event loop to end.
    await expect.poll(() => serverResources()).toEqual([])
    const server = await start()
    await ask(server, 'KSET /a 1 EX 100', 'index\r\n:1')
    await ask(server, 'SUBSCRIBE /a', ':1')
    await ask(server, 'PING', 'PONG')
    expect(serverResources()).toContain('TCPServerWrap')
    const ended = sockets.map((socket) => once(socket, 'close'))
    await server.close()
    await Promise.all([server.closed, ...ended])
    await expect.poll(() => serverResources()).toEqual([])
    expect(server.store.statsMap().watchers).toBe(0)
  })

  test('close() can be called twice, and frees the port at once', async () => {
    const server = await start()
    const port = server.port ?? 0
    await Promise.all([server.close(), server.close()])
    await server.close()
    expect((await start({ port })).port).toBe(port)
  })

  test('SHUTDOWN resolves closed', async () => {
    const server = await start()
    const socket = connect(server.port ?? 0, '127.0.0.1')
    sockets.push(socket)
    socket.write('SHUTDOWN NOSAVE\r\n')
    await server.closed
  })
})

/** The resources that keep a process alive: sockets and listeners. */
function serverResources(): string[] {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP'))
}
