import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Group, startGroup } from './group.ts'
import { type Members, startMembers } from './members.ts'

/** With the patterns, each of them takes every node a tenth of a millisecond. */
const KEYS = 3000
const PATTERNS = 100
/** So many an entry of the node that has nodes expire. */
const NODES_PER_ENTRY = 1000
/** Others must see so many of the indexes in between. In one go it is none. */
const MIN_SEEN = 2

describeWithPeer('etcd', 'many due keys in a group', () => {
  let members: Members
  let group: Group
  let dir: string
  /** The clock of the node that has nodes expire stands still, so that it has none expire by itself. */
  let elected: Redis
  let client: Redis
  const listeners: Redis[] = []
  const behind = new ManualClock()
  const ahead = new ManualClock()

  beforeAll(async () => {
    members = await startMembers(1)
  })
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ktree-slices-'))
    group = await startGroup({ on: members, nodes: 0 })
    elected = group.client(await group.add({ clock: behind }))
    await elected.call('KSET', '/elects', 'x', 'PX', '1')
    behind.advance(1)
    while (
      (await elected.exists('elects')) ||
      !(await elected.info('cluster')).includes('elected:1')
    );
    while (Number(await elected.call('KINDEX')) < 2);
    ahead.jump(behind.now() - ahead.now())
    client = group.client(await group.add({ clock: ahead, directives: { dir } }))
    for (const each of [elected, client]) await listen(each)
    for (let at = 0; at < KEYS; at += 500) {
      const fill = client.pipeline()
      for (let i = at; i < at + 500; i++) fill.set(`d/${i}`, '', 'PX', 10_000)
      await fill.exec()
    }
    await client.set('d/sub/stays', 'x')
    await elected.call('KSYNC')
  }, 120_000)
  afterEach(async () => {
    for (const listener of listeners.splice(0)) listener.disconnect()
    await group.stop()
    rmSync(dir, { recursive: true, force: true })
  })
  afterAll(() => members.stop())

  /** Makes each event take the node of a client long. */
  async function listen(each: Redis): Promise<void> {
    const listener = each.duplicate()
    await listener.psubscribe(...Array.from({ length: PATTERNS }, (_, i) => `/*[${i}ab][^a-z0-9]`))
    listeners.push(listener)
  }

  /** What the nodes have told of the events, and which indexes others have seen meanwhile. */
  async function during(run: () => Promise<unknown>) {
    const nodes = [elected, client]
    const told: string[][] = [[], []]
    const watchers = nodes.map((each, i) => {
      const watcher = each.duplicate()
      watcher.on('message', (_, message: string) => told[i].push(message))
      return watcher
    })
    for (const watcher of watchers) await watcher.subscribe('/?recursive=true')
    let isOver = false
    const first = Number(await client.call('KINDEX'))
    const readers = nodes.map(async (each) => {
      const reader = each.duplicate()
      const seen = new Set<unknown>()
      while (!isOver) seen.add(await reader.call('KINDEX'))
      reader.disconnect()
      return seen
    })
    ahead.advance(10_000)
    const reading = (async () => {
      const reader = client.duplicate()
      // What is due is not seen, whether or not it has expired.
      while (!isOver) expect(await reader.exists('d/0', `d/${KEYS - 1}`)).toBe(0)
      reader.disconnect()
    })()
    const reply = await run()
    const last = Number(await client.call('KINDEX'))
    await elected.call('KSYNC')
    isOver = true
    await reading
    const seen = (await Promise.all(readers)).map(
      (indexes) => [...indexes].filter((i) => Number(i) > first && Number(i) < last).length,
    )
    for (const each of nodes) expect(Number(await each.call('KINDEX'))).toBe(last)
    while (told.some(({ length }) => length < last - first)) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (const watcher of watchers) watcher.disconnect()
    expect(told[1]).toEqual(told[0])
    expect(await client.call('KSAVE')).toBe(await elected.call('KSAVE'))
    return { reply, seen, told: told[0] }
  }

  const expired = (told: string[]): number =>
    told.filter((event) => event.startsWith('{"action":"expire"')).length

  test.each<[string, (client: Redis) => Promise<unknown>, unknown, string[]]>([
    [
      'KDEL DIR',
      (each) => each.call('KDEL', '/d', 'DIR').catch((error: Error) => error.message),
      expect.stringMatching(/^DIRNOTEMPTY /),
      [],
    ],
    ['RENAME', (each) => each.rename('d', 'e'), 'OK', ['delete', 'set', 'set', 'set']],
    [
      'EXEC',
      (each) => each.multi().set('a', '1').set('d/x', '2').call('KDEL', '/d', 'RECURSIVE').exec(),
      [
        [null, 'OK'],
        [null, 'OK'],
        [null, expect.anything()],
      ],
      ['set', 'set', 'delete'],
    ],
  ])('%s expires them in slices, at the same indexes everywhere', async (_, run, reply, after) => {
    const outcome = await during(() => run(client))
    expect(outcome.reply).toEqual(reply)
    for (const seen of outcome.seen) expect(seen).toBeGreaterThanOrEqual(MIN_SEEN)
    expect(expired(outcome.told)).toBe(KEYS)
    const actions = outcome.told.slice(KEYS).map((event) => JSON.parse(event).action)
    expect(actions).toEqual(after)
  })

  test('expire in slices by themselves', async () => {
    const { seen, told } = await during(async () => {
      behind.advance(10_000)
      while (Number(await client.call('KINDEX')) < 2 * KEYS + 3) behind.advance(1)
    })
    for (const each of seen) expect(each).toBeGreaterThanOrEqual(MIN_SEEN)
    expect(expired(told)).toBe(KEYS)
  })

  test('a request that is refused expires none', async () => {
    await client.mset('elects', 'x', 'f/x', 'x')
    await elected.call('KSYNC')
    const requests = [
      ['KDEL', '/d', 'DIR', 'NOW'],
      ['RENAMENX', 'd', 'elects'],
      ['RENAME', 'd', 'f'],
      ['RENAME', 'd', 'd/sub/e'],
    ]
    const { told } = await during(async () => {
      for (const [name, ...args] of requests) await client.call(name, ...args).catch(() => {})
    })
    expect(told).toEqual([])
  })

  test('an EXEC that comes too late expires none, and what it expires itself does not make it late', async () => {
    await client.watch('elsewhere')
    await elected.set('elsewhere', 'x')
    const late = await during(() => client.multi().call('KDEL', '/d', 'RECURSIVE').exec())
    expect(late.reply).toBe(null)
    expect(expired(late.told)).toBe(0)
    // All that is due below it was due before.
    await client.watch('d')
    const run = await during(() => client.multi().call('KDEL', '/d', 'RECURSIVE').exec())
    expect(run.reply).toEqual([[null, expect.anything()]])
    expect(expired(run.told)).toBe(KEYS)
    for (const seen of run.seen) expect(seen).toBeGreaterThanOrEqual(MIN_SEEN)
  })

  test('a copy that is written meanwhile is that of a place in the log', async () => {
    ahead.advance(10_000)
    const before = Number(await client.call('KINDEX'))
    // An entry that expires a number of nodes: from a copy in between, it would expire so many once more.
    behind.advance(10_000)
    while (Number(await client.call('KINDEX')) < before + 100);
    await client.call('SAVE')
    await client.call('KSYNC')
    expect(Number(await client.call('KINDEX'))).toBe(before + NODES_PER_ENTRY)
    const other = mkdtempSync(join(tmpdir(), 'ktree-slices-'))
    try {
      copyFileSync(join(dir, 'node-copy'), join(other, 'node-copy'))
      const again = group.client(await group.add({ clock: ahead, directives: { dir: other } }))
      await again.call('KSYNC')
      expect(await again.call('KSAVE')).toBe(await elected.call('KSAVE'))
    } finally {
      rmSync(other, { recursive: true, force: true })
    }
  })

  test('a node that ends meanwhile leaves what it has begun done', async () => {
    const [, node] = group.nodes
    ahead.advance(10_000)
    const deleted = client.call('KDEL', '/d', 'DIR').catch((error: Error) => error.message)
    const before = Number(await elected.call('KINDEX'))
    while (Number(await elected.call('KINDEX')) < before + 100);
    await node.close()
    await deleted
    await elected.call('KSYNC')
    const again = group.client(await group.add({ clock: ahead, directives: { dir } }))
    await again.call('KSYNC')
    expect(await again.call('KSAVE')).toBe(await elected.call('KSAVE'))
    expect(await again.call('KINDEX')).toBe(before + KEYS)
  })
})
