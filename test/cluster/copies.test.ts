import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { pino } from 'pino'
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest'
import { BatchQueue } from '../../src/cluster/batch-queue.ts'
import { Copies } from '../../src/cluster/copies.ts'
import type { LogClock } from '../../src/cluster/log-clock.ts'
import { LongMoves } from '../../src/cluster/long-moves.ts'
import type { OwnDirectory } from '../../src/cluster/own-directory.ts'
import type { RecentChanges } from '../../src/cluster/recent-changes.ts'
import type { RunningServer } from '../../src/server/start.ts'
import type { Store } from '../../src/store/store.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Group, startGroup } from './group.ts'
import { type Members, startMembers } from './members.ts'

/** A directory of so many keys takes some 10 ms to be renamed, so that all renames take many slices. */
const KEYS = 10_000
const RENAMES = 40
/** How far all of them raise the index: by the two directories, and the keys. */
const STEPS = RENAMES * (KEYS + 2)

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describeWithPeer('etcd', 'a copy of the tree', () => {
  let members: Members
  let group: Group
  let dir: string
  let node: RunningServer
  let client: Redis

  beforeAll(async () => {
    members = await startMembers(1)
  })
  afterAll(() => members.stop())
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ktree-copies-'))
    group = await startGroup({ on: members, nodes: 0 })
    node = await group.add({ directives: { dir } })
    client = group.client(node)
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await group.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const path = (): string => join(dir, 'node-copy')
  const indexOf = async (redis: Redis): Promise<number> => Number(await redis.call('KINDEX'))

  /** The index of the state in the copy. */
  function copiedIndex(): number {
    return Number(/"CurrentIndex":(\d+)/.exec(readFileSync(path(), 'latin1'))?.[1])
  }

  /** Sends renames that are one batch and take many slices. @returns when all have been replied to */
  async function renameSlowly(): Promise<{ first: number; last: number; all: Promise<unknown> }> {
    const keys = Array.from({ length: KEYS }, (_, i) => [`d0/${i}`, 'x']).flat()
    await client.mset(keys)
    const first = await indexOf(client)
    // Otherwise each would be a batch of its own.
    vi.spyOn(LongMoves.prototype, 'mustWait').mockReturnValue(false)
    const pipeline = client.pipeline()
    for (let i = 0; i < RENAMES; i++) pipeline.rename(`d${i}`, `d${i + 1}`)
    const all = pipeline.exec()
    const last = first + STEPS
    return { first, last, all }
  }

  test('that an EXEC asks for has all of the EXEC, and the log goes on', async () => {
    let saved = Buffer.alloc(0)
    for (const name of ['bgsave', 'bgrewriteaof'] as const) {
      rmSync(path(), { force: true })
      const before = client.incr('before')
      const exec = client.multi().incr('n')[name]().incr('n').exec()
      const after = client.incr('after')
      const replies = await exec
      expect(replies?.map(([error]) => error)).toEqual([null, null, null])
      await Promise.all([before, after])
      while (!existsSync(path())) await client.ping()
      saved = readFileSync(path())
    }
    const other = group.client(await group.add())
    await node.close()
    // As kill -9 would have left it.
    writeFileSync(path(), saved)
    const again = group.client(await group.add({ directives: { dir } }))
    const keys = ['n', 'before', 'after']
    for (const each of [other, again]) {
      await each.call('KSYNC')
      expect(await each.mget(keys)).toEqual(['4', '2', '2'])
    }
  })

  test('is taken when a batch has been run, and others are served until then', async () => {
    const { first, last, all } = await renameSlowly()
    const other = group.client(node)
    const third = group.client(node)
    while ((await indexOf(third)) === first) await other.ping()
    const saved = other.save()
    expect(await third.bgsave()).toBe('Background saving started')
    // The reply comes while the batch is being run.
    expect(await indexOf(third)).toBeLessThan(last)
    await saved
    await all
    expect(copiedIndex()).toBe(last)
    expect(await indexOf(client)).toBe(last)
  })

  test('is written before SHUTDOWN SAVE ends the node', async () => {
    await client.set('a', '1')
    const index = await indexOf(client)
    // There is no reply: the connection ends.
    await expect(client.call('SHUTDOWN', 'SAVE')).rejects.toThrow('Connection is closed')
    await node.closed
    expect(copiedIndex()).toBe(index)
    const without = group.client(await group.add())
    await expect(without.call('SHUTDOWN', 'SAVE')).rejects.toThrow('durability is no')
  })

  test('is of the last batch that was run when a node ends, and the next start runs the rest', async () => {
    const { first, last, all } = await renameSlowly()
    const third = group.client(node)
    while ((await indexOf(third)) === first) await third.ping()
    await node.close()
    await all.catch(() => {})
    expect((copiedIndex() - first) % STEPS).toBe(0)
    const again = group.client(await group.add({ directives: { dir } }))
    await again.call('KSYNC')
    expect(await indexOf(again)).toBe(last)
  })
})

test('one copy is written at a time, and all who ask meanwhile share the next one', async () => {
  let taken = 0
  let now = 1
  const written: (() => void)[] = []
  const batches = new BatchQueue({
    begin: () => () => false,
    onRun: () => {},
    onFull: () => {},
    onBroken: () => {},
  })
  batches.add([{ node: 'n', number: 1, revision: 1, record: undefined }])
  const own = { keep: () => new Promise<void>((resolve) => written.push(resolve)) }
  const store = { snapshotCopy: () => [String(taken++)] }
  const copies = new Copies({
    batches,
    store: store as unknown as Store,
    clock: { logTime: 1, now: () => now } as LogClock,
    own: own as unknown as OwnDirectory,
    recent: () => ({ count: 0, recent: [] }) as unknown as RecentChanges,
    length: () => ({ cut: 0, batches: 1, bytes: 0 }),
    isBroken: () => false,
    logger: pino({ level: 'silent' }),
  })
  const saves = [copies.save()]
  await nextTurn()
  expect([copies.isRunning, copies.lastSave]).toEqual([true, 1])
  now = 5
  for (let i = 0; i < 1000; i++) saves.push(copies.save())
  await nextTurn()
  expect([taken, written.length]).toEqual([1, 1])
  written[0]()
  await nextTurn()
  expect([taken, written.length]).toEqual([2, 2])
  saves.push(copies.save())
  written[1]()
  await nextTurn()
  written[2]()
  await Promise.all(saves)
  expect([copies.isRunning, copies.lastSave, copies.failure]).toEqual([false, 5, undefined])
  // The next one would be the same.
  await copies.saveSeldom(0)
  expect(taken).toBe(3)
})

test('the last copy waits 5 s at most for the end of a batch, and the node ends without it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const lines: string[] = []
  let callBack = (): void => {}
  let kept = 0
  const copies = new Copies({
    batches: {
      position: 2,
      whenBetween: (call: () => void) => {
        callBack = call
      },
    } as unknown as BatchQueue,
    store: {} as Store,
    clock: { now: () => 1 } as LogClock,
    own: { keep: async () => void kept++ } as unknown as OwnDirectory,
    recent: () => ({ count: 0, recent: [] }) as unknown as RecentChanges,
    length: () => ({ cut: 0, batches: 1, bytes: 0 }),
    isBroken: () => false,
    logger: pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }),
  })
  // As SAVE of a client, which waits for the same.
  const asked = copies.save().catch(String)
  let isOver = false
  const last = copies.saveLast().then(() => {
    isOver = true
  })
  await vi.advanceTimersByTimeAsync(4999)
  expect(isOver).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  await last
  expect(await asked).toContain('the node ends within a batch')
  callBack()
  // As at the end of the process, after SHUTDOWN.
  await copies.saveLast()
  expect(kept).toBe(0)
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
    expect.stringMatching(/^ends within a long batch/),
  ])
})
