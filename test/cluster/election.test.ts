import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { Election } from '../../src/cluster/election.ts'
import { Etcd } from '../../src/cluster/etcd/etcd.ts'
import {
  DEADLINE_EXCEEDED,
  EtcdError,
  RESOURCE_EXHAUSTED,
  UNAVAILABLE,
} from '../../src/cluster/etcd/etcd-error.ts'
import { isAbsent } from '../../src/cluster/etcd/types.ts'
import { Keys } from '../../src/cluster/keys.ts'
import { type Membership, Memberships } from '../../src/cluster/membership.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Members, startMembers } from './members.ts'

const INFO = { name: 'test', address: '', version: '', applied: 0, lag: { revisions: 0, ms: 0 } }

describeWithPeer('etcd', 'what is asked of etcd, and whose answer is lost', () => {
  let members: Members
  let etcd: Etcd
  let keys: Keys
  let places = 0
  const ends: (() => unknown)[] = []

  beforeAll(async () => {
    members = await startMembers(1)
  })
  afterAll(() => members.stop())
  beforeEach(() => {
    keys = new Keys(`/election${places++}/`)
    etcd = new Etcd({ endpoints: members.urls })
    ends.push(() => etcd.close())
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    for (const end of ends.splice(0).reverse()) await end()
  })

  /** Has etcd make the next transactions, and loses its answers. */
  function loseAnswers(count: number): void {
    const original = etcd.txn.bind(etcd)
    const spy = vi.spyOn(etcd, 'txn')
    for (let i = 0; i < count; i++) {
      spy.mockImplementationOnce(async (request) => {
        await original(request)
        throw new EtcdError('no answer in time', DEADLINE_EXCEEDED, false)
      })
    }
  }

  function newMemberships(): Memberships {
    const memberships = new Memberships({
      ...{ etcd, keys, logger: pino({ level: 'silent' }) },
      // No log has been opened.
      isSameLog: isAbsent(keys.id),
      info: () => INFO,
      onLost: () => {},
    })
    ends.push(() => memberships.close())
    return memberships
  }

  const holder = async (): Promise<string | undefined> =>
    (await etcd.range({ key: keys.elected })).kvs[0]?.value.toString()

  test('an election is known when it is asked for again', async () => {
    const [mine, others] = [newMemberships(), newMemberships()]
    const { node } = await mine.join()
    await others.join()
    const election = new Election(etcd, keys, () => mine.current)
    const other = new Election(etcd, keys, () => others.current)
    loseAnswers(1)
    expect(await election.stand()).toBe(false)
    expect(await holder()).toBe(node)
    expect(await other.stand()).toBe(false)
    expect(await election.stand()).toBe(true)
    expect(election.elected?.node).toBe(node)
  })

  test.each([
    ['known', 0],
    ['lost', 1],
  ])('an election that was %s goes over to the next name of the same node', async (_, lost) => {
    const memberships = newMemberships()
    const former = await memberships.join()
    const election = new Election(etcd, keys, () => memberships.current)
    loseAnswers(lost)
    expect(await election.stand()).toBe(lost === 0)
    // The name is lost while its lease lives: this node was told so of a batch.
    memberships.lose(former)
    expect(election.elected).toBe(undefined)
    expect(await election.stand()).toBe(false)
    const present = await memberships.join()
    // The answer to this is lost as well.
    loseAnswers(2)
    await election.stand()
    await election.stand()
    expect(await election.stand()).toBe(true)
    expect(await holder()).toBe(present.node)
    await etcd.revokeLease(former.lease)
    expect(await holder()).toBe(present.node)
    await memberships.close()
    expect(await holder()).toBe(undefined)
  })

  test('an election in doubt is asked for again, and another node may have it', async () => {
    const [mine, others] = [newMemberships(), newMemberships()]
    await mine.join()
    const { node } = await others.join()
    const election = new Election(etcd, keys, () => mine.current)
    const other = new Election(etcd, keys, () => others.current)
    expect(await election.stand()).toBe(true)
    election.doubt()
    expect(election.elected).toBe(undefined)
    expect(await election.stand()).toBe(true)
    // Somebody has removed the key.
    await etcd.txn({ compare: [], success: [{ request_delete_range: { key: keys.elected } }] })
    expect(await other.stand()).toBe(true)
    election.doubt()
    expect(await election.stand()).toBe(false)
    expect(await holder()).toBe(node)
  })

  test('many names that are lost are not all kept, and the last ones are known', async () => {
    let membership: Membership | undefined
    const election = new Election(etcd, keys, () => membership)
    const lease = 4711
    await etcd.grantLease(lease, 60)
    for (let i = 0; i < 50; i++) {
      membership = { node: `n${i}`, lease, revision: 1 }
      loseAnswers(1)
      expect(await election.stand()).toBe(false)
    }
    // The key has the first name still, whose lease would have run out long before.
    expect(await election.stand()).toBe(false)
    await etcd.revokeLease(lease)
    await etcd.grantLease(lease, 60)
    loseAnswers(1)
    expect(await election.stand()).toBe(false)
    membership = { node: 'last', lease, revision: 1 }
    expect(await election.stand()).toBe(true)
  })

  test('a node that joins is in the list once', async () => {
    const memberships = newMemberships()
    loseAnswers(3)
    const { node, revision } = await memberships.join()
    const { kvs } = await etcd.range(keys.nodes)
    expect(kvs.map(({ key }) => keys.nodeOf(key))).toEqual([node])
    expect(kvs[0].create_revision).toBe(revision)
    const batches = await etcd.range(keys.log)
    expect(batches.kvs.map(({ key }) => keys.batchOf(key))).toEqual([{ node, number: 0 }])
  })

  test('a node whose lease runs out while it joins takes another name', async () => {
    const memberships = newMemberships()
    const original = etcd.txn.bind(etcd)
    const refused: string[] = []
    vi.spyOn(etcd, 'txn').mockImplementationOnce(async (request) => {
      const lease = request.success[0].request_put?.lease ?? 0
      await etcd.revokeLease(lease)
      return original(request).catch((error: Error) => {
        refused.push(error.message)
        throw error
      })
    })
    const { node } = await memberships.join()
    expect(refused).toEqual(['etcdserver: requested lease not found'])
    const { kvs } = await etcd.range(keys.nodes)
    expect(kvs.map(({ key }) => keys.nodeOf(key))).toEqual([node])
  })

  test('a node joins when etcd has time for it', async () => {
    const memberships = newMemberships()
    const answers = [
      new EtcdError('etcdserver: too many requests', RESOURCE_EXHAUSTED, true),
      new EtcdError('etcdserver: request timed out', UNAVAILABLE, false),
    ]
    for (const method of ['grantLease', 'txn'] as const) {
      const spy = vi.spyOn(etcd, method)
      for (const answer of answers) spy.mockRejectedValueOnce(answer)
    }
    const { node } = await memberships.join()
    const { kvs } = await etcd.range(keys.nodes)
    expect(kvs.map(({ key }) => keys.nodeOf(key))).toEqual([node])
  })

  test.each([
    ['answered', false],
    ['lost', true],
  ])('a node that ends while it joins is not in the list, its name %s', async (_, isLost) => {
    const memberships = newMemberships()
    const original = etcd.txn.bind(etcd)
    let closing = Promise.resolve()
    vi.spyOn(etcd, 'txn').mockImplementationOnce(async (request) => {
      const answer = await original(request)
      closing = memberships.close()
      if (isLost) throw new EtcdError('no answer in time', DEADLINE_EXCEEDED, false)
      return answer
    })
    const leases = vi.spyOn(etcd, 'grantLease')
    await expect(memberships.join()).rejects.toThrow('this node is closed')
    await closing
    expect(memberships.current).toBe(undefined)
    await expect(memberships.join()).rejects.toThrow('this node is closed')
    expect(leases).toHaveBeenCalledTimes(1)
    expect((await etcd.range(keys.nodes)).kvs).toEqual([])
  })
})
