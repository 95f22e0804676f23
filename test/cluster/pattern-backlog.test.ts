import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { TreePatterns } from '../../src/pubsub/tree-patterns.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { frame, join } from '../server/raw-client.ts'
import { type Group, startGroup } from './group.ts'
import { type Members, startMembers } from './members.ts'

/** Each is compared with all patterns, which takes about a tenth of a millisecond. */
const KEYS = 1500
/** They match nothing, and nothing that they name rules a key out. */
const DEAR = Array.from({ length: 100 }, (_, i) => `/*[${i}ab][^a-z0-9]`)

/** @returns gives how many keys have been compared in each turn of the event loop so far */
function countComparisons(): () => number[] {
  const turns = [0]
  const { matching } = TreePatterns.prototype
  const spy = vi.spyOn(TreePatterns.prototype, 'matching').mockImplementation(function (
    this: TreePatterns,
    key,
  ) {
    turns[turns.length - 1]++
    return matching.call(this, key)
  })
  const count = (): void => {
    turns.push(0)
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  onTestFinished(() => {
    spy.mockRestore()
    clearImmediate(next)
  })
  return () => turns
}

describeWithPeer('etcd', 'many patterns in a group', () => {
  let members: Members
  let group: Group

  beforeAll(async () => {
    members = await startMembers(1)
    group = await startGroup({ on: members, nodes: 1 })
  })
  afterAll(async () => {
    await group.stop()
    await members.stop()
  })

  test('others are served while a moved directory is compared with them; all is told, in order', async () => {
    const client = group.client(group.nodes[0])
    const fill = client.pipeline()
    for (let i = 0; i < KEYS; i++) fill.set(`d/${i}`, '')
    await fill.exec()
    const [listener, late, other] = [client.duplicate(), client.duplicate(), client.duplicate()]
    await listener.psubscribe(...DEAR, '/e/*')
    const told: string[] = []
    const toldLate: string[] = []
    let isOver = false
    const all = new Promise<void>((resolve) => {
      listener.on('pmessage', (_, key: string) => {
        if (told.push(key) === KEYS) resolve()
      })
    })
    late.on('pmessage', (_, key: string) => toldLate.push(key))
    const moved = client.rename('d', 'e')
    let served = 0
    const serving = (async () => {
      await moved
      // It does not wait until all has been told.
      const subscribed = late.psubscribe('/e/*').then(() => told.length)
      for (; !isOver; served++) await other.ping()
      return subscribed
    })()
    await all
    isOver = true
    expect(await serving).toBeLessThan(KEYS)
    expect(served).toBeGreaterThan(3)
    expect(told.map((key) => Number(key.slice('/e/'.length))).sort((a, b) => a - b)).toEqual(
      Array.from({ length: KEYS }, (_, i) => i),
    )
    await client.set('e/last', '')
    while (toldLate.length === 0) await other.ping()
    expect(toldLate).toEqual(['/e/last'])
    for (const each of [listener, late, other]) each.disconnect()
  })

  test('a transaction that subscribes has nothing compared in one go, also if it has moved the directory itself', async () => {
    const client = group.client(group.nodes[0])
    const listener = client.duplicate()
    const fill = client.pipeline()
    for (let i = 0; i < KEYS; i++) fill.set(`f/${i}`, '')
    await fill.exec()
    await listener.psubscribe(...DEAR)
    const turns = countComparisons()
    const raw = await join(group.nodes[0])
    const moving =
      frame('MULTI') + frame('RENAME', 'f', 'g') + frame('SUBSCRIBE', 'a') + frame('EXEC')
    raw.write(moving + frame('SUBSCRIBE', 'b'))
    const replies = await raw.take(5)
    expect(replies.slice(3)).toEqual([
      ['OK', ['subscribe', 'a', 1]],
      ['subscribe', 'b', 2],
    ])
    const other = await join(group.nodes[0])
    other.write(frame('MULTI') + frame('PSUBSCRIBE', '/*') + frame('EXEC'))
    expect((await other.take(3))[2]).toEqual([['psubscribe', '/*', 1]])
    for (const each of [raw, other]) each.socket.destroy()
    await client.call('KSYNC')
    // The first hundred are compared at once, and as many in each turn.
    expect(Math.max(...turns())).toBeLessThan(KEYS / 2)
    listener.disconnect()
  })

  test('messages of reads come, although nobody writes', async () => {
    const KEYS_MISSED = 2000
    const missing = await startGroup({
      on: members,
      directives: { 'notify-keyspace-events': 'KEAm' },
    })
    onTestFinished(() => missing.stop())
    const [reader, listener] = [await join(missing.nodes[0]), await join(missing.nodes[0])]
    await listener.call('PSUBSCRIBE', '__key*__:*')
    // As if each took long.
    let now = performance.now()
    const time = vi.spyOn(performance, 'now').mockImplementation(() => (now += 0.1))
    onTestFinished(() => time.mockRestore())
    reader.write(frame('GET', 'missing').repeat(KEYS_MISSED))
    expect(await listener.take(2 * KEYS_MISSED)).toHaveLength(2 * KEYS_MISSED)
  })
})
