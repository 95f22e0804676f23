import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Group, startGroup } from './group.ts'
import { type Members, startMembers } from './members.ts'
import { expectSameState } from './same-state.ts'

const SHORT = 'x'.repeat(30_000)
const LONG = 'x'.repeat(300_000)
const CHANGED = /^ERR the value to copy has changed meanwhile/

type Request = [name: string, ...args: string[]]

/** As the client wants them that sends the requests of a pipeline. */
function lowerCase(requests: readonly Request[]): Request[] {
  return requests.map(([name, ...args]) => [name.toLowerCase(), ...args])
}

describeWithPeer('etcd', 'COPY in a group', () => {
  let members: Members
  let group: Group
  let clients: Redis[]

  beforeAll(async () => {
    members = await startMembers(1)
    group = await startGroup({ on: members, nodes: 2 })
    clients = [0, 1].map((i) => group.client(i))
  })
  afterEach(async () => {
    await expectSameState(clients)
    await clients[0].flushall()
    await clients[1].call('KSYNC')
  })
  afterAll(async () => {
    await group.stop()
    await members.stop()
  })

  /** Ways in which one client brings a long value to the key `from`, which it copies then. */
  const ways: [string, Request[]][] = [
    ['sets it', [['SET', 'from', LONG]]],
    [
      'moves it there',
      [
        ['SET', 'long', LONG],
        ['RENAME', 'long', 'from'],
      ],
    ],
    ['moves a file there that stands', [['RENAME', 'stands', 'from']]],
    [
      'moves its directory',
      [
        ['DEL', 'from'],
        ['RENAME', 'dir', 'from'],
      ],
    ],
    ['copies it there', [['COPY', 'stands', 'from', 'REPLACE']]],
    ['appends to it', [['APPEND', 'from', LONG]]],
    ['fills it', [['SETRANGE', 'from', '300000', 'x']]],
  ]

  test.each(ways)('is made when its own client %s before, in one pipeline', async (_, before) => {
    const copy = await prepare(before)
    const replies = await clients[0].pipeline(lowerCase([...before, ...copy])).exec()
    expect(replies?.map(([error]) => error)).toEqual(Array(before.length + 3).fill(null))
    expect(await clients[0].strlen('copy2')).toBeGreaterThanOrEqual(LONG.length)
  })

  test.each(ways)('is made when the same EXEC %s before', async (_, before) => {
    const copy = await prepare(before)
    const transaction = clients[0].multi()
    for (const [name, ...args] of [...before, ...copy]) transaction.call(name, ...args)
    const replies = await transaction.exec()
    expect(replies?.map(([error]) => error)).toEqual(Array(before.length + 3).fill(null))
    expect(await clients[0].strlen('copy2')).toBeGreaterThanOrEqual(LONG.length)
  })

  /** @returns three requests that copy what stands at the key then */
  async function prepare(before: readonly Request[]): Promise<Request[]> {
    const [client] = clients
    await client.mset({ from: 'x', stands: LONG, 'dir/file': LONG })
    const from = before.some(([, key]) => key === 'dir') ? 'from/file' : 'from'
    return [0, 1, 2].map((i): Request => ['COPY', from, `copy${i}`])
  }

  test.each([
    ['alone', false],
    ['in an EXEC', true],
  ])(
    '%s is refused by all nodes alike if others have written a longer value meanwhile',
    async (_, inExec) => {
      const [client, other] = clients
      let refused = 0
      for (let round = 0; round < 100 && refused < 3; round++) {
        await client.mset({ from: SHORT, to: '' })
        await other.call('KSYNC')
        const copies = inExec
          ? client.multi().copy('from', 'to', 'REPLACE').incr('done').exec()
          : client.copy('from', 'to', 'REPLACE')
        const [, outcome] = await Promise.all([
          other.set('from', LONG),
          copies
            .then((replies) => (Array.isArray(replies) ? replies[0][0] : undefined))
            .catch((error: unknown) => error),
        ])
        if (outcome instanceof Error) {
          expect(outcome.message).toMatch(CHANGED)
          refused++
        }
        // What is copied is no longer than what was counted.
        expect(await client.strlen('to')).toBe(outcome instanceof Error ? 0 : SHORT.length)
        await other.call('KSYNC')
      }
      expect(refused).toBe(3)
      expect(await client.copy('from', 'to', 'REPLACE')).toBe(1)
    },
  )

  test('is made if others have written one that is not much longer', async () => {
    const [client, other] = clients
    for (let round = 0; round < 20; round++) {
      await client.set('from', 'x')
      await other.call('KSYNC')
      const copies = client.copy('from', 'to', 'REPLACE')
      expect(await Promise.all([copies, other.set('from', 'x'.repeat(64 * 1024))])).toEqual([
        1,
        'OK',
      ])
      await other.call('KSYNC')
    }
  })
})
