import { once } from 'node:events'
import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { isBuiltin } from 'node:module'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { version } from '../../src/version.ts'
import { buildPlace } from './build.ts'
import { type Program, type RunningProgram, useProgram } from './program.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const confFile = join(root, 'conf', 'ktree.conf')

describe('the built program', () => {
  const program = useProgram()
  const run = (...args: string[]) => program.start(join(program.dist, 'main.js'), args)

  /** The output of a script that can use the launcher's functions, and the program's `path`. */
  const evaluate = async (
    script: string,
    options: readonly string[] = [],
    dist = program.dist,
  ): Promise<string> => {
    const file = join(dist, 'evaluated.mjs')
    const head = `import { createRequire } from 'node:module'
      import { compileProgram, loadProgram } from './launch/load-program.js'
      const path = ${JSON.stringify(join(dist, 'program.cjs'))}`
    writeFileSync(file, `${head}\n${script}`)
    const child = program.start(file, [], options)
    expect([await child.ended, child.err]).toEqual([0, ''])
    return child.out
  }

  /** Starts a server with conf/ktree.conf on a free port. */
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

  test('logs one JSON object a line when piped', async () => {
    const { child } = await serve()
    // The signal may follow at once.
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(0)
    const lines = child.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines[0]).toMatchObject({ level: 30, pid: child.process.pid })
    // No line is lost, but at the very end one may overtake another that is being written.
    const messages = lines.map((line) => line.msg)
    expect(messages).toContain('received a signal, closing')
    expect(messages).toContain('closed')
    expect(child.err).toBe('')
  })

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s: sends its replies, then exits with 0',
    async (signal) => {
      const { child, port } = await serve()
      const client = await talk(port)
      // The client does not read for a while, so that replies are unsent when the signal comes.
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
    },
  )

  test('SHUTDOWN exits with 0', async () => {
    const { child, port } = await serve()
    const client = await talk(port)
    client.send('SHUTDOWN\r\n')
    await client.ended
    expect(client.received()).toBe('')
    expect(await child.ended).toBe(0)
  })

  test('a busy port gives one clear line, and exits with 1', async () => {
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

  test('a wrong directive gives one clear line, and exits with 1', async () => {
    const child = run('--maxclients', 'many')
    expect(await child.ended).toBe(1)
    expect(child.err).toMatch(/^ktree: --maxclients: .*\n$/)
  })

  test('serves a Unix socket, and no TCP if the port is 0', async () => {
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

  test('CONFIG REWRITE writes changes into the conf file that the server started with', async () => {
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

  test('the program is one file, which loads others only for a group and TLS, to export, import and repair', () => {
    const code = readFileSync(join(program.dist, 'program.cjs'), 'utf8')
    const required = [...code.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, path]) => path)
    // The bundler keeps the base of errors apart, for whatever reason: 1 KB, which every start loads.
    const names = ['cluster', 'expected-error', 'export', 'import', 'repair', 'tls-gate']
    expect(required.filter((path) => !isBuiltin(path)).toSorted()).toEqual(
      names.map((name) => `./program-${name}.cjs`),
    )
    expect(required).not.toContain('node:tls')
    expect(code).not.toMatch(/grpc|protobuf/)
    const licences = readFileSync(join(program.dist, 'program.LICENSES.txt'), 'utf8')
    for (const name of ['classic-level', 'crc-32', 'node-gyp-build', 'pino', 'redis-parser']) {
      expect(licences).toMatch(new RegExp(`^${name} [\\d.]+ \\(.*\\)\n\n.*License`, 'm'))
    }
  })

  test('a plain server loads nothing of a group', async () => {
    const hook = `import Module from 'node:module'
      const load = Module._load
      Module._load = function (id, ...rest) {
        process.stderr.write(id + '\\n')
        return load.call(this, id, ...rest)
      }`
    const port = await freePort()
    const args = ['--port', String(port), '--durability', 'no']
    const options = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`]
    const child = program.start(join(program.dist, 'main.js'), args, options)
    await child.says(/ready on/)
    expect(child.err).toContain('node:')
    expect(child.err).not.toMatch(/program-cluster|grpc|proto-loader/)
  })

  test('export and import work with the built program', async () => {
    const { child, port } = await serve()
    const client = await talk(port)
    client.send('KSET /a/b 1\r\nSHUTDOWN\r\n')
    await child.ended
    const file = join(program.directory, 'tree.json')
    const dir = join(program.directory, `data-${port}`)
    expect(await run('export', file, '--dir', dir).ended).toBe(0)
    const imported = run('import', file, '--dir', `${dir}-again`)
    expect(await imported.ended).toBe(0)
    expect(imported.err).toContain(`imported into ${dir}-again: `)
    const loaded = await evaluate(`
      const program = loadProgram(path)
      const require = createRequire(path)
      require('./program-export.cjs')
      console.log(require(path) === program)`)
    expect(loaded).toBe('true\n')
  })

  describe('cached code of V8', () => {
    const rejected = 'console.log(compileProgram(path, true).script.cachedDataRejected)'
    /** V8 reports no rejection when it is given no code. */
    const notGiven = 'undefined\n'

    test('is accepted, and does not contain the path where it was built', async () => {
      expect(await evaluate(rejected)).toBe('false\n')
      const code = readFileSync(join(program.dist, 'program.cache'))
      expect(code.includes(buildPlace())).toBe(false)
    })

    test('is not accepted if V8 has other options', async () => {
      const options = ['--stack-size=900']
      expect(await evaluate(rejected, options)).toBe('true\n')
      const shown = program.start(join(program.dist, 'main.js'), ['--version'], options)
      expect(await shown.ended).toBe(0)
      expect([shown.out, shown.err]).toEqual([`ktree ${version}\n`, ''])
    })

    test.each<[string, (code: Buffer) => Buffer | undefined]>([
      ['missing', () => undefined],
      ['empty', () => Buffer.alloc(0)],
      ['cut', (code) => code.subarray(0, -100)],
      ['nothing but its first line', (code) => code.subarray(0, code.indexOf('\n') + 1)],
      ['too long', (code) => Buffer.concat([code, Buffer.alloc(8)])],
      ['of another version of node', (code) => replaced(code, process.version, 'v20.0.0')],
      ['of another processor', (code) => replaced(code, ` ${process.arch} `, ' pdp11 ')],
      ['wrong in a bit near its start', (code) => damaged(code, 0.0002)],
      ['wrong in a bit in its middle', (code) => damaged(code, 0.5)],
      ['wrong in a bit near its end', (code) => damaged(code, 0.9)],
    ])('that is %s is not used, and the program starts', async (_, change) => {
      const dist = copyOf(program)
      const file = join(dist, 'program.cache')
      const content = change(readFileSync(file))
      if (content === undefined) rmSync(file)
      else writeFileSync(file, content)
      expect(await evaluate(rejected, [], dist)).toBe(notGiven)
      const shown = program.start(join(dist, 'main.js'), ['--version'])
      expect(await shown.ended).toBe(0)
      expect([shown.out, shown.err]).toEqual([`ktree ${version}\n`, ''])
    })

    test('of another source of the same length is not used', async () => {
      const dist = copyOf(program)
      const file = join(dist, 'program.cjs')
      writeFileSync(
        file,
        replaced(readFileSync(file), 'A tree of keys that', 'A bush of keys that'),
      )
      expect(await evaluate(rejected, [], dist)).toBe(notGiven)
      const help = program.start(join(dist, 'main.js'), ['--help'])
      expect(await help.ended).toBe(0)
      expect(help.out).toContain('A bush of keys that can be watched')
    })
  })

  test.each([
    { options: [], place: /\((dist\/program\.cjs):(\d+):(\d+)\)/ },
    { options: ['--enable-source-maps'], place: /\/(src\/server\/start\.ts):(\d+):(\d+)\)/ },
  ])('with node $options an error shows where it comes from', async ({ options, place }) => {
    const start = 'loadProgram(path).startServer({ nonsense: 1 })'
    const stack = await evaluate(`${start}.catch((error) => console.log(error.stack))`, options)
    expect(stack).toMatch(place)
    const [, file, line, column] = place.exec(stack)!
    const directory = file.startsWith('src') ? root : program.directory
    const lines = readFileSync(join(directory, file), 'utf8').split('\n')
    expect(lines[Number(line) - 1].slice(Number(column) - 1)).toMatch(
      /^new TypeError\(`startServer: unknown option/,
    )
  })

  test('used as a library, the process ends after close()', async () => {
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

/** Copies the built files, so that they can be changed. @returns the new dist */
function copyOf({ dist, directory }: Program): string {
  const copy = mkdtempSync(join(directory, 'dist-'))
  cpSync(dist, copy, { recursive: true })
  return copy
}

function replaced(content: Buffer, what: string, by: string): Buffer {
  const text = content.toString('latin1')
  expect(text).toContain(what)
  return Buffer.from(text.replace(what, by), 'latin1')
}

/** Flips a bit. @param part where the bit is: 0 is the start, 1 the end */
function damaged(content: Buffer, part: number): Buffer {
  const copy = Buffer.from(content)
  copy[Math.floor(part * copy.length)] ^= 4
  return copy
}

interface Conversation {
  readonly socket: Socket
  readonly ended: Promise<unknown>
  send(text: string): void
  received(): string
  /** All output, as soon as it contains `text`. */
  until(text: string): Promise<string>
}

async function talk(where: number | string): Promise<Conversation> {
  const socket = typeof where === 'number' ? connect(where, '127.0.0.1') : connect(where)
  let received = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk) => {
    received += chunk
  })
  // The connection may be reset when the server is killed after the test.
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
