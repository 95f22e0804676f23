import { expect, onTestFinished, test, vi } from 'vitest'
import { Applier, silentClient } from '../../src/log/apply.ts'
import { Subscriptions } from '../../src/pubsub/subscriptions.ts'
import { ServerClock } from '../../src/request/clock.ts'
import { LongWork, TIME_OF } from '../../src/request/long-work.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'
import { testAlone } from '../cluster/alone.ts'
import { ErrorReply, join, type Reply, start } from '../server/raw-client.ts'

/** As many as all clients together may listen to that name nothing, and a client. */
const PATTERNS = 1000
const PATTERNS_OF_CLIENT = 100
const NODES = 20_001

const errorText = (reply: Reply): string => (reply instanceof ErrorReply ? reply.text : '')
/** Patterns that name so little that each has to be compared with each key. */
const patterns = (directory: string): string[] =>
  Array.from({ length: PATTERNS }, (_, i) => `${directory}/${hidden(i)}`)
/** Patterns of one directory that name what tells them from each other. */
const namedPatterns = (directory: string): string[] =>
  Array.from({ length: PATTERNS }, (_, i) => `${directory}/*z${i}`)

/**
 * A number as a pattern without a literal byte. It matches nothing below `/a` and `/b`, and fails at the first byte
 * there, because twenty million whole comparisons take long.
 */
function hidden(number: number): string {
  const digits = [...(number + PATTERNS).toString(2)]
  return `[^ab]${digits.map((digit) => (digit === '0' ? '?' : '[^x]')).join('')}*`
}

/** A server with a directory `/a` of many nodes, and a client that listens to many patterns. */
async function startListening(directory: string, list = patterns(directory)) {
  const server = await start()
  const { store } = server
  for (let i = 0; i < NODES; i++) store.set(`/a/${i}`, '')
  const client = await join(server)
  for (let i = 0; i < list.length; i += PATTERNS_OF_CLIENT) {
    const listener = await join(server)
    await listener.call('PSUBSCRIBE', ...list.slice(i, i + PATTERNS_OF_CLIENT))
  }
  return { client, store }
}

testAlone(
  'who listens at one node must not decide what all nodes do',
  'a directory does not move if its nodes would be compared with too many patterns',
  async () => {
    const { client, store } = await startListening('')
    const { index } = store
    const refusal =
      'ERR too many nodes to move while clients listen to 1000 patterns (the limit is 20000000 comparisons)'
    expect(errorText(await client.call('RENAME', 'a', 'b'))).toBe(refusal)
    expect(errorText(await client.call('RENAMENX', 'a', '//b'))).toBe(refusal)
    expect(store.index).toBe(index)
    expect(store.files).toBe(NODES)

    // Fewer nodes may move; in a transaction they count as more.
    store.delete('/a/0', {})
    await client.call('MULTI')
    for (const path of ['b', 'a']) await client.call('RENAME', path === 'b' ? 'a' : 'b', path)
    const [first, second] = (await client.call('EXEC')) as Reply[]
    expect(first).toBe('OK')
    expect(errorText(second)).toMatch(/^ERR too many nodes moved by one transaction/)
  },
)

testAlone(
  'who listens at one node must not decide what all nodes do',
  'patterns of other directories do not hinder a move, unless nodes come or go there',
  async () => {
    const { client } = await startListening('/b/c')
    expect(await client.call('RENAME', 'a', 'd')).toBe('OK')
    expect(errorText(await client.call('RENAME', 'd', 'b'))).toMatch(/^ERR too many nodes to move/)
    expect(errorText(await client.call('RENAME', 'd', 'b/c/d'))).toMatch(/^ERR too many nodes to/)
    expect(await client.call('RENAME', 'd', 'b/d')).toBe('OK')
  },
)

testAlone(
  'who listens at one node must not decide what all nodes do',
  'the patterns that a move compares count as long work',
  async () => {
    const { client } = await startListening('/b')
    const note = vi.spyOn(LongWork.prototype, 'note')
    onTestFinished(() => note.mockRestore())
    const times: number[] = []
    for (const [from, to] of [
      ['a', 'c'],
      ['c', 'b'],
    ]) {
      note.mockClear()
      await client.call('RENAME', from, to)
      times.push(note.mock.calls.reduce((sum, [time]) => sum + time, 0))
    }
    expect(times[0]).toBeGreaterThan(0)
    expect(times[1]).toBeGreaterThan(10 * times[0])
  },
)

testAlone(
  'who listens at one node must not decide what all nodes do',
  'patterns of other nodes below a directory cost a move of few nodes nothing',
  async () => {
    const server = await start()
    const { client, store } = { client: await join(server), store: server.store }
    const listener = await join(server)
    const elsewhere = Array.from({ length: 20_000 }, (_, i) => `/${i % 2 ? 'a' : 'b'}/${i}/*`)
    await listener.call('PSUBSCRIBE', ...elsewhere)
    store.set('/a/file', '')
    const note = vi.spyOn(LongWork.prototype, 'note')
    onTestFinished(() => note.mockRestore())
    await client.call('MULTI')
    for (let i = 0; i < 500; i++) await client.call('RENAME', i % 2 ? 'b' : 'a', i % 2 ? 'a' : 'b')
    expect(await client.call('EXEC')).toEqual(Array(500).fill('OK'))
    const tries = note.mock.calls.reduce((sum, [time]) => sum + time, 0) / TIME_OF.triedPattern
    expect(tries).toBeLessThan(500 * 100)
  },
)

testAlone(
  'who listens at one node must not decide what all nodes do',
  'patterns that cannot match a key do not hinder a move',
  async () => {
    const { client } = await startListening('', namedPatterns(''))
    expect(await client.call('RENAME', 'a', 'b')).toBe('OK')
    await client.call('MULTI')
    for (let i = 0; i < 10; i++) await client.call('RENAME', i % 2 ? 'a' : 'b', i % 2 ? 'b' : 'a')
    expect(await client.call('EXEC')).toEqual(Array(10).fill('OK'))
  },
)

testAlone(
  'who listens at one node must not decide what all nodes do',
  'comparisons count by the bytes of the keys',
  async () => {
    const { client, store } = await startListening('', patterns('').slice(0, 20))
    const { index } = store
    const refused = await client.call('RENAME', 'a', 'b'.repeat(15_000))
    expect(errorText(refused)).toMatch(/^ERR too many nodes to move/)
    expect(store.index).toBe(index)
    expect(await client.call('RENAME', 'a', 'b')).toBe('OK')
  },
)

testAlone(
  'who listens at one node must not decide what all nodes do',
  'patterns of channels count where each moved node is notified as new',
  async () => {
    const hiddenChannels = patterns('').map((pattern) => pattern.slice(1))
    const { client } = await startListening('', hiddenChannels)
    const setFlags = (flags: string) =>
      client.call('CONFIG', 'SET', 'notify-keyspace-events', flags)
    await setFlags('KEA')
    expect(await client.call('RENAME', 'a', 'b')).toBe('OK')
    for (const flags of ['Kn', 'En', 'KEn']) {
      await setFlags(flags)
      expect(errorText(await client.call('RENAME', 'b', 'a'))).toMatch(
        /^ERR too many nodes to move while clients listen to 1000 patterns/,
      )
    }
  },
)

testAlone(
  'who listens at one node must not decide what all nodes do',
  'patterns of channels that have nothing in common with a key do not count',
  async () => {
    const channels = Array.from({ length: PATTERNS }, (_, i) => `*zz${i}z`)
    const { client } = await startListening('', channels)
    await client.call('CONFIG', 'SET', 'notify-keyspace-events', 'KEAn')
    const pubsub = vi.spyOn(LongWork.prototype, 'note')
    onTestFinished(() => pubsub.mockRestore())
    expect(await client.call('RENAME', 'a', 'b')).toBe('OK')
    const time = pubsub.mock.calls.reduce((sum, [each]) => sum + each, 0)
    expect(time / TIME_OF.triedPattern).toBeLessThan((PATTERNS * NODES) / 40)
  },
)

test('what a log has is applied, whoever listens', () => {
  const store = new Store({ clock: new ServerClock(new ManualClock()) })
  for (let i = 0; i < NODES; i++) store.set(`/a/${i}`, '')
  const pubsub = new Subscriptions(store, () => {})
  const applier = new Applier(store, { pubsub })
  const list = patterns('')
  for (let i = 0; i < list.length; i += PATTERNS_OF_CLIENT) {
    const listener = { ...silentClient(applier.server), channelCount: 1 }
    pubsub.patternSubscribe(listener, list.slice(i, i + PATTERNS_OF_CLIENT))
  }
  expect(pubsub.patternCount).toBe(PATTERNS)
  applier.apply({ kind: 'requests', time: 1, requests: [['RENAME', 'a', 'b']] })
  expect(store.lookup('/b/0')).toBeDefined()
})

test('above maxmemory a key is moved only where no directories have to be made', async () => {
  const client = await join(await start())
  await client.call('MSET', 'a', '1', 'd/stands', '1')
  await client.call('CONFIG', 'SET', 'maxmemory', '1')
  expect(errorText(await client.call('SET', 'b', '1'))).toMatch(/^OOM/)
  for (const [from, to, isMade] of [
    ['a', 'b', true],
    ['b', 'd/b', true],
    ['d/b', 'd/e/b', false],
    ['d/b', '/d/d/d/d/d/d/d', false],
    ['d/b', '/b', true],
  ] as const) {
    for (const name of ['RENAME', 'RENAMENX']) {
      const reply = await client.call(name, from, to)
      if (isMade)
        expect([reply, await client.call('RENAME', to, from)]).toEqual([
          name === 'RENAME' ? 'OK' : 1,
          'OK',
        ])
      else expect(errorText(reply)).toMatch(/^OOM command not allowed/)
    }
    if (isMade) await client.call('RENAME', from, to)
  }
})
