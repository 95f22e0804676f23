import { once } from 'node:events'
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { version } from '../../src/version.ts'
import { type RunningProgram, useProgram } from './program.ts'

const confFile = fileURLToPath(new URL('../../conf/ktree.conf', import.meta.url))

describe('the built program', () => {
  const program = useProgram()
  const run = (...args: string[]) => program.start(join(program.dist, 'main.js'), args)

  /** Starts a server with conf/ktree.conf on a port that nobody has. */
  const serve = async (...args: string[]): Promise<{ child: RunningProgram; port: number }> => {
    const port = await freePort()
    const where = ['--port', String(port), '--dir', join(program.directory, `data-${port}`)]
    const child = run(confFile, ...where, ...args)
    await child.says(new RegExp(`"ready on 127.0.0.1:${port}"`))
    return { child, port }
  }

  test('starts with conf/ktree.conf and answers', async () => {
    const { port } = await serve()
    const client = await talk(port)
    client.send('PING\r\nKSET /a 1\r\n')
    expect(await client.until('index\r\n:1\r\n')).toMatch(/^\+PONG\r\n\*6\r\n/)
  })

  test('logs JSON, one object a line, when piped', async () => {
    const { child } = await serve()
    // A signal that follows at once is not too early.
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(0)
    const lines = child.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines[0]).toMatchObject({ level: 30, pid: child.process.pid })
    // None is lost; at the very end a line may overtake another that is just being written.
    const messages = lines.map((line) => line.msg)
    expect(messages).toContain('received a signal, closing')
    expect(messages).toContain('closed')
    expect(child.err).toBe('')
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('%s: replies are sent, then exit 0', async (signal) => {
    const { child, port } = await serve()
    const client = await talk(port)
    // It reads nothing for a while: replies are still to be sent when the signal comes.
    client.send(`KSET /a ${'x'.repeat(50_000)}\r\n`)
    await client.until('index\r\n:1\r\n')
    client.socket.pause()
    const waiting = await talk(port)
    waiting.send('KWAIT /nothing\r\n')
    client.send('KGET /a\r\n'.repeat(15))
    const last = await talk(port)
    last.send('PING\r\n')
    await last.until('+PONG')
    child.process.kill(signal)
    await child.says(/received a signal/)
    client.socket.resume()
    await Promise.all([client.ended, waiting.ended, last.ended])
    expect(client.received().split('$6\r\naction').length - 1).toBe(16)
    expect(await child.ended).toBe(0)
  })

  test('SHUTDOWN ends it with 0', async () => {
    const { child, port } = await serve()
    const client = await talk(port)
    client.send('SHUTDOWN\r\n')
    await client.ended
    expect(client.received()).toBe('')
    expect(await child.ended).toBe(0)
  })

  test('a busy port is one clear line, and exit 1', async () => {
    const busy = createServer().listen(0, '127.0.0.1')
    await once(busy, 'listening')
    const { port } = busy.address() as { port: number }
    const child = run(confFile, '--port', String(port))
    expect(await child.ended).toBe(1)
    expect(child.err).toBe(
      `ktree: port ${port} on 127.0.0.1 is in use; choose another with --port N (make run ARGS="--port N")\n`,
    )
    busy.close()
  })

  test('--help and --version', async () => {
    const help = run('--help')
    expect(await help.ended).toBe(0)
    expect(help.out).toMatch(/^Usage: ktree /)
    const shown = run('--version')
    expect(await shown.ended).toBe(0)
    expect(shown.out).toBe(`ktree ${version}\n`)
  })

  test('a directive that is not right is one clear line, and exit 1', async () => {
    const child = run('--maxclients', 'many')
    expect(await child.ended).toBe(1)
    expect(child.err).toMatch(/^ktree: --maxclients: .*\n$/)
  })

  test('serves a Unix socket, without TCP if the port is 0', async () => {
    const path = join(program.directory, 'ktree.sock')
    const child = run('--port', '0', '--unixsocket', path, '--unixsocketperm', '700')
    await child.says(/ready on .*ktree\.sock/)
    expect(child.out).not.toContain('127.0.0.1')
    expect(statSync(path).mode & 0o777).toBe(0o700)
    const client = await talk(path)
    client.send('CLIENT INFO\r\n')
    expect(await client.until(`addr=${path}:0`)).toContain('id=1')
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(0)
    expect(() => statSync(path)).toThrow('ENOENT')
  })

  test('takes over the Unix socket that a killed server left behind', async () => {
    const path = join(program.directory, 'left.sock')
    const first = run('--port', '0', '--unixsocket', path)
    await first.says(/ready/)
    first.process.kill('SIGKILL')
    await first.ended
    const second = run('--port', '0', '--unixsocket', path)
    await second.says(/ready/)
    const client = await talk(path)
    client.send('PING\r\n')
    await client.until('+PONG')
  })

  test('CONFIG REWRITE writes what was set into the file it was started with', async () => {
    const file = join(program.directory, 'own.conf')
    copyFileSync(confFile, file)
    const port = await freePort()
    const child = run(file, '--port', String(port))
    await child.says(/ready on 127/)
    const client = await talk(port)
    client.send('CONFIG SET maxclients 77\r\nCONFIG REWRITE\r\n')
    await client.until('+OK\r\n+OK\r\n')
    const lines = readFileSync(file, 'utf8').split('\n')
    expect(lines).toContain('maxclients 77')
    expect(lines).toContain(`port ${port}`)
    child.process.kill('SIGTERM')
    await child.ended
    const again = run(file)
    await again.says(new RegExp(`ready on 127.0.0.1:${port}`))
  })

  test('the program is one file, beside what only other ways to run it load', () => {
    const code = readFileSync(join(program.dist, 'main.js'), 'utf8')
    const imported = [...code.matchAll(/(?:from|import\(|import) ?"(\.[^"]+)"/g)].map(
      ([, path]) => path,
    )
    expect(imported.length).toBeGreaterThan(0)
    expect(imported.filter((path) => !/^\.\/main-[a-z-]+\.js$/.test(path))).toEqual([])
  })

  test('as a library: after close() nothing keeps the process alive', async () => {
    const script = join(program.directory, 'library.mjs')
    writeFileSync(
      script,
      `import { startServer } from './dist/index.js'
       import { connect } from 'node:net'
       import { once } from 'node:events'
       const server = await startServer()
       const socket = connect(server.port, '127.0.0.1')
       socket.write('KSET /a 1 EX 100\\r\\nSUBSCRIBE /a\\r\\n')
       await once(socket, 'data')
       const waiting = connect(server.port, '127.0.0.1')
       waiting.write('PING\\r\\nKWAIT /b TIMEOUT 100000\\r\\n')
       await once(waiting, 'data')
       await server.close()
       console.log(server.store.index)`,
    )
    const child = program.start(script, [])
    expect(await child.ended).toBe(0)
    expect([child.out, child.err]).toEqual(['1\n', ''])
  })
})

interface Conversation {
  readonly socket: Socket
  readonly ended: Promise<unknown>
  send(text: string): void
  received(): string
  /** All that was received, once `text` is in it. */
  until(text: string): Promise<string>
}

async function talk(where: number | string): Promise<Conversation> {
  const socket = typeof where === 'number' ? connect(where, '127.0.0.1') : connect(where)
  let received = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk) => {
    received += chunk
  })
  // Reset instead of closed if the server is killed after the test.
  socket.on('error', () => {})
  const ended = new Promise((resolve) => socket.once('close', resolve))
  await once(socket, 'connect')
  return {
    socket,
    ended,
    send: (text) => void socket.write(text, 'latin1'),
    received: () => received,
    async until(text) {
      while (!received.includes(text)) {
        await Promise.race([once(socket, 'data'), ended])
        if (socket.closed && !received.includes(text)) throw new Error(`closed: ${received}`)
      }
      return received
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
