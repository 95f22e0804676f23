import { connect } from 'node:net'
import type { Redis } from 'ioredis'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeWithPeer, freePorts } from '../conformance/peers.ts'
import { type ErrorReply, RawClient } from '../server/raw-client.ts'
import { Link } from './checker/link.ts'
import { type Group, startGroup } from './group.ts'
import { base64, type Members, startMembers } from './members.ts'

const TIMEOUT = { 'cluster-timeout': '300' }
const QUOTA_BYTES = 4 * 1024 * 1024

describeWithPeer('etcd', 'without etcd', () => {
  let members: Members
  let group: Group
  let link: Link
  let far: Redis
  let near: Redis

  beforeEach(async () => {
    members = await startMembers(1, ['--quota-backend-bytes', String(QUOTA_BYTES)])
    link = await Link.to(Number(new URL(members.urls[0]).port))
    group = await startGroup({ on: members, nodes: 1 })
    near = group.client(0)
    const endpoints = [`http://127.0.0.1:${link.port}`]
    far = group.client(await group.add({ directives: { ...TIMEOUT, 'etcd-endpoints': endpoints } }))
  })
  afterEach(async () => {
    link.mend()
    await group.stop()
    await link.close()
    await members.stop()
  })

  async function expectSameStates(): Promise<void> {
    await Promise.all([near.call('KSYNC'), far.call('KSYNC')])
    expect(await far.call('KSAVE')).toBe(await near.call('KSAVE'))
  }

  /** Tries until it succeeds. */
  async function insist<T>(act: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await act()
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }

  test('a write that could not be sent was certainly not made', async () => {
    await far.set('a', 'old')
    link.cut()
    // The first attempt may have been on its way when the connection ended.
    await expect(far.set('a', 'first')).rejects.toThrow(/^(CLUSTERDOWN|UNCERTAIN)/)
    await expect(far.set('a', 'new')).rejects.toThrow(/^CLUSTERDOWN the write was not made/)
    await expect(far.multi().set('a', 'new').exec()).rejects.toThrow(/CLUSTERDOWN/)
    expect(await far.get('a')).toBe('old')
    expect(await far.ping()).toBe('PONG')
    while (!(await far.info('cluster')).includes('group_state:stale')) {}
    link.mend()
    await insist(() => far.set('a', 'newer'))
    await near.call('KSYNC')
    expect(await near.get('a')).toBe('newer')
    await expectSameStates()
  })

  test('a write without an answer is in doubt, and is there once or never', async () => {
    await far.set('a', '0')
    for (let round = 1; round <= 2; round++) {
      link.silence()
      const before = Number(await near.get('a'))
      await expect(far.incr('a')).rejects.toThrow(
        'UNCERTAIN the write may have been made, or may still be made',
      )
      link.mend()
      const after = await insist(() => far.incr('a'))
      // What was in doubt is decided before anything else goes out.
      expect([before + 1, before + 2]).toContain(after)
      await near.call('KSYNC')
      expect(Number(await near.get('a'))).toBe(after)
    }
    await expectSameStates()
  })

  test('a pipeline is refused in order, and the connection goes on', async () => {
    link.cut()
    const pipeline = far.pipeline()
    for (let i = 0; i < 3; i++) pipeline.set(`p${i}`, 'x').get(`p${i}`)
    const replies = (await pipeline.exec()) ?? []
    for (let i = 0; i < 3; i++) {
      expect(String(replies[2 * i][0])).toMatch(/CLUSTERDOWN|UNCERTAIN/)
      expect(replies[2 * i + 1]).toEqual([null, null])
    }
    link.mend()
    await insist(() => far.set('p', 'x'))
    expect(await far.get('p')).toBe('x')
  })

  test('a node follows the log again over a slow way, and learns its end there', async () => {
    await far.set('a', 'old')
    link.delay(1200)
    link.cut()
    link.mend()
    await near.set('a', 'new')
    while ((await far.get('a')) !== 'new') await new Promise((resolve) => setTimeout(resolve, 50))
    await insist(() => far.call('KSYNC'))
    while (!(await far.info('cluster')).includes('group_state:ok')) {}
  })

  /** Asks the member of etcd. */
  const post = (path: string, body: object): Promise<Response> =>
    fetch(`${members.urls[0]}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) })

  async function fill(): Promise<void> {
    const filler = base64('x'.repeat(500_000))
    while ((await post('kv/put', { key: base64('filler'), value: filler })).ok) {}
  }

  async function makeRoom(): Promise<void> {
    const { header } = (await (await post('kv/deleterange', { key: base64('filler') })).json()) as {
      header: { revision: string; member_id: string }
    }
    await post('kv/compaction', { revision: header.revision, physical: true })
    await post('maintenance/defragment', {})
    const alarm = { action: 'DEACTIVATE', alarm: 'NOSPACE', memberID: header.member_id }
    await post('maintenance/alarm', alarm)
  }

  test('a full etcd refuses writes at once, and takes them when it has room', async () => {
    await near.set('a', 'old')
    await fill()
    await expect(near.set('a', 'new')).rejects.toThrow(
      'CLUSTERDOWN the write was not made: etcdserver: mvcc: database space exceeded',
    )
    expect(await near.get('a')).toBe('old')
    await makeRoom()
    await insist(() => near.set('a', 'newer'))
    await far.call('KSYNC')
    expect(await far.get('a')).toBe('newer')
  })

  test('a node that starts beside a full etcd waits for its place, and says so', async () => {
    await near.set('a', 'old')
    await fill()
    const lines: string[] = []
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) })
    const starting = group.add({ logger })
    while (lines.length < 2) await new Promise((resolve) => setTimeout(resolve, 20))
    for (const line of lines) {
      expect(line).toContain('waiting for a place among the nodes: etcdserver: mvcc: database')
    }
    await makeRoom()
    const late = group.client(await starting)
    expect(await late.get('a')).toBe('old')
    await insist(() => late.set('a', 'new'))
  })

  test('a node that starts beside a full etcd refuses writes in time, looks after its clients, and can be shut down', async () => {
    await near.set('a', 'old')
    await fill()
    const [port] = await freePorts(1)
    const directives = { ...TIMEOUT, port: String(port), timeout: '1' }
    const starting = group.add({ port, directives })
    const open = (): RawClient => new RawClient(connect(port, '127.0.0.1'))
    const late = await insist(async () => {
      const client = open()
      expect(await client.call('GET', 'a')).toBe('old')
      return client
    })
    const idle = open()
    late.send('SET', 'a', 'new')
    late.send('INCR', 'a')
    late.send('DEL', 'a')
    for (const refusal of await late.take(3)) {
      expect((refusal as ErrorReply).text).toMatch(/^CLUSTERDOWN this node has no place/)
    }
    await idle.closed
    open().send('SHUTDOWN', 'NOSAVE')
    const node = await starting
    await node.closed
    expect(node.isBroken).toBe(false)
    expect(await near.get('a')).toBe('old')
  })

  test('somebody compacts etcd', async () => {
    for (let i = 0; i < 20; i++) await near.incr('a')
    const etcd = `${members.urls[0]}/v3/kv`
    const key = Buffer.from('x').toString('base64')
    const put = await fetch(`${etcd}/put`, { method: 'POST', body: JSON.stringify({ key }) })
    const { header } = (await put.json()) as { header: { revision: string } }
    const body = JSON.stringify({ revision: header.revision, physical: true })
    await fetch(`${etcd}/compaction`, { method: 'POST', body })
    const late = group.client(await group.add())
    expect(await late.get('a')).toBe('20')
    await late.incr('a')
    await expectSameStates()
  })
})
