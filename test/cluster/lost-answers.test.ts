import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeWithPeer } from '../conformance/peers.ts'
import { Link } from './checker/link.ts'
import { type Group, startGroup } from './group.ts'
import { ask, base64, type Members, startMembers } from './members.ts'

describeWithPeer('etcd', 'a node to which answers of etcd do not come', () => {
  let members: Members
  let group: Group
  let link: Link

  beforeEach(async () => {
    members = await startMembers(1)
    link = await Link.to(Number(new URL(members.urls[0]).port))
    const directives = { 'log-max-batches': '20', 'watch-history-memory': '1mb' }
    group = await startGroup({ on: members, nodes: 0, directives })
  })
  afterEach(async () => {
    link.mend()
    await group.stop()
    await link.close()
    await members.stop()
  })

  const through = (): Record<string, string[]> => ({
    'etcd-endpoints': [`http://127.0.0.1:${link.port}`],
  })
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

  async function textAt(name: string): Promise<string> {
    const key = base64(group.prefix + name)
    const { kvs } = await ask(members.urls[0], 'kv/range', { key })
    return Buffer.from(kvs?.[0]?.value ?? '', 'base64').toString()
  }

  async function keysOf(name: string): Promise<string[]> {
    const key = group.prefix + name
    const range = { key: base64(key), range_end: base64(`${key}~`) }
    const { kvs = [] } = await ask(members.urls[0], 'kv/range', range)
    return kvs.map((kv) => Buffer.from(kv.key, 'base64').toString().slice(key.length))
  }

  test('expires what is due, and cuts the log, after its election was lost', async () => {
    const far = group.client(await group.add({ directives: through() }))
    const sprung = link.deafenFor(`${group.prefix}elected`)
    await far.set('first', 'x', 'PX', 10)
    await sprung
    // The attempt is given up after a second.
    await pause(1500)
    link.mend()
    const holder = await textAt('elected')
    expect(await keysOf('nodes/')).toEqual([holder])
    const near = group.client(await group.add())
    await near.set('second', 'x', 'PX', 10)
    // Two writes, and two keys that expire.
    while (Number(await near.call('KINDEX')) < 4) await pause(20)
    expect(await textAt('elected')).toBe(holder)
    while ((await textAt('cut')) === '') await near.set('third', 'x'.repeat(2000))
  })

  test('is in the list of nodes once, after it has joined without an answer', async () => {
    const near = group.client(await group.add())
    const sprung = link.deafenFor(`${group.prefix}nodes/`)
    const joining = group.add({ directives: through() })
    await sprung
    await pause(1500)
    link.mend()
    await joining
    expect(await near.call('KNODES')).toHaveLength(2)
    expect(await keysOf('nodes/')).toHaveLength(2)
  })

  test('says what it waits for where the snapshot lacks parts, and begins with the next one', async () => {
    const near = group.client(await group.add())
    const writeUntilCut = async (): Promise<void> => {
      const before = await textAt('cut')
      do await near.call('KCREATE', '/queue', 'x'.repeat(2000), 'UNIQUE')
      while ((await textAt('cut')) === before)
    }
    await writeUntilCut()
    const parts = `${group.prefix}snapshots/`
    const range = { key: base64(parts), range_end: base64(`${parts}~`) }
    await ask(members.urls[0], 'kv/deleterange', range)
    const lines: string[] = []
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) })
    const starting = group.add({ logger })
    while (lines.length < 3) await pause(20)
    const id = (JSON.parse(await textAt('snapshot')) as { id: string }).id
    for (const line of lines) {
      expect((JSON.parse(line) as { msg: string }).msg).toBe(
        `the snapshot ${id} in etcd lacks parts: waiting until a node that has the tree cuts the log again`,
      )
    }
    await writeUntilCut()
    const late = group.client(await starting)
    await late.call('KSYNC')
    await near.call('KSYNC')
    expect(await late.call('KSAVE')).toBe(await near.call('KSAVE'))
  })
})
