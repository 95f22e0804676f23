import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { useProgram } from '../../clients/program.ts'
import { describeWithPeer } from '../../conformance/peers.ts'
import { isLarge, note, seconds, thousands } from './figures.ts'
import { Background, fill } from './load.ts'
import { type ProcessGroup, type ProcessNode, startProcessGroup } from './process-group.ts'
import { differences } from './trial.ts'

const ENTRIES = isLarge ? 1_000_000 : 6000
/** How many writes are on their way at each node while one joins. */
const PIPELINE = isLarge ? 100 : 20
/** A node may take this much memory beyond those that it joins, in MB. */
const MORE_MB = 300

describeWithPeer('etcd', 'a long log', () => {
  const program = useProgram()
  let group: ProcessGroup
  let late: ProcessNode

  beforeAll(async () => {
    const limits = ['--log-max-batches', '1000000000', '--log-max-memory', '100gb']
    const quota = ['--quota-backend-bytes', '8000000000']
    group = await startProcessGroup(join(program.dist, 'main.js'), limits, quota)
    await fill(group.nodes, ENTRIES)
  })
  afterAll(() => group.stop())

  /** Has others write while a node starts, until it has caught up. @returns what was measured */
  async function whileWriting(start: () => Promise<ProcessNode>): Promise<string> {
    const others = group.nodes.slice(0, 3)
    const load = new Background(others, PIPELINE)
    const started = performance.now()
    const node = await start()
    await node.ready()
    const serves = seconds(started)
    const redis = new Redis({ port: node.port, host: '127.0.0.1' })
    await redis.call('KSYNC')
    const synced = seconds(started)
    const info = await redis.info('cluster')
    expect(info).toMatch(/group_state:(ok|catching-up)/)
    redis.disconnect()
    await load.end()
    const ports = group.nodes.map(({ port }) => port)
    expect(await differences(ports)).toEqual([])
    const peaks = others.map(({ peak }) => peak)
    if (!Number.isNaN(node.peak)) expect(node.peak).toBeLessThan(Math.max(...peaks) + MORE_MB)
    return [
      `serves after ${serves}, has all after ${synced}`,
      `meanwhile ${thousands(load.written)} writes at the others, longest wait of a read there ${Math.round(load.longest)} ms`,
      `at most ${Math.round(node.peak)} MB (the others ${peaks.map(Math.round).join(', ')})`,
      'KSAVE equal',
    ].join('; ')
  }

  /** Has all nodes cut the log from now on, and waits until it has been cut. */
  async function cut(): Promise<void> {
    const redis = new Redis({ port: group.nodes[0].port, host: '127.0.0.1' })
    for (const { port } of group.nodes.slice(0, 3)) {
      const each = new Redis({ port, host: '127.0.0.1' })
      await each.config('SET', 'log-max-batches', '100')
      each.disconnect()
    }
    for (let batches = Number.POSITIVE_INFINITY; batches > 100; ) {
      await redis.set('cut', 'x')
      batches = Number(/group_log_batches:(\d+)/.exec(await redis.info('cluster'))?.[1])
    }
    redis.disconnect()
  }

  test('is read by a node that joins while others write', async () => {
    const measured = await whileWriting(async () => {
      late = await group.add()
      return late
    })
    note(`a node joins a log of ${thousands(ENTRIES)} entries`, measured)
  })

  test('is read on by a node that starts with an old copy while others write', async () => {
    await late.leave()
    await fill(group.nodes.slice(0, 3), ENTRIES / 10)
    late.out = ''
    const measured = await whileWriting(async () => {
      late.start()
      return late
    })
    expect(late.out).toContain('went on from the copy')
    const missed = thousands(ENTRIES / 10)
    note(`a node starts with a copy that lacks ${missed} entries`, measured)
  })

  test('that was cut is of no use to an old copy, and a node begins with the snapshot', async () => {
    await late.leave()
    await fill(group.nodes.slice(0, 3), ENTRIES / 10)
    await cut()
    late.out = ''
    const old = await whileWriting(async () => {
      late.start()
      return late
    })
    expect(late.out).toMatch(/loaded \d+ files up to index \d+ from etcd/)
    note('a node starts with a copy from before the log was cut', old)
    const young = await whileWriting(() => group.add())
    note('a node joins a log that is cut meanwhile', young)
  })
})
