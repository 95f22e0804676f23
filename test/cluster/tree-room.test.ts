import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { Store } from '../../src/store/store.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Group, startGroup } from './group.ts'
import { type Members, startMembers } from './members.ts'
import { expectSameState } from './same-state.ts'

/** Requests that take more than 86,000 bytes are long, and the tree may grow by ten nodes until they run. */
const HEAP_LIMIT = 64 * 86_000
const GROWN = /^(EXECABORT .* because of: |ERR )others have made the tree much larger meanwhile/

vi.mock(import('../../src/cluster/request-sizes.ts'), async (original) => {
  const { requestSizes } = await original()
  return { requestSizes: (find, store) => requestSizes(find, store, HEAP_LIMIT) }
})

describeWithPeer('etcd', 'a long write in a group', () => {
  let members: Members
  let group: Group
  let clients: Redis[]

  beforeAll(async () => {
    members = await startMembers(1)
    group = await startGroup({ on: members, nodes: 2 })
    clients = [0, 1].map((i) => group.client(i))
  })
  afterEach(async () => {
    const state = await expectSameState(clients)
    // What a node has read from a state counts as many nodes as the one that made it.
    const counts = group.nodes.map(({ store }) => store.nodes)
    const read = new Store()
    read.recovery(state)
    expect([...counts, read.nodes]).toEqual(Array(3).fill(counts[0]))
  })
  afterAll(async () => {
    await group.stop()
    await members.stop()
  })

  const keysOf = (at: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => [`${at}/${i}/a/b/c`, 'x']).flat()

  /** Writes of a client, which together make many nodes. */
  const writes: [string, (client: Redis, at: string, state: string) => Promise<unknown>][] = [
    ['MSET', (client, at) => client.mset(...keysOf(at, 60))],
    ['MSETNX', (client, at) => client.msetnx(...keysOf(at, 60))],
    ['KRECOVER', (client, _, state) => client.call('KRECOVER', state)],
    ['EXEC', (client, at) => transactionOf(client, at)],
    ['EXEC of SETRANGE', (client, at) => growing(client, at)],
    ['EXEC with WATCH', (client, at) => client.watch('w').then(() => transactionOf(client, at))],
  ]

  async function transactionOf(client: Redis, at: string): Promise<unknown> {
    const transaction = client.multi()
    for (let i = 0; i < 60; i++) transaction.set(`${at}/${i}/a/b/c`, 'x')
    return await transaction.exec()
  }

  /** Makes each value nearly as long as one that lies outside of the heap. */
  async function growing(client: Redis, at: string): Promise<unknown> {
    const transaction = client.multi()
    for (let i = 0; i < 15; i++) transaction.setrange(`${at}/${i}/a/b/c`, 8190, 'x')
    return await transaction.exec()
  }

  test.each(writes)(
    '(%s) does nothing, at all nodes alike, if others have made the tree much larger meanwhile',
    async (_, write) => {
      const [client, other] = clients
      await client.mset(...keysOf('saved', 120))
      const state = (await client.call('KSAVE')) as string
      let refused = 0
      for (let round = 0; round < 100 && refused < 3; round++) {
        await client.flushall()
        await other.call('KSYNC')
        const outcomes = await Promise.all([
          settled(write(client, 'one', state)),
          settled(write(other, 'two', state)),
        ])
        const errors = outcomes.filter((outcome) => outcome instanceof Error)
        for (const { message } of errors) expect(message).toMatch(GROWN)
        expect(errors.length).toBeLessThan(2)
        refused += errors.length
        await Promise.all(clients.map((each) => each.call('KSYNC')))
        if (!(await client.exists('saved/0/a/b/c'))) {
          const places = clients.map((each) => each.exists('one/0/a/b/c', 'two/0/a/b/c'))
          expect(await Promise.all(places)).toEqual(Array(2).fill(2 - errors.length))
        }
        // Later there is room as it is judged.
        expect(await settled(write(client, 'three', state))).not.toBeInstanceOf(Error)
      }
      expect(refused).toBe(3)
    },
  )

  test('is made if others have made the tree a little larger, and short ones whatever they do', async () => {
    const [client, other] = clients
    for (let round = 0; round < 20; round++) {
      await client.flushall()
      await other.call('KSYNC')
      await Promise.all([client.mset(...keysOf('one', 60)), other.set('a/b/c/d', 'x')])
      const sets = Array.from({ length: 20 }, (_, i) => other.set(`two/${i}/a`, 'x'))
      await Promise.all([client.set('three/a/b', 'x'), ...sets])
    }
  })
})

/** What comes of a request, an error too. */
function settled(reply: Promise<unknown>): Promise<unknown> {
  return reply.catch((error: unknown) => error)
}
