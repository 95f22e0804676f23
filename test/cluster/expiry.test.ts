import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Group, startGroup } from './group.ts'
import { type Members, startMembers } from './members.ts'

const HOUR_MS = 3_600_000

describeWithPeer('etcd', 'expiry in a group', () => {
  let members: Members
  let group: Group | undefined

  beforeAll(async () => {
    members = await startMembers(1)
  })
  afterEach(async () => {
    await group?.stop()
  })
  afterAll(() => members.stop())

  const stateOf = async (client: Redis): Promise<string> => {
    await client.call('KSYNC')
    return String(await client.call('KSAVE'))
  }

  /** The events of a client's node that a watcher of everything is shown. */
  async function watched(
    client: Redis,
  ): Promise<{ told: string[]; until(text: string): Promise<void> }> {
    const told: string[] = []
    client.on('message', (_, message) => told.push(message))
    await client.subscribe('/?recursive=true')
    const until = async (text: string): Promise<void> => {
      while (!told.some((message) => message.includes(text))) {
        await new Promise((resolve) => client.once('message', resolve))
      }
    }
    return { told, until }
  }

  test('is at the same index everywhere, also when the node that did it has gone', async () => {
    group = await startGroup({ on: members })
    const clients = [0, 1, 2].map((i) => (group as Group).client(i))
    const watchers = await Promise.all([0, 1, 2].map((i) => watched((group as Group).client(i))))
    await clients[0].call('KSET', '/first', 'x', 'PX', '30')
    for (const { until } of watchers) await until('"expire"')
    expect(watchers[1].told).toEqual(watchers[0].told)
    expect(watchers[2].told).toEqual(watchers[0].told)
    const infos = await Promise.all(clients.map((client) => client.info('cluster')))
    const elected = infos.findIndex((info) => info.includes('group_elected:1'))
    expect(infos.filter((info) => info.includes('group_elected:1'))).toHaveLength(1)
    await group.nodes[elected].close()
    const left = [0, 1, 2].filter((i) => i !== elected)
    await clients[left[0]].call('KSET', '/second', 'x', 'PX', '30')
    for (const i of left) await watchers[i].until('"action":"expire","node":{"key":"/second"')
    expect(watchers[left[0]].told).toEqual(watchers[left[1]].told)
  })

  test('is not at the own clock of a node', async () => {
    group = await startGroup({ on: members, nodes: 0 })
    const clock = new ManualClock()
    const slow = group.client(await group.add({ clock }))
    await slow.call('KSET', '/elects', 'x', 'PX', '1')
    const { until } = await watched(group.client(0))
    clock.advance(1)
    await until('"expire"')
    const ahead = new ManualClock()
    const fast = group.client(await group.add({ clock: ahead }))
    await slow.call('KSET', '/a', 'x', 'PX', '1000')
    await fast.call('KSYNC')
    ahead.advance(HOUR_MS)
    // What is overdue by a node's own clock is hidden there, and nowhere else until others hear of the time.
    expect(await Promise.all([slow.get('a'), fast.get('a')])).toEqual(['x', null])
    expect(await stateOf(fast)).toBe(await stateOf(slow))
    // The fast node's writes take the log's time along.
    await fast.set('b', 'x')
    await slow.call('KSYNC')
    expect(await slow.get('a')).toBe(null)
    expect(await stateOf(fast)).toBe(await stateOf(slow))
  })

  test('is not brought about by a write of an EXEC that is denied', async () => {
    group = await startGroup({ on: members, nodes: 0 })
    const clock = new ManualClock()
    const elected = group.client(await group.add({ clock }))
    await elected.call('KSET', '/elects', 'x', 'PX', '1')
    const { until } = await watched(group.client(0))
    clock.advance(1)
    await until('"expire"')
    const ahead = new ManualClock(clock.now())
    const client = group.client(await group.add({ clock: ahead }))
    await client.call('ACL', 'SETUSER', 'bob', 'on', 'nopass', '~a', '~b', '+@all')
    const bob = client.duplicate({ username: 'bob', password: 'x' })
    try {
      await bob.call('MULTI')
      await bob.call('KDEL', '/a')
      await bob.call('SET', 'b', 'x')
      // Only now is it a directory, which bob may not delete.
      for (const name of ['x', 'y']) await client.call('KSET', `/a/${name}`, '', 'PX', '10')
      ahead.advance(10)
      expect(await bob.call('EXEC')).toEqual([
        expect.objectContaining({ message: expect.stringMatching(/^NOPERM /) }),
        'OK',
      ])
    } finally {
      bob.disconnect()
    }
    expect(await stateOf(client)).toBe(await stateOf(elected))
  })

  test('a TTL begins at the time of the log', async () => {
    group = await startGroup({ on: members, nodes: 0 })
    const ahead = new ManualClock()
    const behind = new ManualClock(ahead.now() - HOUR_MS)
    const fast = group.client(await group.add({ clock: ahead }))
    const slow = group.client(await group.add({ clock: behind }))
    await fast.call('KSYNC')
    await slow.set('lock', 'x', 'PX', 1000)
    await fast.call('KSYNC')
    expect(await fast.pttl('lock')).toBe(1000)
    expect(await slow.pttl('lock')).toBe(1000)
  })

  test('a node that joins late gives no lock in the past', async () => {
    group = await startGroup({ on: members, nodes: 0 })
    const ahead = new ManualClock()
    const behind = new ManualClock(ahead.now() - HOUR_MS)
    const fast = group.client(await group.add({ clock: ahead }))
    await fast.set('a', 'x')
    // What the log tells of the time is ten seconds old.
    ahead.advance(10_000)
    const slow = group.client(await group.add({ clock: behind }))
    await slow.set('lock', 'x', 'PX', 5000)
    await fast.set('a', 'y')
    await slow.call('KSYNC')
    expect(await fast.pttl('lock')).toBe(5000)
    expect(await slow.pttl('lock')).toBe(5000)
  })

  /** Resolves when a node knows that its machine is so far behind. */
  async function untilBehind(client: Redis, ms: number): Promise<void> {
    while (!(await client.info('cluster')).includes(`group_clock_ahead_ms:${ms}\r`)) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Resolves when nobody has written for so long that each node has looked at its clock more than once. */
  async function untilQuiet(client: Redis): Promise<void> {
    for (let before = ''; ; ) {
      const end = (await client.info('cluster')).match(/group_log_revision:\d+/)?.[0] ?? ''
      if (end === before) return
      before = end
      await new Promise((resolve) => setTimeout(resolve, 1500))
    }
  }

  test('a lock holds although the clock of a node that takes no writes has gone ahead', async () => {
    group = await startGroup({ on: members, nodes: 0 })
    const ahead = new ManualClock()
    const fast = group.client(await group.add({ clock: ahead }))
    const slow = group.client(await group.add({ clock: new ManualClock() }))
    // What a node tells that is asked for its time would tell this, too.
    await untilQuiet(fast)
    ahead.jump(6000)
    await untilBehind(slow, 6000)
    await slow.set('lock', 'x', 'PX', 5000)
    await fast.call('KSYNC')
    expect(await fast.pttl('lock')).toBe(5000)
    // All know it, so nobody writes any more.
    await untilQuiet(fast)
  })

  test('a lock holds that is given by a node whose clocks have stood still', async () => {
    group = await startGroup({ on: members, nodes: 0 })
    const goesOn = new ManualClock()
    const other = group.client(await group.add({ clock: goesOn }))
    const stood = group.client(await group.add({ clock: new ManualClock() }))
    await stood.set('a', 'x')
    await other.call('KSYNC')
    goesOn.advance(6000)
    await untilBehind(stood, 6000)
    await stood.set('lock', 'x', 'PX', 5000)
    await other.call('KSYNC')
    expect(await other.pttl('lock')).toBe(5000)
    expect(await stood.pttl('lock')).toBe(5000)
    expect(await stateOf(stood)).toBe(await stateOf(other))
  })
})
