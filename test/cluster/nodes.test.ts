import { connect } from 'node:net'
import type { ChainableCommander, Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../conformance/peers.ts'
import { SeededRandom } from '../persistence/seeded-random.ts'
import { type Group, startGroup } from './group.ts'

/** How often a watcher goes to another node. */
const MOVES = 500

/** The indexes of the first events that a watcher with a connection of its own is shown. */
function eventsSince(port: number, since: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    let told = ''
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`SUBSCRIBE /moving?recursive=true&since=${since}\r\n`),
    )
    socket.on('error', reject)
    socket.on('data', (chunk) => {
      told += chunk.toString('latin1')
      const events = [...told.matchAll(/"modifiedIndex":(\d+),"createdIndex":\d+\}/g)]
      if (events.length === 0) return
      socket.destroy()
      resolve(events.map(([, index]) => Number(index)))
    })
  })
}

describeWithPeer('etcd', 'three nodes over three members', () => {
  let group: Group
  let clients: Redis[]

  beforeAll(async () => {
    group = await startGroup()
    clients = [0, 1, 2].map((i) => group.client(i))
  })
  afterAll(() => group.stop())

  /** Resolves when all nodes have all that was written before. */
  const synced = (): Promise<unknown> => Promise.all(clients.map((client) => client.call('KSYNC')))

  async function expectSameStates(): Promise<void> {
    await synced()
    const [first, ...others] = await Promise.all(
      clients.map(async (client) => String(await client.call('KSAVE'))),
    )
    for (const other of others) expect(other).toBe(first)
  }

  test('have what was written through any of them', async () => {
    const [a, b, c] = clients
    await a.call('KSET', '/a', '1')
    expect(await b.set('b', '2')).toBe('OK')
    await c.call('KSYNC')
    expect(await c.get('a')).toBe('1')
    expect(await c.get('b')).toBe('2')
    await expectSameStates()
  })

  test('disconnect who waits for an event when KRECOVER sets the index back', async () => {
    const [a, b] = clients
    const state = (await a.call('KSAVE')) as string
    await a.call('KSET', '/waited', '1')
    await b.call('KSYNC')
    const ends = [group.client(1), group.client(0)].map((waiting) =>
      expect(waiting.call('KWAIT', '/waited')).rejects.toThrow(/closed/),
    )
    // They wait when they are listed so.
    for (const client of [a, b]) while (!/cmd=kwait/.test((await client.client('LIST')) as string));
    await a.call('KRECOVER', state)
    await Promise.all(ends)
    await expectSameStates()
  })

  test('have fewer patterns that name nothing than a single process', async () => {
    const [client] = clients
    const listeners = [group.client(0), group.client(0)]
    const patterns = Array.from({ length: 100 }, (_, i) => `/*[${i}a]?`)
    await listeners[0].psubscribe(...patterns)
    await expect(listeners[1].psubscribe('/*[xy]')).rejects.toThrow(/100 of all/)
    for (const listener of listeners) listener.disconnect()
    expect(await client.ping()).toBe('PONG')
  })

  test('serve a pipeline in order, reads between its writes included', async () => {
    const [a] = clients
    const pipeline: ChainableCommander = a.pipeline()
    for (let i = 0; i < 200; i++) pipeline.set('p', String(i)).incr('count').get('p')
    const replies = (await pipeline.exec()) ?? []
    expect(replies.map(([error]) => error).filter((error) => error !== null)).toEqual([])
    for (let i = 0; i < 200; i++) {
      expect(replies.slice(i * 3, i * 3 + 3).map(([, reply]) => reply)).toEqual([
        'OK',
        i + 1,
        String(i),
      ])
    }
  })

  test('refuse a request after the replies to those before it', async () => {
    const [a] = clients
    const pipeline: ChainableCommander = a.pipeline()
    for (let i = 0; i < 20; i++) pipeline.set('q', String(i)).call('GET').call('NOPE')
    const replies = (await pipeline.exec()) ?? []
    for (let i = 0; i < 20; i++) {
      expect(replies[3 * i]).toEqual([null, 'OK'])
      expect(String(replies[3 * i + 1][0])).toContain('wrong number of arguments')
      expect(String(replies[3 * i + 2][0])).toContain('unknown command')
    }
  })

  test('reply to a client that has half-closed', async () => {
    const port = group.nodes[0].port ?? 0
    const ask = (requests: string): Promise<string> =>
      new Promise((resolve, reject) => {
        let replies = ''
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () =>
          socket.end(requests),
        )
        socket.on('data', (chunk) => {
          replies += chunk.toString()
        })
        socket.on('error', reject)
        socket.on('close', () => resolve(replies))
      })
    expect(await ask('SET h 1\r\n')).toBe('+OK\r\n')
    expect(await ask('SET h 1\r\n*x\r\n')).toBe(
      '+OK\r\n-ERR Protocol error: invalid multibulk length\r\n',
    )
    expect(await ask('INCR h\r\nINCR h\r\nGET h\r\n')).toBe(':2\r\n:3\r\n$1\r\n3\r\n')
    expect(await ask('MULTI\r\nINCR h\r\nEXEC\r\nINCR h\r\n')).toBe(
      '+OK\r\n+QUEUED\r\n*1\r\n:4\r\n:5\r\n',
    )
    expect(await ask('INCR h\r\nKSYNC\r\nINCR h\r\n*x\r\n')).toMatch(
      /^:6\r\n:\d+\r\n:7\r\n-ERR Protocol error: [^\r]*\r\n$/,
    )
    expect(await ask('KNODES\r\nINCR h\r\n')).toMatch(/^\*3\r\n[\s\S]*:8\r\n$/)
    // Such an index may never come.
    expect(await ask('KSYNC INDEX 1000000000\r\nINCR h\r\n')).toBe('')
  })

  test('have the same state and the same events after writes of many clients', async () => {
    const random = new SeededRandom(7)
    const told: string[][] = [[], [], []]
    const watchers = group.nodes.map((_, i) => group.client(i))
    for (const [i, watcher] of watchers.entries()) {
      watcher.on('message', (_, message) => told[i].push(message))
      await watcher.subscribe('/?recursive=true')
    }
    const writers = Array.from({ length: 9 }, (_, i) => group.client(i % 3))
    await Promise.all(
      writers.map(async (client) => {
        for (let i = 0; i < 60; i++) {
          const [name, ...args] = randomWrite(random)
          await client.call(name, ...args).catch(() => {})
        }
      }),
    )
    await clients[0].set('last', 'event')
    await expectSameStates()
    await Promise.all(
      watchers.map(async (watcher, i) => {
        while (!told[i].some((message) => message.includes('"/last"'))) {
          await new Promise((resolve) => watcher.once('message', resolve))
        }
      }),
    )
    // What expires later may be shown at some nodes already.
    const shown = told.map((all) =>
      all.slice(0, all.findIndex((one) => one.includes('"/last"')) + 1),
    )
    expect(shown[0].length).toBeGreaterThan(100)
    expect(shown[1]).toEqual(shown[0])
    expect(shown[2]).toEqual(shown[0])
  })

  test('show each event once to a watcher that goes from node to node', async () => {
    const writers = [0, 1, 2].map((i) => group.client(i))
    const written: Promise<unknown>[] = []
    const start = Number(await clients[0].call('KSYNC'))
    const seen: number[] = []
    for (let move = 0; move < MOVES; move++) {
      const since = (seen.at(-1) ?? start) + 1
      for (const writer of writers) written.push(writer.call('KCREATE', '/moving', 'x', 'UNIQUE'))
      const told = await eventsSince(group.nodes[move % 3].port ?? 0, since)
      expect(told[0]).toBeGreaterThanOrEqual(since)
      seen.push(...told)
    }
    await Promise.all(written)
    // Nobody else writes, so that each index is an event of these.
    expect(seen).toEqual(seen.map((_, i) => seen[0] + i))
    expect(seen.length).toBeGreaterThanOrEqual(MOVES)
  })

  test('run an EXEC as a whole, and refuse one whose key another node has changed', async () => {
    const [a, b] = clients
    await a.mset('x', '1', 'y', '1')
    expect(await a.multi().incr('x').get('y').incr('x').exec()).toEqual([
      [null, 2],
      [null, '1'],
      [null, 3],
    ])
    await a.watch('x')
    await b.set('x', '10')
    await a.call('KSYNC')
    expect(await a.multi().set('x', 'never').exec()).toBe(null)
    await a.watch('x')
    expect(await a.multi().set('x', '11').exec()).toEqual([[null, 'OK']])
    await expectSameStates()
  })

  test('count as one where many add to a counter under WATCH', async () => {
    await clients[0].set('total', '0')
    const adders = [0, 1, 2].map((i) => group.client(i))
    await Promise.all(
      adders.map(async (client) => {
        for (let done = 0; done < 10; ) {
          await client.watch('total')
          const total = Number(await client.get('total'))
          const replies = await client
            .multi()
            .set('total', String(total + 1))
            .exec()
          if (replies !== null) done++
        }
      }),
    )
    await synced()
    expect(await clients[1].get('total')).toBe('30')
  })

  test('bring a message to the subscribers of all nodes', async () => {
    const subscribers = clients.map((_, i) => group.client(i))
    const heard = subscribers.map(
      (subscriber) =>
        new Promise((resolve) => subscriber.on('message', (_, message) => resolve(message))),
    )
    await Promise.all(subscribers.map((subscriber) => subscriber.subscribe('news')))
    await clients[0].publish('news', 'x')
    expect(await Promise.all(heard)).toEqual(['x', 'x', 'x'])
  })

  test('are joined by one that reads the whole log', async () => {
    await group.add()
    clients.push(group.client(3))
    await expectSameStates()
    await clients[3].set('from', 'the fourth')
    await expectSameStates()
  })

  test('list each other', async () => {
    const nodes = (await clients[0].call('KNODES')) as string[][]
    expect(nodes).toHaveLength(group.nodes.length)
    expect(nodes.filter((node) => node.includes(`127.0.0.1:${group.nodes[1].port}`))).toHaveLength(
      1,
    )
  })
})

function randomWrite(random: SeededRandom): string[] {
  const pick = <T>(from: readonly T[]): T => from[random.between(0, from.length - 1)]
  const path = (): string => pick(['a', 'a/b', 'a/c', 'd', 'd/e/f', '_h', 'g'])
  const value = (): string => pick(['1', '2', 'x'.repeat(50), 'y'.repeat(20_000)])
  return pick<() => string[]>([
    () => ['KSET', path(), value()],
    () => ['KCREATE', path(), value()],
    () => ['KCREATE', 'queue', value(), 'UNIQUE'],
    () => ['KCAS', path(), value(), 'PREVVALUE', '1'],
    () => ['KDEL', path(), 'RECURSIVE'],
    () => ['SET', path(), value(), 'PX', '20'],
    () => ['INCR', path()],
    () => ['APPEND', path(), 'z'],
    () => ['RENAME', path(), path()],
    () => ['MSET', path(), value(), path(), value()],
    () => ['DEL', path(), path()],
    () => ['PEXPIRE', path(), '15'],
    () => ['KMKDIR', path(), 'PX', '30'],
  ])()
}
