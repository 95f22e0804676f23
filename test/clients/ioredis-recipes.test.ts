import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { fromFlat } from './flat-reply.ts'
import { type IoRedis, ioRedisKinds, useIoRedis } from './ioredis-clients.ts'
import { useServer } from './ktree.ts'

interface Node {
  key: string
  value: string
  createdIndex: number
  nodes?: Node[]
}

const nodeOf = (reply: unknown): Node => fromFlat(reply).node as Node

/** Takes a lock for some seconds. @returns false if another client holds it */
async function lock(client: IoRedis, path: string, owner: string, seconds: number) {
  try {
    await client.call('KCREATE', path, owner, 'EX', seconds)
    return true
  } catch (error) {
    if ((error as Error).message.startsWith('NODEEXIST 105')) return false
    throw error
  }
}

describe.each(ioRedisKinds)('recipes with $title', (kind) => {
  const clock = new ManualClock()
  const ktree = useServer({ clock })
  const connect = useIoRedis(kind, () => ktree.port)

  test('a lock with a TTL is taken, held, extended, and released only by its owner', async () => {
    const [anna, ben] = [connect(), connect()]
    expect(await lock(anna, '/locks/db', 'anna', 10)).toBe(true)
    expect(await lock(ben, '/locks/db', 'ben', 10)).toBe(false)
    clock.advance(9_000)
    await anna.call('KCAS', '/locks/db', 'anna', 'PREVVALUE', 'anna', 'EX', 10)
    clock.advance(9_000)
    expect(await lock(ben, '/locks/db', 'ben', 10)).toBe(false)
    await expect(ben.call('KCAD', '/locks/db', 'PREVVALUE', 'ben')).rejects.toThrow(
      /^TESTFAILED 101 /,
    )
    await anna.call('KCAD', '/locks/db', 'PREVVALUE', 'anna')
    expect(await lock(ben, '/locks/db', 'ben', 10)).toBe(true)
  })

  test('a client that waits for a lock sees when its TTL has run out', async () => {
    const [anna, ben] = [connect(), connect()]
    await lock(anna, '/locks/db', 'anna', 10)
    const waiting = ben.call('KWAIT', '/locks/db', 'SINCE', 2)
    await expect.poll(() => ktree.server.store.statsMap().watchers).toBe(1)
    clock.advance(10_000)
    expect(fromFlat(await waiting)).toMatchObject({ action: 'expire', prevNode: { value: 'anna' } })
    expect(await lock(ben, '/locks/db', 'ben', 10)).toBe(true)
    // Its former owner cannot release it any more.
    await expect(anna.call('KCAD', '/locks/db', 'PREVVALUE', 'anna')).rejects.toThrow(/^TESTFAILED/)
  })

  test('of many clients that want a lock at once, one gets it', async () => {
    const clients = Array.from({ length: 10 }, () => connect())
    const taken = await Promise.all(clients.map((client, i) => lock(client, '/l', `${i}`, 10)))
    expect(taken.filter(Boolean).length).toBe(1)
  })

  test('an election: the oldest candidate leads, and the next one when its TTL runs out', async () => {
    const leader = async (client: IoRedis): Promise<string | undefined> =>
      nodeOf(await client.call('KGET', '/election', 'SORTED')).nodes?.[0]?.value
    const [anna, ben] = [connect(), connect()]
    const own = nodeOf(await anna.call('KCREATE', '/election', 'anna', 'UNIQUE', 'EX', 10))
    await ben.call('KCREATE', '/election', 'ben', 'UNIQUE', 'EX', 60)
    expect(await leader(ben)).toBe('anna')
    const waiting = ben.call('KWAIT', own.key)
    await expect.poll(() => ktree.server.store.statsMap().watchers).toBe(1)
    clock.advance(10_000)
    expect(fromFlat(await waiting)).toMatchObject({ action: 'expire', node: { key: own.key } })
    expect(await leader(ben)).toBe('ben')
  })

  test('a queue: jobs in order, each done by one worker', async () => {
    const producer = connect()
    for (let i = 0; i < 60; i++) await producer.call('KCREATE', '/queue', `job ${i}`, 'UNIQUE')
    const done: string[] = []
    const work = async (worker: IoRedis): Promise<void> => {
      for (;;) {
        const next = nodeOf(await worker.call('KGET', '/queue', 'SORTED')).nodes?.[0]
        if (next === undefined) return
        try {
          await worker.call('KCAD', next.key, 'PREVINDEX', next.createdIndex)
          done.push(next.value)
        } catch (error) {
          // Another worker was faster.
          if (!(error as Error).message.startsWith('KEYNOTFOUND 100')) throw error
        }
      }
    }
    const first = nodeOf(await producer.call('KGET', '/queue', 'SORTED')).nodes?.[0]
    expect(first).toMatchObject({ key: '/queue/00000000000000000001', value: 'job 0' })
    await Promise.all([connect(), connect(), connect()].map(work))
    expect(done.length).toBe(60)
    expect(new Set(done).size).toBe(60)
  })

  test('a configuration: many change one value, no change is lost', async () => {
    await connect().call('KSET', '/counter', '0')
    const add = async (client: IoRedis): Promise<void> => {
      for (let left = 20; left > 0; ) {
        const reply = fromFlat(await client.call('KGET', '/counter')) as {
          node: { value: string; modifiedIndex: number }
        }
        const { value, modifiedIndex } = reply.node
        try {
          await client.call('KCAS', '/counter', Number(value) + 1, 'PREVINDEX', modifiedIndex)
          left--
        } catch (error) {
          if (!(error as Error).message.startsWith('TESTFAILED 101')) throw error
        }
      }
    }
    const clients = Array.from({ length: 4 }, () => connect())
    await Promise.all(clients.map(add))
    expect(nodeOf(await clients[0].call('KGET', '/counter')).value).toBe('80')
  })
})
