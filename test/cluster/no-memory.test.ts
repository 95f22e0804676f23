import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { Store } from '../../src/store/store.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Group, startGroup } from './group.ts'
import { type Members, startMembers } from './members.ts'

describeWithPeer('etcd', 'a group', () => {
  let members: Members
  let group: Group | undefined

  beforeAll(async () => {
    members = await startMembers(1)
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await group?.stop()
  })
  afterAll(() => members.stop())

  test.each([0, 1])(
    'a node that has no memory for what the others do ends (node %s)',
    async (i) => {
      group = await startGroup({ on: members, nodes: 2 })
      const [client, other] = [group.client(0), group.client(1)]
      const remove = Store.prototype.deleteIfThere
      const { store } = group.nodes[i]
      let isFull = false
      vi.spyOn(Store.prototype, 'deleteIfThere').mockImplementation(function (
        this: Store,
        ...args
      ) {
        if (isFull && this === store) throw new RangeError('Array buffer allocation failed')
        return remove.apply(this, args)
      })
      await client.call('KSET', '/b', 'x')
      await other.call('KSYNC')
      isFull = true
      const failing = [client, other][i]
      const ended = new Promise((resolve) => failing.once('close', resolve))
      await Promise.all([ended, client.call('KDEL', '/b').catch(() => {})])
      const serving = [client, other][1 - i]
      await serving.call('KSYNC')
      expect(await serving.exists('b')).toBe(0)
    },
  )
})
