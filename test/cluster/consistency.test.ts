import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../conformance/peers.ts'
import { Link } from './checker/link.ts'
import { type Group, startGroup } from './group.ts'
import { type Members, startMembers } from './members.ts'

describeWithPeer('etcd', 'reads of a node that is behind', () => {
  let members: Members
  let group: Group
  let link: Link

  beforeAll(async () => {
    members = await startMembers(1)
    link = await Link.to(Number(new URL(members.urls[0]).port))
    group = await startGroup({ on: members, nodes: 1 })
    const endpoints = [`http://127.0.0.1:${link.port}`]
    await group.add({ directives: { 'etcd-endpoints': endpoints, 'cluster-timeout': '500' } })
  })
  afterAll(async () => {
    await group.stop()
    await link.close()
    await members.stop()
  })

  test('are old under session, and refused under linearizable', async () => {
    const [ahead, behind] = [group.client(0), group.client(1)]
    await ahead.set('a', 'old')
    await behind.call('KSYNC')
    link.silence()
    await ahead.set('a', 'new')
    expect(await behind.get('a')).toBe('old')
    await behind.config('SET', 'read-consistency', 'linearizable')
    await expect(behind.get('a')).rejects.toThrow(/^CLUSTERDOWN/)
    await expect(behind.multi().get('a').exec()).rejects.toThrow(/^CLUSTERDOWN/)
    expect(await behind.ping()).toBe('PONG')
    link.mend()
    let value: string | undefined | null
    while (value === undefined) value = await behind.get('a').catch(() => undefined)
    expect(value).toBe('new')
    for (let i = 0; i < 20; i++) {
      await ahead.set('a', String(i))
      expect(await behind.get('a')).toBe(String(i))
      expect(await behind.multi().get('a').exec()).toEqual([[null, String(i)]])
    }
    expect(await behind.mget('a', 'b')).toEqual(['19', null])
  })

  test('ask etcd once for all of a pipeline', async () => {
    const client = group.client(0)
    await client.config('SET', 'read-consistency', 'linearizable')
    const before = await rangesOf(members)
    const pipeline = client.pipeline()
    for (let i = 0; i < 500; i++) pipeline.get('a').mget('a', 'b')
    for (const [error] of (await pipeline.exec()) ?? []) expect(error).toBe(null)
    // The nodes look where the log ends now and then, too.
    expect((await rangesOf(members)) - before).toBeLessThan(100)
    await client.config('SET', 'read-consistency', 'session')
  })

  test('see what was written after the pipeline had asked', async () => {
    const [ahead, client] = [group.client(0), group.client(1)]
    await client.config('SET', 'read-consistency', 'linearizable')
    for (let i = 0; i < 20; i++) {
      // The second read may come while the first waits for etcd.
      const first = client.get('a')
      await ahead.set('a', `later ${i}`)
      expect(await client.get('a')).toBe(`later ${i}`)
      await first
    }
    await client.config('SET', 'read-consistency', 'session')
  })

  test('wait for an index without asking etcd', async () => {
    const [ahead, behind] = [group.client(0), group.client(1)]
    await behind.call('KSYNC')
    const index = Number(await behind.call('KINDEX'))
    link.silence()
    expect(await behind.call('KSYNC', 'INDEX', index)).toBe(index)
    expect(await behind.call('KSYNC', 'INDEX', index + 1, 'TIMEOUT', 1)).toBe(null)
    const waiting = behind.call('KSYNC', 'INDEX', index + 1)
    await ahead.set('a', 'x')
    link.mend()
    expect(await waiting).toBe(index + 1)
  })

  test('of a node that lags: KNODES tells how far', async () => {
    const [ahead, behind] = [group.client(0), group.client(1)]
    const lagOf = async (): Promise<unknown> => {
      const nodes = (await ahead.call('KNODES')) as unknown[][]
      return nodes.map((node) => node.slice(node.indexOf('lag-revisions'), -2)).toSorted()
    }
    await Promise.all([ahead.call('KSYNC'), behind.call('KSYNC')])
    while (JSON.stringify(await lagOf()) !== JSON.stringify([NO_LAG, NO_LAG])) {}
    link.silence()
    while (!/group_lag_ms:[1-9]/.test(await behind.info('cluster'))) {}
    link.mend()
    await behind.call('KSYNC')
    while (!/group_lag_ms:0/.test(await behind.info('cluster'))) {}
  })
})

const NO_LAG = ['lag-revisions', 0, 'lag-ms', 0]

/** How many ranges of keys have been read from etcd. */
async function rangesOf({ members: [member] }: Members): Promise<number> {
  const metrics = await (await fetch(`${member.health}/metrics`)).text()
  return Number(/^etcd_debugging_mvcc_range_total (.*)$/m.exec(metrics)?.[1])
}
