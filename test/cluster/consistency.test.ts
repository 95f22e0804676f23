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
})
