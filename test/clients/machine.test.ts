import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freePorts } from '../conformance/peers.ts'
import { info, temporaryDirectory, visitPort } from '../persistence/data-server.ts'
import { ErrorReply, type RawClient } from '../server/raw-client.ts'
import { type RunningProgram, useProgram } from './program.ts'

/**
 * Faults of the machine: what the program does where a log, a descriptor, memory or a file cannot be
 * had, and on signals.
 */
const program = useProgram()

interface Started {
  readonly child: RunningProgram
  readonly port: number
  readonly dir: string
}

interface StartOptions {
  readonly args?: readonly string[]
  /** For node. */
  readonly node?: readonly string[]
  /** What sh runs before. */
  readonly shell?: string
}

async function launch({ args = [], node = [], shell = '' }: StartOptions): Promise<Started> {
  const [port] = await freePorts(1)
  const dir = join(temporaryDirectory(), 'data')
  const where = ['--bind', '127.0.0.1', '--port', String(port), '--dir', dir]
  const debug = ['--enable-debug-command', 'local']
  const child = program.start(
    join(program.dist, 'main.js'),
    [...where, ...debug, ...args],
    node,
    shell,
  )
  return { child, port, dir }
}

async function serve(options: StartOptions = {}): Promise<Started> {
  const started = await launch(options)
  await started.child.says(/"ready on /)
  return started
}

/** Connects as soon as a program listens whose log cannot be read. */
async function untilServed({ port, child }: Started): Promise<RawClient> {
  let ended = false
  void child.ended.then(() => {
    ended = true
  })
  for (;;) {
    try {
      return await visitPort(port)
    } catch (error) {
      if (ended) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

/** Makes the server write lines to its log. */
async function fillLog(port: number, lines: number): Promise<void> {
  const client = await visitPort(port)
  for (let line = 0; line < lines; line++) client.send('DEBUG', 'LOG', 'a line')
  expect(await client.take(lines)).toEqual(Array.from({ length: lines }, () => 'OK'))
  client.socket.destroy()
}

describe('a log that cannot be written', () => {
  const full = [
    { shell: 'exec >/dev/full 2>&1' },
    { shell: 'exec >/dev/full' },
    { args: ['--logfile', '/dev/full'] },
    { shell: 'exec >&- 2>&-' },
  ]
  test.runIf(existsSync('/dev/full')).each(full)(
    '$shell $args: requests are served, lines are counted, SIGTERM ends it with 0',
    async (options) => {
      const started = await launch(options)
      const client = await untilServed(started)
      await fillLog(started.port, 100)
      expect(await client.call('KSET', '/a', '1')).not.toBeInstanceOf(ErrorReply)
      const lost = Number((await info(client, 'stats')).get('lost_log_lines'))
      if (!options.shell?.includes('>&-')) expect(lost).toBeGreaterThan(100)
      started.child.process.kill('SIGTERM')
      expect(await started.child.ended).toBe(0)
    },
  )

  test('a pipe that nobody reads holds up neither requests nor the end', async () => {
    const started = await serve()
    const { child, port } = started
    child.process.stdout?.pause()
    const client = await visitPort(port)
    // More than the pipe and the buffers of its reader hold.
    await fillLog(port, 2000)
    expect(await client.call('PING')).toBe('PONG')
    child.process.kill('SIGTERM')
    const exited = new Promise((resolve) => child.process.once('exit', resolve))
    expect(await exited).toBe(0)
    child.process.stdout?.resume()
    await child.ended
    for (const line of child.out.split('\n').slice(0, -1)) JSON.parse(line)
  })

  test('a pipe whose reader has gone holds up neither', async () => {
    const { child, port } = await serve()
    child.process.stdout?.destroy()
    child.process.stderr?.destroy()
    const client = await visitPort(port)
    await fillLog(port, 100)
    expect(await client.call('PING')).toBe('PONG')
    const lost = Number((await info(client, 'stats')).get('lost_log_lines'))
    expect(lost).toBeGreaterThanOrEqual(99)
    child.process.kill('SIGTERM')
    expect(await new Promise((resolve) => child.process.once('exit', resolve))).toBe(0)
  })

  test.each(['--help', '--version'])('%s into a closed pipe ends quietly', async (option) => {
    const child = program.start(join(program.dist, 'main.js'), [option], [], 'exec >&-')
    await child.ended
    expect(child.err).not.toContain('    at ')
  })
})

describe('signals', () => {
  test.each(['', 'trap "" HUP'])(
    'SIGHUP opens the log anew, and ends nothing (%s)',
    async (shell) => {
      const log = join(temporaryDirectory(), 'a.log')
      const started = await launch({ args: ['--logfile', log], shell })
      const client = await untilServed(started)
      renameSync(log, `${log}.1`)
      started.child.process.kill('SIGHUP')
      while (!existsSync(log)) expect(await client.call('PING')).toBe('PONG')
      await fillLog(started.port, 50)
      expect(readFileSync(log, 'utf8')).toContain('DEBUG LOG: a line')
      expect(readFileSync(`${log}.1`, 'utf8')).not.toContain('DEBUG LOG: a line')
      started.child.process.kill('SIGTERM')
      expect(await started.child.ended).toBe(0)
    },
  )

  test('SIGUSR1 opens no debugger, and SIGUSR2 ends nothing', async () => {
    const { child, port } = await serve()
    for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
      child.process.kill(signal)
      await child.says(
        new RegExp(`"signal":"${signal}","msg":"received a signal that does nothing"`),
      )
    }
    const client = await visitPort(port)
    expect(await client.call('PING')).toBe('PONG')
    child.process.kill('SIGQUIT')
    expect(await child.ended).toBe(0)
    expect(child.err).not.toContain('Debugger listening')
  })

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s while a tree loads ends the start',
    async (signal) => {
      const { child, port, dir } = await serve()
      const client = await visitPort(port)
      for (let i = 0; i < 100_000; i++) client.send('SET', `k${i}`, 'x')
      await client.take(100_000)
      expect(await client.call('SAVE')).toBe('OK')
      child.process.kill('SIGTERM')
      await child.ended
      const again = await launch({ args: ['--dir', dir, '--loglevel', 'debug'] })
      // It listens for signals from before it opens the tree.
      while (!existsSync(join(dir, `tree.before-start-${again.child.process.pid}`))) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      again.child.process.kill(signal)
      expect(await again.child.ended).toBe(0)
      expect(again.child.out).toContain('received a signal during the start, ending')
      expect(again.child.out).not.toContain('ready on')
      const third = await serve({ args: ['--dir', dir] })
      expect(await (await visitPort(third.port)).call('DBSIZE')).toBe(100_000)
    },
  )
})

describe('files', () => {
  test('what the server writes is for its user alone, the log as the umask says', async () => {
    const log = join(temporaryDirectory(), 'a.log')
    const started = await launch({ args: ['--logfile', log], shell: 'umask 022' })
    const client = await untilServed(started)
    for (let i = 0; i < 300; i++) client.send('SET', `k${i}`, 'x'.repeat(100_000))
    await client.take(300)
    expect(await client.call('SAVE')).toBe('OK')
    started.child.process.kill('SIGTERM')
    expect(await started.child.ended).toBe(0)
    const modeOf = (path: string): number => statSync(path).mode & 0o777
    const tree = join(started.dir, 'tree')
    expect([modeOf(started.dir), modeOf(tree), modeOf(log)]).toEqual([0o700, 0o700, 0o644])
    const names = readdirSync(tree, { recursive: true }) as string[]
    expect(names.length).toBeGreaterThan(6)
    for (const name of names) {
      expect([name, modeOf(join(tree, name))]).toEqual([name, name === 'journal' ? 0o700 : 0o600])
    }
  })

  test.each([
    ['0', '022', 0o755],
    ['0', '007', 0o770],
    ['777', '077', 0o777],
    ['600', '000', 0o600],
  ])(
    'unixsocketperm %s with a umask of %s gives a socket of mode %d',
    async (perm, umask, mode) => {
      const path = join(temporaryDirectory(), 'a.sock')
      const args = ['--unixsocket', path, '--unixsocketperm', perm]
      await serve({ args, shell: `umask ${umask}` })
      expect(statSync(path).mode & 0o777).toBe(mode)
    },
  )

  test('CONFIG REWRITE keeps the mode of the conf file', async () => {
    const file = join(temporaryDirectory(), 'a.conf')
    writeFileSync(file, 'maxclients 20\n')
    chmodSync(file, 0o640)
    const [port] = await freePorts(1)
    const args = [file, '--port', String(port), '--dir', temporaryDirectory()]
    const child = program.start(join(program.dist, 'main.js'), args)
    await child.says(/"ready on /)
    const client = await visitPort(port)
    await client.call('CONFIG', 'SET', 'maxclients', '21')
    expect(await client.call('CONFIG', 'REWRITE')).toBe('OK')
    expect(readFileSync(file, 'utf8')).toContain('maxclients 21')
    expect(statSync(file).mode & 0o777).toBe(0o640)
  })
})

describe('few descriptors', () => {
  test('maxclients is cut down, others are told, and the data has what it needs', async () => {
    const { child, port } = await serve({
      shell: 'ulimit -n 100',
      args: ['--durability', 'always'],
    })
    expect(child.out).toContain('it has been reduced to 36')
    const client = await visitPort(port)
    const others: RawClient[] = []
    for (let i = 0; i < 80; i++) others.push(await visitPort(port))
    for (const refused of others.slice(35)) {
      expect(await refused.next()).toEqual(new ErrorReply('ERR max number of clients reached'))
      await refused.closed
    }
    const value = 'x'.repeat(100_000)
    // 40 MB in all, so that the database has to make, and to merge, files.
    for (let i = 0; i < 400; i++) {
      expect(await client.call('SET', `k${i}`, value)).toBe('OK')
    }
    expect((await info(client, 'persistence')).get('write_error')).toBe('')
    expect((await info(client, 'clients')).get('maxclients')).toBe('36')
    expect(await client.call('CONFIG', 'SET', 'maxclients', '37')).toEqual(
      new ErrorReply(
        "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to handle the specified number of clients, try with 36",
      ),
    )
    expect(await client.call('CONFIG', 'SET', 'maxclients', '36')).toBe('OK')
    expect(await client.call('CONFIG', 'SET', 'maxclients', '10')).toBe('OK')
  })

  test('too few for one client end the start with a clear line', async () => {
    const { child } = await launch({ shell: 'ulimit -n 64' })
    expect(await child.ended).toBe(1)
    expect(child.err).toMatch(
      /^ktree: the limit of open files, 'ulimit -n', is 64, and must be at least 65: [^\n]*\n$/,
    )
  })
})
