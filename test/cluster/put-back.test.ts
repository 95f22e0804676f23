import { cp, rm } from 'node:fs/promises'
import type { Redis } from 'ioredis'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { Link } from './checker/link.ts'
import { type Group, startGroup } from './group.ts'
import { ask, base64, type Members, startMembers } from './members.ts'

describeWithPeer('etcd', 'etcd that has lost what running nodes have', () => {
  let members: Members
  let group: Group
  let link: Link
  let lines: string[]
  let node: RunningServer

  beforeEach(async () => {
    members = await startMembers(1)
    group = await startGroup({ on: members, nodes: 0 })
    lines = []
    const logger = pino({ level: 'fatal' }, { write: (line: string) => void lines.push(line) })
    link = await Link.to(Number(new URL(members.urls[0]).port))
    const endpoints = [`http://127.0.0.1:${link.port}`]
    node = await group.add({ logger, directives: { 'etcd-endpoints': endpoints } })
  })
  afterEach(async () => {
    link.mend()
    await group.stop()
    await link.close()
    await members.stop()
  })

  /** Ends etcd, has its data replaced, and starts it again. */
  async function replaceData(replace: (data: string) => Promise<void>): Promise<void> {
    const [member] = members.members
    await member.kill()
    await replace(member.data)
    member.start()
    await member.ready()
  }

  async function expectEnd(why: string): Promise<void> {
    await node.closed
    expect(node.isBroken).toBe(true)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain(why)
    expect(lines[0]).toContain('without node-copy in dir')
  }

  const removeAll = async (): Promise<void> => {
    const range = { key: base64(group.prefix), range_end: base64(group.prefix.replace(/.$/, '0')) }
    await ask(members.urls[0], 'kv/deleterange', range)
  }

  /** Has etcd lose what comes after the first write. @returns a client of the node */
  async function loseWrites(): Promise<Redis> {
    const client = group.client(node)
    await client.set('early', '1')
    const backup = `${members.members[0].data}-backup`
    await replaceData((data) => cp(data, backup, { recursive: true }))
    for (let i = 0; i < 10; i++) {
      while ((await client.set(`late${i}`, '1').catch(() => '')) !== 'OK') {}
    }
    link.cut()
    await replaceData(async (data) => {
      await rm(data, { recursive: true })
      await cp(backup, data, { recursive: true })
    })
    return client
  }

  test('has been put back to an earlier day', async () => {
    await loseWrites()
    link.mend()
    await expectEnd('has lost what this node has')
    const other = group.client(await group.add())
    expect(await other.exists('early', 'late0')).toBe(1)
  })

  test('has been put back, and has taken as many other writes since', async () => {
    const client = await loseWrites()
    const other = group.client(await group.add())
    for (let i = 0; i < 40; i++) await other.set('other', i)
    link.mend()
    const reply = client.incr('count').catch(() => 'refused')
    await expectEnd('has lost what this node has')
    expect(await reply).toBe('refused')
  })

  test('is empty', async () => {
    await group.client(node).set('a', '1')
    await replaceData((data) => rm(data, { recursive: true }))
    await expectEnd('the log in etcd is another one')
  })

  test('has another log below the prefix', async () => {
    const client = group.client(node)
    await client.set('a', '1')
    const replies: Promise<unknown>[] = []
    await removeAll()
    const other = group.client(await group.add())
    for (let i = 0; i < 10; i++) replies.push(client.incr('count').catch(() => 'refused'))
    await expectEnd('the log in etcd is another one')
    expect(new Set(await Promise.all(replies))).toEqual(new Set(['refused']))
    expect(await other.get('count')).toBeNull()
  })

  test('does not end nodes that join, write, and have the log cut', async () => {
    const directives = { 'log-max-batches': '5' }
    const others = [await group.add({ directives }), await group.add({ directives })]
    const clients = [node, ...others].map((each) => group.client(each))
    const cut = { key: base64(`${group.prefix}cut`) }
    while ((await ask(members.urls[0], 'kv/range', cut)).kvs === undefined) {
      for (const client of clients) await client.incr('count')
    }
    // Their first batches are the last in the log, and do not put the tail.
    await group.add()
    await replaceData(async () => {})
    for (const client of clients) {
      while ((await client.incr('count').catch(() => 0)) === 0) {}
      await client.call('KSYNC')
    }
    expect([node, ...others].map(({ isBroken }) => isBroken)).toEqual([false, false, false])
  })
})
