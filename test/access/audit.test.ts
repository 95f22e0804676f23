import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPaths } from 'node:path'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { AuditLog } from '../../src/access/audit.ts'
import { LostLines } from '../../src/access/lost-lines.ts'
import { startServer } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { testAlone } from '../cluster/alone.ts'
import { ErrorReply, frame, join, LogLines, start } from '../server/raw-client.ts'

async function temporaryFile(): Promise<string> {
  const directory = await mkdtemp(joinPaths(tmpdir(), 'ktree-audit-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return joinPaths(directory, 'audit.log')
}

/** The lines of a log, without what differs from run to run. */
async function linesOf(file: string): Promise<unknown[]> {
  const text = await readFile(file, 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { time, address, client, ...rest } = JSON.parse(line) as Record<string, unknown>
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
      expect(address === undefined || /^127\.0\.0\.1:\d+$/.test(String(address))).toBe(true)
      expect(client === undefined).toBe(address === undefined)
      return rest
    })
}

test('a line tells of each login, denial, change of users or configuration, KRECOVER, FLUSHALL and the end', async () => {
  const file = await temporaryFile()
  const server = await startServer({ port: 0, directives: { 'audit-log': file } })
  const client = await join(server)
  await client.call('ACL', 'SETUSER', 'bob', 'on', '>s3cret', '+@all', '-flushall', '~a*', '&x')
  await client.call('AUTH', 'bob', 'wrong s3cret')
  await client.call('AUTH', 'nobody', 'x')
  await client.call('AUTH', 'bob', 's3cret')
  await client.call('SET', 'a1', 'a value')
  await client.call('SET', 'b', 'a value')
  await client.call('MSET', 'a1', 'a value', 'b', 'a value', 'a2', 'a value')
  await client.call('FLUSHALL')
  await client.call('PUBLISH', 'y', 'a value')
  await client.call('CONFIG', 'SET', 'requirepass', 's3cret', 'timeout', '5')
  await client.call('CONFIG', 'SET', 'timeout', 'no number')
  await client.call('AUTH', 's3cret')
  await client.call('FLUSHALL')
  const saved = (await client.call('KSAVE')) as string
  await client.call('KRECOVER', saved)
  await client.call('MULTI')
  await client.call('FLUSHDB')
  await client.call('EXEC')
  await client.call('ACL', 'DELUSER', 'bob', 'other')
  await server.close()
  const denied = { level: 'warn', event: 'denied', user: 'bob' }
  expect(await linesOf(file)).toEqual([
    { level: 'info', event: 'users', user: 'default', command: 'acl|setuser', names: ['bob'] },
    { level: 'warn', event: 'login-failed', user: 'default', as: 'bob' },
    { level: 'warn', event: 'login-failed', user: 'default', as: 'nobody' },
    { level: 'info', event: 'login', user: 'bob' },
    { ...denied, command: 'set', reason: 'key', keys: ['b'] },
    { ...denied, command: 'mset', reason: 'key', keys: ['a1', 'b', 'a2'] },
    { ...denied, command: 'flushall', reason: 'command' },
    { ...denied, command: 'publish', reason: 'channel', channels: ['y'] },
    {
      ...{ level: 'info', event: 'configuration', user: 'bob', command: 'config|set' },
      names: ['requirepass', 'timeout'],
    },
    { level: 'info', event: 'login', user: 'default' },
    { level: 'info', event: 'flush', user: 'default', command: 'flushall' },
    { level: 'info', event: 'recover', user: 'default', command: 'krecover' },
    { level: 'info', event: 'flush', user: 'default', command: 'flushdb' },
    {
      level: 'info',
      event: 'users',
      user: 'default',
      command: 'acl|deluser',
      names: ['bob', 'other'],
    },
    { level: 'info', event: 'shutdown' },
  ])
  const text = await readFile(file, 'utf8')
  expect(text).not.toContain('s3cret')
  expect(text).not.toContain('a value')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
})

test('SHUTDOWN has a line that says who; a second server goes on in the same file', async () => {
  const file = await temporaryFile()
  for (const command of ['SHUTDOWN', undefined]) {
    const server = await startServer({ port: 0, directives: { 'audit-log': file } })
    const client = await join(server)
    if (command === undefined) await server.close()
    else client.send(command, 'NOSAVE')
    await server.closed
  }
  expect(await linesOf(file)).toEqual([
    { level: 'info', event: 'shutdown', user: 'default', command: 'shutdown' },
    { level: 'info', event: 'shutdown' },
  ])
})

test('a log that has been moved away is opened anew', async () => {
  const file = await temporaryFile()
  const server = await start({ directives: { 'audit-log': file } })
  const client = await join(server)
  await client.call('FLUSHALL')
  await rename(file, `${file}.1`)
  await client.call('FLUSHALL')
  server.reopenAuditLog()
  await client.call('FLUSHDB')
  expect(await linesOf(`${file}.1`)).toHaveLength(2)
  expect(await linesOf(file)).toEqual([
    { level: 'info', event: 'flush', user: 'default', command: 'flushdb' },
  ])
})

test('what clients send cannot break a line, nor reach a terminal as a control character', () => {
  const lines: string[] = []
  const log = new AuditLog({ write: (line: string) => lines.push(line) })
  const client = { id: 1, address: '127.0.0.1:1', user: { name: 'a\x1b[2J\n' } }
  log.write('denied', client, {
    command: 'get',
    reason: 'key',
    keys: [
      '\x1b]0;x\x07',
      'a\nb',
      '\xc2\x9b31m',
      '\xff',
      '"',
      'gr\xc3\xbcn',
      ...Array<string>(40).fill('k'),
    ],
  })
  expect(lines).toHaveLength(1)
  const [line] = lines
  expect(line.trimEnd()).not.toMatch(/\p{C}/u)
  const { user, keys, more } = JSON.parse(line)
  expect(user).toBe('a\\x1b[2J\\x0a')
  expect(keys.slice(0, 6)).toEqual(['\\x1b]0;x\\x07', 'a\\x0ab', '\\x9b31m', '\\xff', '"', 'grün'])
  expect([keys.length, more]).toEqual([32, 14])
})

test('a log that cannot be opened stops the start', async () => {
  const directives = { 'audit-log': '/nonexistent/audit.log' }
  await expect(startServer({ port: 0, directives })).rejects.toThrow('cannot open the audit log')
})

test('lines that nobody reads from a pipe are reported once a second, and those after them are whole', async () => {
  const file = await temporaryFile()
  execFileSync('mkfifo', [file])
  const reader = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  onTestFinished(() => closeSync(reader))
  const clock = new ManualClock()
  const log = new LogLines()
  const server = await start({ clock, logger: pino({}, log), directives: { 'audit-log': file } })
  const client = await join(server)
  await client.call('ACL', 'SETUSER', 'bob', 'on', 'nopass', '+@all', '~a')
  await client.call('AUTH', 'bob', 'x')
  const reports = () =>
    log.lines
      .filter((line) => line.includes('audit log'))
      .map((line) => JSON.parse(line) as { lines: number; reason: string; err?: unknown })
  /** Denied requests whose lines are so long that a pipe takes a part of one. */
  const deny = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) client.send('GET', 'b'.repeat(1000))
    await client.take(count)
  }
  const name = 'b'.repeat(1000)
  for (let i = 0; i < 1000; i++) client.send('DEL', ...Array<string>(9).fill(name))
  await client.take(1000)
  expect(reports()).toHaveLength(1)
  clock.advance(1000)
  await deny(10)
  clock.advance(1000)
  const [first, second, third, ...more] = reports()
  expect([first.lines, third.lines, more]).toEqual([1, 10, []])
  expect(first.reason).toMatch(/^(EAGAIN|Resource temporarily unavailable)/)
  expect(second.lines).toBeGreaterThan(900)
  expect(log.lines.join('')).not.toContain('audit-file')

  const drain = (): string => {
    const buffer = Buffer.alloc(1024 * 1024)
    return buffer.toString('utf8', 0, readSync(reader, buffer))
  }
  const before = drain()
  await client.call('GET', 'b')
  const lines = `${before}${drain()}`.trimEnd().split('\n')
  const isWhole = (line: string): boolean => line.startsWith('{') && line.endsWith('}')
  // What was written in part does not spoil what comes after it.
  expect(lines.filter((line) => line.lastIndexOf('{"level"') > 0)).toEqual([])
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ event: 'denied', keys: ['b'] })
  // All that is lost is told: the lines and those reported are as many as the events.
  const told = reports().reduce((sum, { lines: lost }) => sum + lost, 0)
  expect(lines.filter(isWhole).length + told).toBe(1 + 1 + 1000 + 10 + 1)
})

test('lines that are lost just before the end are told at the end', () => {
  const told: number[] = []
  const lost = new LostLines(new ManualClock(), (lines) => told.push(lines))
  lost.end()
  for (let i = 0; i < 5; i++) lost.add('full')
  lost.end()
  expect(told).toEqual([1, 4])
})

test('without the directive nothing is opened', async () => {
  const server = await start()
  const client = await join(server)
  expect(await client.call('CONFIG', 'SET', 'audit-log', 'x')).toEqual(
    new ErrorReply(
      "ERR CONFIG SET failed (possibly related to argument 'audit-log') - can't set immutable config",
    ),
  )
})

test('long names are cut in the audit log and in ACL LOG, however many times they come', async () => {
  const file = await temporaryFile()
  const server = await startServer({ port: 0, directives: { 'audit-log': file } })
  const client = await join(server)
  await client.call('ACL', 'SETUSER', 'bob', 'on', 'nopass', '+@all', '~a')
  const long = '\x01'.repeat(16_000)
  await client.call('AUTH', long.repeat(100), 'x')
  await client.call('AUTH', 'bob', 'x')
  await client.call('DEL', ...Array.from({ length: 100 }, () => long))
  await client.call('SUBSCRIBE', long)
  await client.call('AUTH', 'default', '')
  const logged = (await client.call('ACL', 'LOG')) as string[][]
  const cut = (more: number): string => `${'\x01'.repeat(1024)}... (${more} more bytes)`
  const fields = logged.map((entry) => [entry[7], entry[9]])
  expect(fields).toEqual([
    [cut(16_000 - 1024), 'bob'],
    [cut(16_000 - 1024), 'bob'],
    ['AUTH', cut(1_600_000 - 1024)],
  ])
  await server.close()
  const { size } = await stat(file)
  // Of each of 32 names a kilobyte, and five bytes for each byte that cannot be shown.
  expect(size).toBeLessThan(40 * 5 * 1100)
})

test('an audit log that is a pipe which nobody reads is refused at the start', async () => {
  const file = await temporaryFile()
  execFileSync('mkfifo', [file])
  await expect(startServer({ port: 0, directives: { 'audit-log': file } })).rejects.toThrow(
    'cannot open the audit log: ENXIO',
  )
})

/** A server with an audit log, and a client whose EXEC runs these requests. @returns the lines about them */
async function linesOfExec(requests: readonly string[][]): Promise<unknown[]> {
  const file = await temporaryFile()
  const server = await startServer({ port: 0, directives: { 'audit-log': file } })
  server.store.set('/a', 'x')
  const client = await join(server)
  await client.call('ACL', 'SETUSER', 'bob', 'on', 'nopass', '+@all', '~a', '~c*')
  await client.call('AUTH', 'bob', '')
  const all = [['MULTI'], ...requests, ['EXEC']]
  client.write(all.map((request) => frame(...request)).join(''))
  await client.take(all.length)
  await client.call('AUTH', 'default', '')
  await server.close()
  const lines = await linesOf(file)
  return lines.slice(2, -2)
}

/** Why a node of a group denies nothing of an EXEC that makes a directory of the key first. */
const JUDGED_BEFORE = 'the rights of an EXEC are asked before it makes the directory'

/** Makes a directory of the key, below which `bob` has no rights: only EXEC finds out. */
const MAKE_DIRECTORY = [
  ['KDEL', 'a'],
  ['KMKDIR', 'a'],
]

testAlone(
  JUDGED_BEFORE,
  'denials of an EXEC that are alike are two lines, the first as it happens, and none is lost',
  async () => {
    const requests = Array.from({ length: 999 }, (_, i) => [i % 3 === 0 ? 'TTL' : 'PERSIST', 'a'])
    const users = [['ACL', 'SETUSER', 'new']]
    const denied = { level: 'warn', event: 'denied', user: 'bob', reason: 'key', keys: ['a'] }
    const changed = { level: 'info', event: 'users', user: 'bob', command: 'acl|setuser' }
    const persist = { ...denied, command: 'persist' }
    expect(
      await linesOfExec([...MAKE_DIRECTORY, ['PERSIST', 'a'], ...users, ...users, ...requests]),
    ).toEqual([
      persist,
      { ...changed, names: ['new'] },
      { ...changed, names: ['new'] },
      { ...persist, count: 666 },
    ])
  },
)

testAlone(
  JUDGED_BEFORE,
  'an EXEC writes a hundred lines of different denials, and counts the others',
  async () => {
    const requests = Array.from({ length: 5000 }, (_, i) => ['RENAME', 'a', `c${i % 1000}`])
    const lines = (await linesOfExec([...MAKE_DIRECTORY, ...requests])) as Record<string, unknown>[]
    const counts = lines.map(({ count }) => (count ?? 1) as number)
    expect(lines.length).toBe(201)
    expect(counts.reduce((sum, count) => sum + count)).toBe(5000)
    expect(lines[7]).toMatchObject({ command: 'rename', keys: ['a', 'c7'] })
    expect(lines[107]).toMatchObject({ command: 'rename', keys: ['a', 'c7'], count: 4 })
    expect(lines[200]).toEqual({ level: 'warn', event: 'denied', user: 'bob', count: 4500 })
  },
)

test('failed logins of an EXEC are counted as well, as the user that each came from', async () => {
  const logins = [
    ['AUTH', 'nobody', ''],
    ['AUTH', 'bob', ''],
    ['AUTH', 'nobody', ''],
  ]
  const failed = { level: 'warn', event: 'login-failed', as: 'nobody' }
  const login = { level: 'info', event: 'login' }
  const other = [
    ['ACL', 'SETUSER', 'carl', 'on', 'nopass', '+@all'],
    ['AUTH', 'carl', ''],
  ]
  expect(await linesOfExec([...logins, ...other, ...logins])).toEqual([
    { ...failed, user: 'bob' },
    { ...login, user: 'bob' },
    { level: 'info', event: 'users', user: 'bob', command: 'acl|setuser', names: ['carl'] },
    { ...login, user: 'carl' },
    { ...failed, user: 'carl' },
    { ...failed, user: 'bob', count: 2 },
    { ...login, user: 'bob', count: 1 },
  ])
})
