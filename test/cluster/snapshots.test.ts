import type { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeWithPeer } from '../conformance/peers.ts'
import { Link } from './checker/link.ts'
import { type Group, startGroup } from './group.ts'
import { ask, base64, type Members, startMembers } from './members.ts'

const LIMITS = { 'log-max-batches': '20', 'watch-history-memory': '1mb' }
/** A batch that brings nothing, in base64. */
const VOID = 'AQI='

describeWithPeer('etcd', 'a log that is cut', () => {
  let members: Members
  let group: Group
  let first: Redis

  beforeEach(async () => {
    members = await startMembers(1)
    group = await startGroup({ on: members, nodes: 1, directives: LIMITS })
    first = group.client(0)
  })
  afterEach(async () => {
    await group.stop()
    await members.stop()
  })

  /** How many keys begin with a name, in the group's part of etcd. */
  async function keysOf(name: string): Promise<number> {
    const key = `${group.prefix}${name}`
    const body = JSON.stringify({
      key: base64(key),
      range_end: base64(`${key}~`),
      count_only: true,
    })
    const answer = await fetch(`${members.urls[0]}/v3/kv/range`, { method: 'POST', body })
    return Number(((await answer.json()) as { count?: string }).count ?? 0)
  }

  /** Writes until the log has been cut once more. */
  async function writeUntilCut(client: Redis): Promise<void> {
    const revision = async (): Promise<string> => {
      const key = Buffer.from(`${group.prefix}cut`).toString('base64')
      const body = JSON.stringify({ key })
      const answer = await fetch(`${members.urls[0]}/v3/kv/range`, { method: 'POST', body })
      return JSON.stringify(((await answer.json()) as { kvs?: object[] }).kvs ?? [])
    }
    const before = await revision()
    // Long values, because the log has to be longer than half the snapshot.
    do await client.call('KCREATE', '/queue', 'x'.repeat(2000), 'UNIQUE')
    while ((await revision()) === before)
  }

  async function expectSameStates(...clients: Redis[]): Promise<void> {
    for (const client of clients) await client.call('KSYNC')
    const states = await Promise.all(clients.map((client) => client.call('KSAVE')))
    for (const state of states) expect(state).toBe(states[0])
  }

  test('lets a new node begin with a snapshot, history included', async () => {
    await first.set('ttl', 'x', 'PX', 3_600_000)
    await first.set('long', 'y'.repeat(3_000_000))
    await first.call('KSET', '/binary', Buffer.from([0, 255, 128]))
    const index = Number(await first.call('KINDEX'))
    await writeUntilCut(first)
    await first.set('after', 'x')
    const late = group.client(await group.add())
    await expectSameStates(first, late)
    expect(await late.strlen('long')).toBe(3_000_000)
    const event = await late.call('KWAIT', '/', 'RECURSIVE', 'SINCE', String(index))
    expect(event).toEqual(await first.call('KWAIT', '/', 'RECURSIVE', 'SINCE', String(index)))
    await late.set('more', 'x')
    await expectSameStates(first, late)
  })

  test('has the same history of large values at a node that began with a snapshot', async () => {
    const write = async (client: Redis): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        await client.multi().set('a', `${i}`.repeat(9000)).append('a', 'x'.repeat(9000)).exec()
        await client.copy('a', 'b', 'REPLACE')
      }
    }
    await write(first)
    await writeUntilCut(first)
    const late = group.client(await group.add())
    await expectSameStates(first, late)
    await write(late)
    await expectSameStates(first, late)
    await write(first)
    await expectSameStates(first, late)
  })

  test('loses what is before the snapshot, and keeps one snapshot', async () => {
    await writeUntilCut(first)
    await writeUntilCut(first)
    // What was written while the log was being cut stays, and so does the last batch before.
    while ((await keysOf('log/')) > 60) await first.call('KSYNC')
    const key = base64(`${group.prefix}snapshot`)
    const { kvs = [] } = await ask(members.urls[0], 'kv/range', { key })
    const { parts } = JSON.parse(Buffer.from(kvs[0].value, 'base64').toString()) as {
      parts: number
    }
    while ((await keysOf('snapshots/')) > parts) await first.call('KSYNC')
    expect(await keysOf('snapshots/')).toBe(parts)
  })

  test('loses the parts that a node was putting when it died, and no others', async () => {
    const put = async (key: string): Promise<void> => {
      await ask(members.urls[0], 'kv/put', { key: base64(group.prefix + key), value: VOID })
    }
    const [[, alive]] = (await first.call('KNODES')) as string[][]
    const padded = (number: number): string => String(number).padStart(16, '0')
    await put(`parts/dead/${padded(9)}/000000`)
    await put(`parts/zombie/${padded(9)}/000000`)
    await put(`log/zombie/${padded(8)}`)
    await put(`parts/${alive}/${padded(99_999)}/000000`)
    await first.set('long', 'y'.repeat(3_000_000))
    await writeUntilCut(first)
    await writeUntilCut(first)
    while ((await keysOf('parts/')) > 1) await first.call('KSYNC')
    expect(await keysOf(`parts/${alive}/`)).toBe(1)
  })

  test('is left behind by a node that has fallen behind it', async () => {
    const link = await Link.to(Number(new URL(members.urls[0]).port))
    try {
      const endpoints = [`http://127.0.0.1:${link.port}`]
      const behind = group.client(await group.add({ directives: { 'etcd-endpoints': endpoints } }))
      await behind.set('a', 'x')
      const listeners = [group.client(1), group.client(1), group.client(1)]
      await listeners[0].subscribe('/queue?recursive=true')
      await listeners[1].subscribe('plain')
      await listeners[2].psubscribe('__key*__:*')
      link.cut()
      await writeUntilCut(first)
      // Only a watch that can go on would bring what was cut off.
      const header = (await (
        await fetch(`${members.urls[0]}/v3/kv/put`, {
          method: 'POST',
          body: JSON.stringify({ key: 'eA==' }),
        })
      ).json()) as { header: { revision: string } }
      await fetch(`${members.urls[0]}/v3/kv/compaction`, {
        method: 'POST',
        body: JSON.stringify({ revision: header.header.revision, physical: true }),
      })
      const ended = listeners.map((each) => new Promise((resolve) => each.once('close', resolve)))
      const waiting = group.client(1).call('KWAIT', '/queue', 'RECURSIVE')
      waiting.catch(() => {})
      while (!String(await behind.client('LIST')).includes('cmd=kwait')) {}
      link.mend()
      // They would miss events and messages. A watcher can ask for them by their index.
      await Promise.all(ended)
      await expect(waiting).rejects.toThrow(/closed/i)
      await expectSameStates(first, behind)
      await behind.set('b', 'x')
      await expectSameStates(first, behind)
    } finally {
      link.mend()
      await link.close()
    }
  })

  test('EXEC is judged alike by a node that began with a snapshot', async () => {
    await first.set('a', 'old')
    await writeUntilCut(first)
    const late = group.client(await group.add())
    await late.watch('a')
    await first.set('a', 'new')
    expect(await late.multi().set('done', 'x').exec()).toBe(null)
    // Some of these are judged when the other write is applied already, and some before.
    for (let i = 0; i < 30; i++) {
      await first.watch('a')
      await Promise.all([late.set('a', i), first.multi().set('done', i).exec()])
    }
    await expectSameStates(first, late)
    await first.watch('a')
    await late.set('b', 'new')
    expect(await first.multi().set('done', 'x').exec()).toEqual([[null, 'OK']])
    await expectSameStates(first, late)
  })

  test('an EXEC that was on its way when the log was cut is judged alike by a node that begins then', async () => {
    const link = await Link.to(Number(new URL(members.urls[0]).port))
    try {
      const endpoints = [`http://127.0.0.1:${link.port}`]
      const far = group.client(await group.add({ directives: { 'etcd-endpoints': endpoints } }))
      await far.set('a', 'old')
      await far.watch('a')
      link.silence()
      const exec = far.multi().set('done', 'x').exec()
      // What it depends on changes before the snapshot, which must tell of it.
      await first.set('a', 'new')
      await writeUntilCut(first)
      link.mend()
      expect(await exec).toBe(null)
      const late = group.client(await group.add())
      await expectSameStates(first, far, late)
      expect(await late.get('done')).toBe(null)
    } finally {
      link.mend()
      await group.stop()
      await link.close()
    }
  })
})
