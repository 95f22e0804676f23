import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { MemoryGauge } from '../../src/metrics/memory-gauge.ts'
import { LongWork, PUT_OFF } from '../../src/request/long-work.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Group, startGroup } from './group.ts'
import { type Members, startMembers } from './members.ts'

describeWithPeer('etcd', 'EXEC in a group', () => {
  let members: Members
  let group: Group
  let clients: Redis[]
  const clock = new ManualClock()

  beforeAll(async () => {
    members = await startMembers(1)
    group = await startGroup({ on: members, nodes: 0 })
    for (let i = 0; i < 3; i++) await group.add({ clock })
    clients = [0, 1, 2].map((i) => group.client(i))
  })
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.call('KSYNC')))
    const states = await Promise.all(clients.map((client) => client.call('KSAVE')))
    expect(states[1]).toBe(states[0])
    expect(states[2]).toBe(states[0])
    await clients[0].flushall()
    await Promise.all(clients.map((client) => client.call('KSYNC')))
  })
  afterAll(async () => {
    await group.stop()
    await members.stop()
  })

  test.each<[string, string, (other: Redis) => Promise<unknown>]>([
    ['sets the key', '/a/b', (other) => other.set('a/b', 'new')],
    ['sets it to what it is', '/a/b', (other) => other.set('a/b', 'old')],
    ['deletes the key', '/a/b', (other) => other.del('a/b')],
    ['deletes and makes it', '/a/b', (other) => other.multi().del('a/b').set('a/b', 'old').exec()],
    ['deletes its directory', '/a/b', (other) => other.call('KDEL', '/a', 'RECURSIVE')],
    ['writes below it', '/a', (other) => other.set('a/c', 'x')],
    ['writes a hidden key below it', '/a', (other) => other.set('a/_c/d', 'x')],
    ['changes its TTL', '/a/b', (other) => other.expire('a/b', 100)],
    ['deletes everything', '/a/b', (other) => other.flushall()],
  ])('does nothing if another node %s before it', async (_, path, change) => {
    const [client, other] = clients
    await client.set('a/b', 'old')
    await other.call('KSYNC')
    await client.watch(path)
    // The other write is in the log first, and this node has perhaps not applied it yet.
    await change(other)
    expect(await client.multi().set('done', 'x').exec()).toBe(null)
    expect(await client.exists('done')).toBe(0)
  })

  test('does nothing at all nodes if a key of 8 KB in UTF-8 changes meanwhile', async () => {
    const key = 'é'.repeat(4500)
    const [client] = clients
    const writer = group.client(0)
    for (let i = 0; i < 20; i++) {
      await client.watch(key)
      // Mostly the EXEC is in the log before this node has applied the SET.
      await Promise.all([writer.set(key, i), client.multi().incr('done').exec()])
    }
  })

  test('a write of another node comes between the moves of directories in a pipeline', async () => {
    const [client, other] = clients
    await client.mset(Array.from({ length: 5000 }, (_, i) => [`d/${i}`, '']).flat())
    const first = Number(await client.call('KINDEX'))
    const moves = client.pipeline()
    for (let i = 0; i < 40; i++) moves.rename(`d${i || ''}`, `d${i + 1}`)
    const all = moves.exec()
    while (Number(await other.call('KINDEX')) <= first) {}
    const reply = JSON.stringify(await other.call('KSET', '/between', 'x'))
    const index = Number(/"modifiedIndex",(\d+)/.exec(reply)?.[1])
    expect((await all)?.every(([error]) => error === null)).toBe(true)
    expect(index).toBeLessThan(Number(await client.call('KINDEX')))
  })

  test('a pipeline of long writes leaves all nodes time for others', async () => {
    const [client, other] = clients
    await client.mset(Array.from({ length: 20_000 }, (_, i) => [`d/${i}`, '']).flat())
    await other.call('KSYNC')
    const moves = client.pipeline()
    for (let i = 0; i < 60; i++) moves.rename(`d${i || ''}`, `d${i + 1}`)
    let isOver = false
    const watching = clients.slice(0, 2).map(async (_, i) => {
      const seen = new Set<unknown>()
      const reader = group.client(i)
      while (!isOver) seen.add(await reader.call('KINDEX'))
      return seen.size
    })
    expect((await moves.exec())?.every(([error]) => error === null)).toBe(true)
    await other.call('KSYNC')
    isOver = true
    for (const seen of await Promise.all(watching)) expect(seen).toBeGreaterThan(8)
  })

  test('ends the moves of a directory after a quarter of a million nodes, at all nodes alike', async () => {
    const [client, other] = clients
    const keys = Array.from({ length: 25_000 }, (_, i) => [`a/${i}`, ''])
    await client.mset(keys.flat())
    const transaction = client.multi()
    for (let i = 0; i < 13; i++)
      transaction.rename(...((i % 2 ? ['b', 'a'] : ['a', 'b']) as [string, string]))
    const outcomes = ((await transaction.exec()) ?? []).map(([error]) => error === null)
    expect(outcomes).toEqual(outcomes.map((_, i) => i < 10))
    await other.call('KSYNC')
    expect(await other.exists('a/7')).toBe(1)
  })

  test.each<[string, (other: Redis) => Promise<unknown>]>([
    ['a key beside it', (other) => other.set('a/c', 'x')],
    ['a key above whose name it begins', (other) => other.set('a/bb', 'x')],
    ['many other keys', (other) => other.mset({ b: '1', c: '2', d: '3' })],
  ])('runs if another node has changed %s', async (_, change) => {
    const [client, other] = clients
    await client.set('a/b', 'old')
    await other.call('KSYNC')
    await client.watch('a/b')
    await change(other)
    expect(await client.multi().set('done', 'x').exec()).toEqual([[null, 'OK']])
  })

  test('does nothing if the key has expired', async () => {
    const [client] = clients
    await client.set('a', 'old', 'PX', 10)
    await client.watch('a')
    clock.advance(10)
    expect(await client.multi().set('done', 'x').exec()).toBe(null)
  })

  test('runs many at once as one after the other, also while others write', async () => {
    const [client] = clients
    await client.set('total', '0')
    let isOver = false
    const noise = clients.map(async (_, i) => {
      const writer = group.client(i)
      while (!isOver) await writer.incr(`noise${i}`)
    })
    const adders = Array.from({ length: 6 }, async (_, i) => {
      const adder = group.client(i % 3)
      for (let done = 0; done < 10; ) {
        await adder.watch('total')
        const total = Number(await adder.get('total'))
        const replies = await adder
          .multi()
          .set('total', total + 1)
          .exec()
        if (replies !== null) done++
      }
    })
    await Promise.all(adders)
    isOver = true
    await Promise.all(noise)
    await client.call('KSYNC')
    expect(await client.get('total')).toBe('60')
  })

  test('of one request expires what is in its way, as that of several', async () => {
    const [client] = clients
    await client.call('KMKDIR', '/d')
    await client.call('KSET', '/d/x', 'x', 'PX', '10')
    await client.call('KSET', '/d/y', 'y', 'PX', '10')
    clock.advance(10)
    await client.multi().del('d/x').exec()
  })

  test('and single writes are refused before they are in the log where memory is short', async () => {
    const [client] = clients
    const state = (await client.call('KSAVE')) as string
    const keys = Array.from({ length: 20_000 }, (_, i) => [`d/${i}`, '']).flat()
    const index = await client.call('KINDEX')
    const full = vi.spyOn(MemoryGauge.prototype, 'heapHasRoomFor').mockReturnValue(false)
    try {
      await expect(client.call('KRECOVER', state)).rejects.toThrow(/^OOM /)
      await expect(client.mset(keys)).rejects.toThrow(/^OOM /)
      const transaction = client.multi()
      transaction.call('KRECOVER', state)
      await expect(transaction.exec()).rejects.toThrow(/OOM /)
    } finally {
      full.mockRestore()
    }
    expect(await client.call('KINDEX')).toBe(index)
  })

  test.each(['session', 'linearizable'])(
    'that only reads waits for a later turn when others have taken long (%s)',
    async (consistency) => {
      const [client] = clients
      await client.config('SET', 'read-consistency', consistency)
      await client.set('a', '1')
      let putOff = 0
      const check = vi.spyOn(LongWork.prototype, 'check').mockImplementation(() => {
        if (putOff++ < 2) throw PUT_OFF
      })
      try {
        expect(await client.multi().get('a').get('b').exec()).toEqual([
          [null, '1'],
          [null, null],
        ])
        expect(putOff).toBe(3)
        // One that writes has its turn in the log.
        putOff = 0
        expect(await client.multi().get('a').set('b', '2').exec()).toEqual([
          [null, '1'],
          [null, 'OK'],
        ])
        expect(putOff).toBe(0)
      } finally {
        check.mockRestore()
        await client.config('SET', 'read-consistency', 'session')
      }
    },
  )

  test('that would make too many directories is refused before it is in the log', async () => {
    const [client] = clients
    const end = async (): Promise<string | undefined> =>
      /group_log_revision:\d+/.exec(await client.info('cluster'))?.[0]
    const before = await end()
    const transaction = client.multi()
    for (let i = 0; i < 60; i++) transaction.set(`${i}${'/x'.repeat(1000)}`, '1')
    await expect(transaction.exec()).rejects.toThrow(/EXECABORT .*too many directories/)
    await client.call('KSYNC')
    expect(await end()).toBe(before)
    // The connection goes on.
    expect(await client.multi().set('a', '1').exec()).toEqual([[null, 'OK']])
  })
})
