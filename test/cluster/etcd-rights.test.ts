import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Etcd } from '../../src/cluster/etcd/etcd.ts'
import { EtcdLog } from '../../src/cluster/etcd-log.ts'
import { Keys } from '../../src/cluster/keys.ts'
import { LogFollower } from '../../src/cluster/log-follower.ts'
import { Memberships } from '../../src/cluster/membership.ts'
import type { RunningServer } from '../../src/server/start.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Group, startGroup } from './group.ts'
import { ask, base64, type Members, startMembers } from './members.ts'

/** Goes to etcd in parts, which other nodes read. */
const LONG = 'x'.repeat(1_600_000)
const TIMEOUT_MS = 5000
const TREE = { key: base64('/'), range_end: base64('0') }
const INFO = { name: 'test', address: '', version: '', applied: 0, lag: { revisions: 0, ms: 0 } }

describeWithPeer('etcd', 'an etcd that takes rights away', () => {
  let members: Members
  const ends: (() => unknown)[] = []

  beforeEach(async () => {
    members = await startMembers(1)
    const [url] = members.urls
    await ask(url, 'auth/role/add', { name: 'root' })
    await ask(url, 'auth/user/add', { name: 'root', password: 'root' })
    await ask(url, 'auth/user/grant', { user: 'root', role: 'root' })
    for (const name of ['near', 'far']) {
      await ask(url, 'auth/role/add', { name })
      await ask(url, 'auth/role/grant', { name, perm: { permType: 'READWRITE', ...TREE } })
      await ask(url, 'auth/user/add', { name, password: name })
      await ask(url, 'auth/user/grant', { user: name, role: name })
    }
    await ask(url, 'auth/enable', {})
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    for (const end of ends.splice(0).reverse()) await end()
    await members.stop()
  })

  /** Asks etcd as its administrator. */
  async function administer(path: string, body: object): ReturnType<typeof ask> {
    const [url] = members.urls
    const { token } = await ask(url, 'auth/authenticate', { name: 'root', password: 'root' })
    return ask(url, path, body, token)
  }

  const loginOf = (name: string): Record<string, string> => ({
    'etcd-user': name,
    'etcd-password': name,
  })

  /** Starts two nodes, each with a user of its own. @returns them, and what the far one warns of */
  async function startTwo(): Promise<{
    group: Group
    far: RunningServer
    warnings: string[]
  }> {
    const group = await startGroup({ on: members, nodes: 0 })
    ends.push(() => group.stop())
    const warnings: string[] = []
    const logger = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) })
    await group.add({ directives: loginOf('near') })
    const directives = { ...loginOf('far'), 'cluster-timeout': '300' }
    const far = await group.add({ logger, directives })
    return { group, far, warnings }
  }

  const refusals = (warnings: readonly string[]): string[] =>
    warnings.filter((line) => line.includes('etcd refuses this node'))

  /** Resolves when a node's log tells that etcd refuses it, or when it has ended. */
  async function untilRefused(node: RunningServer, warnings: readonly string[]): Promise<void> {
    const isOver = (): boolean => node.isBroken || refusals(warnings).length > 0
    await vi.waitFor(() => expect(isOver()).toBe(true), TIMEOUT_MS)
    expect(node.isBroken).toBe(false)
  }

  const WAYS: [what: string, take: () => Promise<unknown>, giveBack: () => Promise<unknown>][] = [
    [
      'permission',
      () => administer('auth/role/revoke', { role: 'far', ...TREE }),
      () => administer('auth/role/grant', { name: 'far', perm: { permType: 2, ...TREE } }),
    ],
    [
      'role',
      () => administer('auth/user/revoke', { name: 'far', role: 'far' }),
      () => administer('auth/user/grant', { user: 'far', role: 'far' }),
    ],
    [
      'password',
      () => administer('auth/user/changepw', { name: 'far', password: 'another' }),
      () => administer('auth/user/changepw', { name: 'far', password: 'far' }),
    ],
    [
      'user',
      () => administer('auth/user/delete', { name: 'far' }),
      async () => {
        await administer('auth/user/add', { name: 'far', password: 'far' })
        await administer('auth/user/grant', { user: 'far', role: 'far' })
      },
    ],
  ]

  test.each(WAYS)(
    'the %s of a node that runs, which goes on when it has it again',
    async (_, take, giveBack) => {
      const { group, far, warnings } = await startTwo()
      const [a, b] = [group.client(0), group.client(1)]
      await a.set('x', 'old')
      await b.call('KSYNC')
      await take()
      await a.set('x', LONG)
      // The far node has heard of the value, and may not read it.
      await untilRefused(far, warnings)
      await vi.waitFor(async () => expect(await b.info('cluster')).toContain('group_state:stale'), {
        timeout: TIMEOUT_MS,
      })
      expect(await b.get('x')).toBe('old')
      await expect(b.set('y', 'no')).rejects.toThrow(
        /^CLUSTERDOWN the write was not made: etcdserver/,
      )
      // It asks many times a second.
      expect(refusals(warnings).length).toBeLessThan(5)
      expect(far.isBroken).toBe(false)
      await giveBack()
      await vi.waitFor(() => b.set('y', 'yes'), TIMEOUT_MS)
      expect(await b.get('x')).toBe(LONG)
      await a.call('KSYNC')
      expect(await a.call('KSAVE')).toBe(await b.call('KSAVE'))
    },
  )

  test('the login of a node whose lease has run out, and that takes another name when it is let in', async () => {
    const { group, far, warnings } = await startTwo()
    const [a, b] = [group.client(0), group.client(1)]
    await a.set('x', 'old')
    await b.call('KSYNC')
    await administer('auth/user/changepw', { name: 'far', password: 'another' })
    const { kvs = [] } = await administer('kv/range', { key: 'AA==', range_end: 'AA==' })
    const own = kvs.find(
      ({ lease, value }) =>
        lease !== undefined && Buffer.from(value, 'base64').includes(`:${far.port}`),
    )
    await administer('lease/revoke', { ID: own?.lease })
    await vi.waitFor(() => expect(warnings.join()).toContain('taking another name'), TIMEOUT_MS)
    await untilRefused(far, warnings)
    await expect(b.set('x', 'new')).rejects.toThrow(/^CLUSTERDOWN the write was not made/)
    expect(await b.get('x')).toBe('old')
    expect(far.isBroken).toBe(false)
    await administer('auth/user/changepw', { name: 'far', password: 'far' })
    await vi.waitFor(() => b.set('x', 'new'), TIMEOUT_MS)
    await a.call('KSYNC')
    expect(await a.get('x')).toBe('new')
  })

  test('from a node that only starts, which ends and says why', async () => {
    const group = await startGroup({ on: members, nodes: 1, directives: loginOf('near') })
    ends.push(() => group.stop())
    await administer('auth/role/revoke', { role: 'far', ...TREE })
    const start = group.add({ directives: loginOf('far') })
    await expect(start).rejects.toThrow('etcdserver: permission denied')
  })

  /** How often a member has been asked for a login. */
  async function logins(): Promise<number> {
    const metrics = await (await fetch(`${members.members[0].health}/metrics`)).text()
    const line = /^grpc_server_started_total\{.*grpc_method="Authenticate".*\} (\d+)$/m
    return Number(line.exec(metrics)?.[1] ?? 0)
  }

  test('is asked for a login that it refuses only now and then, because that is slow', async () => {
    const etcd = new Etcd({ endpoints: members.urls, user: 'far', password: 'wrong' })
    ends.push(() => etcd.close())
    const before = await logins()
    for (let i = 0; i < 50; i++) {
      const read = etcd.rangeOnce({ key: Buffer.from('/x') })
      await expect(read).rejects.toMatchObject({ refused: true })
    }
    expect((await logins()) - before).toBeLessThan(5)
  })

  test('has what comes wait in etcd while a node may not read a part', async () => {
    const etcd = new Etcd({ endpoints: members.urls, user: 'near', password: 'near' })
    ends.push(() => etcd.close())
    const keys = new Keys('/waits/')
    const log = new EtcdLog(etcd, keys)
    await log.open()
    const logger = pino({ level: 'silent' })
    const memberships = new Memberships({
      ...{ etcd, keys, isSameLog: log.isSame, logger },
      info: () => INFO,
      onLost: () => {},
    })
    ends.push(() => memberships.close())
    const who = await memberships.join()
    let taken = 0
    const watch = etcd.watch.bind(etcd)
    vi.spyOn(etcd, 'watch').mockImplementation((request, events) => {
      const onAnswer: typeof events.onAnswer = (answer) => {
        for (const { kv } of answer.events) taken += kv.value.length
        events.onAnswer(answer)
      }
      return watch(request, { ...events, onAnswer })
    })
    // Parts cannot be read for now; everything else can.
    const range = etcd.range.bind(etcd)
    let letIn = (): void => {}
    const isIn = new Promise<void>((resolve) => {
      letIn = resolve
    })
    vi.spyOn(etcd, 'range').mockImplementation(async (request) => {
      if (request.key.includes('/parts/')) await isIn
      return range(request)
    })
    const numbers: number[] = []
    const follower = new LogFollower(
      { etcd, keys, log, logger },
      {
        onBatches: (batches) => void numbers.push(...batches.map(({ number }) => number)),
        onPassed: () => {},
        whenRun: () => Promise.resolve(),
        onCut: () => Promise.resolve(),
        onSight: () => {},
        onBroken: () => {},
      },
    )
    ends.push(() => follower.close())
    await follower.start()
    await log.put(who, 1, [Buffer.alloc(3_000_000)], TIMEOUT_MS)
    for (let i = 2; i <= 41; i++) await log.put(who, i, [Buffer.alloc(1_000_000)], TIMEOUT_MS)
    // What is on its way comes, and then nothing more.
    for (let before = -1; before < taken; ) {
      before = taken
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    expect(taken).toBeLessThan(10_000_000)
    letIn()
    await vi.waitFor(() => expect(numbers).toHaveLength(42), TIMEOUT_MS)
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
  })
})
