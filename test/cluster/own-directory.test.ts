import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest'
import { Etcd } from '../../src/cluster/etcd/etcd.ts'
import { EtcdLog } from '../../src/cluster/etcd-log.ts'
import { LogFollower } from '../../src/cluster/log-follower.ts'
import { type RunningServer, startServer } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Group, startGroup } from './group.ts'
import { ask, base64, type Members, startMembers } from './members.ts'

describeWithPeer('etcd', "a node's own directory", () => {
  let members: Members
  let group: Group
  let dir: string

  beforeAll(async () => {
    members = await startMembers(1)
  })
  afterAll(() => members.stop())
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ktree-own-'))
    group = await startGroup({ on: members, nodes: 0 })
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await group.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  /** Starts a node in the directory. @returns it, a client, and what it has logged */
  async function start(
    directives: Record<string, string> = {},
  ): Promise<{ node: RunningServer; client: Redis; lines: string[] }> {
    const lines: string[] = []
    const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
    const node = await group.add({ logger, directives: { dir, ...directives } })
    return { node, client: group.client(node), lines }
  }

  /** Makes the directory that of a single process with a tree. */
  async function fillAlone(): Promise<string> {
    const alone = await startServer({ directives: { dir } })
    const client = new Redis({ port: alone.port ?? 0, host: '127.0.0.1' })
    await client.call('KSET', '/a/b', 'alone')
    await client.call('KSET', '/binary', Buffer.from([0, 255]))
    await client.set('ttl', 'x', 'PX', 3_600_000)
    await client.call('KDEL', '/a/b')
    const state = String(await client.call('KSAVE'))
    client.disconnect()
    await alone.close()
    return state
  }

  const withoutReads = (state: string): string => state.replace(/"gets\w+":\d+|"watchers":\d+/g, '')

  async function expectSameStates(...clients: Redis[]): Promise<void> {
    for (const client of clients) await client.call('KSYNC')
    const states = await Promise.all(clients.map((client) => client.call('KSAVE')))
    for (const state of states) expect(state).toBe(states[0])
  }

  test('has a copy from which the next start goes on, and so does what came meanwhile', async () => {
    const first = await start()
    await first.client.call('KSET', '/a', 'x'.repeat(3_000_000))
    await first.client.call('KSET', '/b', Buffer.from([0, 10, 255]))
    await first.client.set('ttl', 'x', 'PX', 3_600_000)
    await first.client.watch('b')
    await first.client.multi().set('c', '1').exec()
    const other = group.client(await group.add())
    await first.node.close()
    expect(readdirSync(dir)).toEqual(['node-copy'])
    await other.call('KSET', '/b', 'meanwhile')
    const again = await start()
    expect(again.lines.join()).toContain('went on from the copy')
    await expectSameStates(again.client, other)
    await again.client.call('KSET', '/b', 'later')
    await expectSameStates(again.client, other)
    const since = ['/b', 'SINCE', '1']
    expect(await again.client.call('KWAIT', ...since)).toEqual(await other.call('KWAIT', ...since))
  })

  test('has what was there at SAVE, also if the node is killed then', async () => {
    const first = await start()
    await first.client.set('a', '1')
    expect(await first.client.save()).toBe('OK')
    const saved = readFileSync(join(dir, 'node-copy'))
    await first.client.set('a', '2')
    await first.node.close()
    // As kill -9 would have left it.
    writeFileSync(join(dir, 'node-copy'), saved)
    const again = await start()
    expect(again.lines.join()).toContain('went on from the copy')
    expect(await again.client.get('a')).toBe('2')
    const nowhere = group.client(await group.add())
    await expectSameStates(again.client, nowhere)
    await expect(nowhere.save()).rejects.toThrow('durability is no')
    await expect(nowhere.bgsave()).rejects.toThrow('durability is no')
    await expect(start({ durability: 'no', 'etcd-bootstrap': 'yes' })).rejects.toThrow(/none$/)
  })

  test('has LASTSAVE and INFO tell of its last copy', async () => {
    const clock = new ManualClock(Date.UTC(2100, 0, 1))
    const client = group.client(await group.add({ clock, directives: { dir } }))
    const started = await client.lastsave()
    expect(await client.info('persistence')).toContain('rdb_last_bgsave_time_sec:-1')
    clock.advance(100_000)
    await client.save()
    expect(await client.lastsave()).toBe(started + 100)
    const info = await client.info('persistence')
    expect(info).toContain(`rdb_last_save_time:${started + 100}`)
    expect(info).toContain('rdb_last_bgsave_time_sec:0')
  })

  test('is of no use when the log was cut after it, or when it is damaged', async () => {
    const cut = { 'log-max-batches': '5' }
    const first = await start(cut)
    const other = group.client(await group.add({ directives: cut }))
    await first.client.set('a', '1')
    await first.node.close()
    const key = base64(`${group.prefix}cut`)
    const cutAt = async (): Promise<number> => {
      const { kvs } = await ask(members.urls[0], 'kv/range', { key })
      return Number(Buffer.from(kvs?.[0]?.value ?? '', 'base64').toString())
    }
    const path = join(dir, 'node-copy')
    const { revision } = JSON.parse(readFileSync(path, 'latin1').split('\n')[0]) as {
      revision: number
    }
    while ((await cutAt()) <= revision) await other.incr('a')
    const again = await start()
    await expectSameStates(again.client, other)
    await again.node.close()
    const bytes = readFileSync(path)
    bytes[bytes.length - 20]++
    writeFileSync(path, bytes)
    const third = await start()
    expect(third.lines.join()).toContain('its checksum is wrong')
    await expectSameStates(third.client, other)
  })

  test('is served by a node that starts, answers and ends, although pipes stand in it', async () => {
    const paths = ['node-copy', 'node-copy.tmp'].map((name) => join(dir, name))
    for (const path of paths) execFileSync('mkfifo', [path])
    const late = setTimeout(() => {
      // Ends the wait of those who have opened them.
      for (const path of paths) closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK))
    }, 5000)
    onTestFinished(() => clearTimeout(late))
    const { node, client, lines } = await start()
    expect(await client.info('persistence')).toContain('rdb_last_bgsave_status:ok')
    expect(lines.join()).toMatch(/it is a pipe, and no file.*cannot use .*, and reads etcd instead/)
    await client.set('a', '1')
    await expect(client.save()).rejects.toThrow(
      /node-copy\.tmp is a pipe, and no file: move it away/,
    )
    const info = await client.info('persistence')
    expect(info).toContain('rdb_last_bgsave_status:err')
    expect(info).toMatch(/write_error:.*node-copy\.tmp is a pipe/)
    await node.close()
    expect(lines.join()).toContain('could not write a copy of the tree')
  })

  test('brings back what KRECOVER has brought, also a tree that looks like that of an etcd server', async () => {
    const first = await start()
    const other = group.client(await group.add())
    const directory = (Path: string, Children: object): object => ({
      ...{ Path, CreatedIndex: 0, ModifiedIndex: 0, ExpireTime: null, Value: '', Children },
    })
    const pair = (path: string, inner: object): object => ({
      '0': directory(`${path}/0`, {}),
      '1': directory(`${path}/1`, inner),
    })
    const state = {
      Root: directory('/', pair('', pair('/1', {}))),
      ...{ CurrentIndex: 5, CurrentVersion: 2, Stats: { setsSuccess: 2 ** 52 } },
    }
    expect(await other.call('KRECOVER', JSON.stringify(state))).toBe('OK')
    await other.set('1/x', 'v')
    await first.client.call('KSYNC')
    expect(await first.client.keys('*')).toEqual(['1/x'])
    await first.node.close()
    const again = await start()
    expect(again.lines.join()).toContain('went on from the copy')
    await expectSameStates(again.client, other)
    // So do KSAVE and KRECOVER.
    const saved = String(await other.call('KSAVE'))
    expect(await other.call('KRECOVER', saved)).toBe('OK')
    await expectSameStates(again.client, other)
    expect(await other.keys('*')).toEqual(['1/x'])
  })

  test('of another log is refused, and left alone', async () => {
    const first = await start()
    await first.client.set('a', '1')
    await first.node.close()
    const before = readFileSync(join(dir, 'node-copy'))
    const { prefix } = group
    await expect(start({ 'etcd-prefix': `${prefix}other/` })).rejects.toThrow(
      /node-copy is a copy of another log: choose another --dir; or, .* remove the file$/,
    )
    expect(readFileSync(join(dir, 'node-copy'))).toEqual(before)
    await expect(startServer({ directives: { dir } })).rejects.toThrow(
      /belongs to a node of a group/,
    )
  })

  test('of what etcd has forgotten is refused', async () => {
    const first = await start()
    await first.client.set('a', '1')
    await first.node.close()
    // As if etcd had been put back to a time before.
    const key = base64(`${group.prefix}log/`)
    await ask(members.urls[0], 'kv/deleterange', { key, range_end: base64(`${group.prefix}log0`) })
    await expect(start()).rejects.toThrow(/not in the log any more/)
  })

  test('with the tree of a single process is refused, and left alone', async () => {
    const state = await fillAlone()
    await expect(start()).rejects.toThrow(
      /tree is the tree of a single process: .* choose another --dir .* --etcd-bootstrap yes/,
    )
    const alone = await startServer({ directives: { dir } })
    const client = new Redis({ port: alone.port ?? 0, host: '127.0.0.1' })
    expect(withoutReads(String(await client.call('KSAVE')))).toBe(withoutReads(state))
    client.disconnect()
    await alone.close()
  })

  test('brings its tree along with etcd-bootstrap, once', async () => {
    const state = await fillAlone()
    const first = await start({ 'etcd-bootstrap': 'yes' })
    expect(withoutReads(String(await first.client.call('KSAVE')))).toBe(withoutReads(state))
    const other = group.client(await group.add())
    expect(await other.pttl('ttl')).toBeGreaterThan(3_500_000)
    await other.set('later', 'x')
    await expectSameStates(first.client, other)
    await first.node.close()
    expect(existsSync(join(dir, 'tree'))).toBe(false)
    expect(readdirSync(dir).some((name) => name.startsWith('tree.in-etcd-'))).toBe(true)
    // The directive may stay where it is.
    const again = await start({ 'etcd-bootstrap': 'yes' })
    await expectSameStates(again.client, other)
  })

  test('goes on after etcd-bootstrap was killed with the tree in etcd, but not yet set aside', async () => {
    await fillAlone()
    const bootstrap = { 'etcd-bootstrap': 'yes' }
    const first = await start(bootstrap)
    await first.node.close()
    const putBack = (): void => {
      const [aside] = readdirSync(dir).filter((name) => name.startsWith('tree.in-etcd-'))
      renameSync(join(dir, aside), join(dir, 'tree'))
      rmSync(join(dir, 'node-copy'), { force: true })
    }
    putBack()
    const other = group.client(await group.add({ directives: { 'log-max-batches': '5' } }))
    for (let i = 0; i < 20; i++) await other.incr('later')
    const again = await start(bootstrap)
    await expectSameStates(again.client, other)
    expect(existsSync(join(dir, 'tree'))).toBe(false)
    await again.node.close()
    // What a single process has written to it since is not in etcd.
    putBack()
    const alone = await startServer({ directives: { dir } })
    const client = new Redis({ port: alone.port ?? 0, host: '127.0.0.1' })
    await client.set('more', '1')
    client.disconnect()
    await alone.close()
    await expect(start(bootstrap)).rejects.toThrow(/the log in etcd is not empty/)
    expect(existsSync(join(dir, 'tree'))).toBe(true)
  })

  test('brings its tree along while another node looks into the log for the first time', async () => {
    await fillAlone()
    const { claim } = EtcdLog.prototype
    let first: Redis | undefined
    vi.spyOn(EtcdLog.prototype, 'claim').mockImplementationOnce(async function (this: EtcdLog) {
      first = (await start({ 'etcd-bootstrap': 'yes' })).client
      return claim.call(this)
    })
    const other = group.client(await group.add())
    if (first === undefined) throw new Error('it has not started')
    expect(await other.call('KGET', '/binary')).toEqual(await first.call('KGET', '/binary'))
    await other.set('later', 'x')
    await expectSameStates(first, other)
  })

  test('does not bring its tree into a log that another node has looked into', async () => {
    await fillAlone()
    const { start: follow } = LogFollower.prototype
    let outcome: unknown
    const spy = vi.spyOn(LogFollower.prototype, 'start')
    spy.mockImplementationOnce(async function (this: LogFollower) {
      await follow.call(this)
      // It has not joined yet.
      outcome = await start({ 'etcd-bootstrap': 'yes' }).catch(String)
    })
    const other = group.client(await group.add())
    expect(outcome).toMatch(/the log in etcd is not empty.*--etcd-prefix.*--dir/)
    expect(existsSync(join(dir, 'tree'))).toBe(true)
    expect(await other.set('a', '1')).toBe('OK')
    await expectSameStates(other, group.client(await group.add()))
  })

  test('brings its tree along, although it does not hear once that etcd has taken it', async () => {
    const state = await fillAlone()
    const { txnAgain } = Etcd.prototype
    let isLost = false
    const spy = vi.spyOn(Etcd.prototype, 'txnAgain')
    spy.mockImplementation(async function (this: Etcd, request) {
      const isLast = request.success.some(
        (op) => 'request_put' in op && op.request_put?.key.toString().endsWith('/bootstrap'),
      )
      isLost ||= isLast
      // The next attempt finds it made.
      if (isLast) await txnAgain.call(this, request)
      return txnAgain.call(this, request)
    })
    onTestFinished(() => spy.mockRestore())
    const { client } = await start({ 'etcd-bootstrap': 'yes' })
    expect(isLost).toBe(true)
    expect(withoutReads(String(await client.call('KSAVE')))).toBe(withoutReads(state))
    expect(existsSync(join(dir, 'tree'))).toBe(false)
  })

  test('does not bring its tree into a log that somebody has written to', async () => {
    const other = group.client(await group.add())
    await other.set('a', '1')
    await fillAlone()
    await expect(start({ 'etcd-bootstrap': 'yes' })).rejects.toThrow(
      /the log in etcd is not empty.*--etcd-prefix.*--dir/,
    )
    expect(existsSync(join(dir, 'tree'))).toBe(true)
    expect(await other.keys('*')).toEqual(['a'])
  })
})
