import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { LocalCopy } from '../../src/cluster/local-copy.ts'
import type { RunningServer } from '../../src/server/start.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Group, startGroup } from './group.ts'
import { ask, base64, type Members, startMembers } from './members.ts'

/** Below the limits of the log, as many as a node writes between its start and its end. */
const WRITES = 8
const MAX_BATCHES = 20

describeWithPeer('etcd', 'a log whose nodes are often started again', () => {
  let members: Members
  let group: Group
  let dir: string

  beforeAll(async () => {
    members = await startMembers(1)
  })
  afterAll(() => members.stop())
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ktree-growth-'))
    const directives = { 'log-max-batches': String(MAX_BATCHES) }
    group = await startGroup({ on: members, nodes: 0, directives })
  })
  afterEach(async () => {
    await group.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  async function start(
    directives: Record<string, string> = {},
  ): Promise<{ node: RunningServer; client: Redis }> {
    const node = await group.add({ directives: { dir, ...directives } })
    return { node, client: group.client(node) }
  }

  /** How many batches are in the log. */
  async function inEtcd(): Promise<number> {
    const prefix = `${group.prefix}log/`
    const end = `${group.prefix}log0`
    const range = { key: base64(prefix), range_end: base64(end), count_only: true }
    return Number((await ask(members.urls[0], 'kv/range', range)).count ?? 0)
  }

  async function told(client: Redis): Promise<{ batches: number; bytes: number }> {
    const info = await client.info('cluster')
    const number = (name: string): number => Number(info.match(`${name}:(\\d+)`)?.[1])
    return { batches: number('group_log_batches'), bytes: number('group_log_bytes') }
  }

  async function writeTo(client: Redis, bytes = 10): Promise<void> {
    for (let i = 0; i < WRITES; i++) await client.set('k', 'x'.repeat(bytes))
  }

  async function untilCut(): Promise<void> {
    while ((await inEtcd()) > MAX_BATCHES) await new Promise((resolve) => setTimeout(resolve, 50))
  }

  test('is cut at its limit of batches, and INFO tells its length', async () => {
    for (let round = 0; round < 2; round++) {
      const { node, client } = await start()
      await writeTo(client)
      expect((await told(client)).batches).toBe(await inEtcd())
      await node.close()
    }
    const { client } = await start()
    await writeTo(client)
    await untilCut()
  })

  test('is cut at its limit of bytes', async () => {
    const directives = { 'log-max-memory': '1mb' }
    for (let round = 0; round < 2; round++) {
      const { node, client } = await start(directives)
      const before = (await told(client)).bytes
      await writeTo(client, 50_000)
      expect((await told(client)).bytes).toBeGreaterThan(before + WRITES * 50_000)
      await node.close()
    }
    const { client } = await start(directives)
    await writeTo(client, 50_000)
    while ((await told(client)).bytes > 1024 ** 2)
      await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await inEtcd()).toBeLessThan(MAX_BATCHES)
  })

  test('is counted by etcd if the copy is of a former ktree, and cut without another write', async () => {
    // Nobody is there to cut it.
    const first = await start({ 'log-max-batches': '1000' })
    for (let i = 0; i <= MAX_BATCHES; i++) await first.client.set('k', 'x')
    await first.node.close()
    const copy = new LocalCopy(join(dir, 'node-copy'))
    const found = await copy.read()
    if (found === undefined) throw new Error('there is no copy')
    await copy.write({ ...found.head, length: undefined }, [found.state])
    await start()
    await untilCut()
  })

  test('is as long at all nodes after one of them has cut it', async () => {
    const { client } = await start()
    // To this one the log is short, so it has no reason to ask.
    const other = (await start({ dir: `${dir}/other`, 'log-max-batches': '1000' })).client
    for (let round = 0; round < 3; round++) await writeTo(client)
    await untilCut()
    // The last batches of nodes that are alive stay in etcd, and count no more.
    while ((await told(other)).batches !== (await told(client)).batches)
      await new Promise((resolve) => setTimeout(resolve, 50))
    expect((await told(other)).batches).toBeLessThanOrEqual(await inEtcd())
  })
})
