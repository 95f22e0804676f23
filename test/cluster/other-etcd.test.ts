import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { agreedCluster, type Endpoints } from '../../src/cluster/etcd/agreed-cluster.ts'
import { ClusterIdentity } from '../../src/cluster/etcd/cluster-identity.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { Link } from './checker/link.ts'
import { type Group, startGroup } from './group.ts'
import { ask, base64, type Members, startMembers } from './members.ts'

const portOf = (url: string): number => Number(new URL(url).port)

describeWithPeer('etcd', 'a member that has come back as a cluster of its own', () => {
  let members: Members
  let foreign: Members
  /** Lead to two members of the group's etcd. */
  let links: readonly Link[]
  let group: Group
  let lines: string[]
  let dir: string

  beforeEach(async () => {
    members = await startMembers(3)
    foreign = await startMembers(1)
    links = await Promise.all(members.urls.slice(0, 2).map((url) => Link.to(portOf(url))))
    group = await startGroup({ on: members, nodes: 0 })
    lines = []
    dir = mkdtempSync(join(tmpdir(), 'ktree-other-etcd-'))
  })
  afterEach(async () => {
    for (const link of links) link.mend()
    await group.stop()
    for (const link of links) await link.close()
    await members.stop()
    await foreign.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const logger = () => pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) })
  const ways = (): readonly string[] => links.map(({ port }) => `http://127.0.0.1:${port}`)

  async function keysIn(url: string): Promise<number> {
    const { count = '0' } = await ask(url, 'kv/range', {
      key: base64('\0'),
      range_end: base64('\0'),
    })
    return Number(count)
  }

  test('is left out by a node that comes to it while the others do not answer', async () => {
    const endpoints = [...ways(), foreign.urls[0]]
    const node = await group.add({ logger: logger(), directives: { 'etcd-endpoints': endpoints } })
    const client = group.client(node)
    await client.set('a', '1')
    for (const link of links) link.cut()
    while (!lines.join().includes('is of another cluster of etcd')) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    for (const link of links) link.mend()
    while ((await client.set('a', '2').catch(() => '')) !== 'OK') {}
    expect(node.isBroken).toBe(false)
    expect(await group.client(await group.add()).get('a')).toBe('2')
    expect(await keysIn(foreign.urls[0])).toBe(0)
  })

  test('gets no log of a node that starts, also if it answers first', async () => {
    await group.client(await group.add()).set('a', '1')
    const endpoints = [foreign.urls[0], ...ways()]
    const node = await group.add({ logger: logger(), directives: { 'etcd-endpoints': endpoints } })
    expect(await group.client(node).get('a')).toBe('1')
    expect(lines.join()).toContain(`${foreign.urls[0]} is of another cluster of etcd`)
    expect(await keysIn(foreign.urls[0])).toBe(0)
  })

  test('is waited for where as many endpoints are of it as of the other', async () => {
    const endpoints = [foreign.urls[0], ways()[0]]
    const starting = group.add({ logger: logger(), directives: { 'etcd-endpoints': endpoints } })
    while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(lines[0]).toContain(`waiting until they agree (${foreign.urls[0]}; ${ways()[0]})`)
    expect((await keysIn(foreign.urls[0])) + (await keysIn(members.urls[0]))).toBe(0)
    await foreign.members[0].kill()
    await starting
    expect(await keysIn(members.urls[0])).toBeGreaterThan(0)
  })

  test('is not served by a node with a copy, which is not to be removed for it', async () => {
    const first = await group.add({ directives: { dir } })
    await group.client(first).set('a', '1')
    await first.close()
    const alone = { dir, 'etcd-endpoints': [foreign.urls[0]] }
    await expect(group.add({ directives: alone })).rejects.toThrow(
      /node-copy is a copy of a log in another cluster of etcd: .* keep the file/,
    )
    expect(await keysIn(foreign.urls[0])).toBe(0)
    // It knows which of the two it has served.
    const both = { dir, 'etcd-endpoints': [foreign.urls[0], ways()[0]] }
    const again = await group.add({ directives: both })
    expect(await group.client(again).get('a')).toBe('1')
  })
})

/** Endpoints that answer, one word a round: a cluster, 0, or undefined. */
function endpointsOf(...rounds: (number | undefined)[][]): Endpoints & { told: string[] } {
  const asked = rounds[0].map(() => 0)
  const told: string[] = []
  return {
    urls: rounds[0].map((_, i) => `e${i}`),
    ask: async (i) => rounds[Math.min(asked[i]++, rounds.length - 1)][i],
    isClosed: () => told.length > 0,
    warn: (what) => void told.push(what),
    told,
  }
}

test.each([
  ['most of all have', [[1, 2, 2]], undefined, 2],
  ['the only one that answers has', [[undefined, 2, undefined]], undefined, 2],
  ['the rest has, if the node knows it', [[undefined, 2]], 2, 2],
  [
    'most have when another one answers',
    [
      [1, undefined, 2],
      [1, 2, 2],
    ],
    undefined,
    2,
  ],
  ['most of those have that answer', [[1, 2, 2, undefined, undefined]], undefined, 2],
  ['the node knows, of as many', [[1, 2, undefined]], 2, 2],
  ['none tells', [[0, undefined]], undefined, undefined],
])('the cluster is served that %s', async (_, rounds, known, id) => {
  const endpoints = endpointsOf(...rounds)
  expect((await agreedCluster(endpoints, known)).id).toBe(id)
  expect(endpoints.told).toEqual([])
})

test('the node waits for endpoints of as many clusters, and says which', async () => {
  const endpoints = endpointsOf([1, 2, undefined, 2, 1])
  await agreedCluster(endpoints, 3)
  expect(endpoints.told).toEqual([expect.stringContaining('(e0 and e4; e1 and e3)')])
})

test('a member of another cluster is left out, unless all members are of it', () => {
  const left: string[] = []
  const identity = new ClusterIdentity(['e0', 'e1', 'e2'], (url) => left.push(url))
  expect(identity.hear(0, 7)).toBe(true)
  expect([identity.needsCheck(0), identity.needsCheck(1)]).toEqual([false, true])
  identity.doubt(0)
  expect(identity.needsCheck(0)).toBe(true)
  expect([identity.hear(1, 8), identity.hear(1, 8)]).toEqual([false, false])
  expect([identity.after(0), identity.after(2), left]).toEqual([2, 0, ['e1']])
  // When it is tried again, it has to tell its cluster first.
  expect(identity.needsCheck(1)).toBe(true)
  expect([identity.hear(2, 7), identity.hear(0, 8)]).toEqual([true, false])
  expect(identity.isReplaced).toBe(false)
  expect([identity.hear(2, 8), identity.isReplaced, identity.id]).toEqual([true, true, 8])
  expect(identity.hear(0, 8)).toBe(true)
})
