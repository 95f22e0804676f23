import { describe, expect, test, vi } from 'vitest'
import { Users } from '../../src/access/users.ts'
import { commandTable } from '../../src/commands/table.ts'
import { MemoryGauge } from '../../src/metrics/memory-gauge.ts'
import type { Subscriber } from '../../src/pubsub/subscriber.ts'
import { Subscriptions } from '../../src/pubsub/subscriptions.ts'
import { catalogueOf } from '../../src/request/access-of-command.ts'
import { keptRuleBytes } from '../../src/request/room.ts'
import { WatchedKeys } from '../../src/request/watched-keys.ts'
import { ReplyWriter } from '../../src/resp/reply-writer.ts'
import { Store } from '../../src/store/store.ts'
import { usedMemory } from '../server/memory.ts'
import { ErrorReply, eventually, join, type Reply, start } from '../server/raw-client.ts'

const MB = 1024 ** 2

class SilentSubscriber implements Subscriber {
  readonly executing = false
  mayGet(): boolean {
    return true
  }
  maySee(): boolean {
    return true
  }

  readonly reply = Object.assign(new ReplyWriter(), {
    push() {},
    bulk() {},
    bulkOrNull() {},
    integer() {},
  })
  readonly channels = new Set<string>()
  readonly patterns = new Set<string>()
  readonly bufferedOutput = 0
  readonly aheadBytes = 0
  subscriptionBytes = 0

  get channelCount(): number {
    return this.channels.size
  }
  get patternCount(): number {
    return this.patterns.size
  }
  limitKept(): boolean {
    return true
  }
  deliver(): void {}
  deliverShared(): void {}
  whenDrained(): void {}
  close(): void {}
  disconnect(): void {}
  fail(): void {}
}

/** Keeps names. @returns what holds them, and the bytes that it counts */
type Keep = (names: readonly string[]) => { holder: unknown; counted: number }

const subscribe =
  (method: 'subscribe' | 'patternSubscribe'): Keep =>
  (names) => {
    const client = new SilentSubscriber()
    const pubsub = new Subscriptions(new Store(), () => {})
    pubsub[method](client, names)
    return { holder: [client, pubsub], counted: client.subscriptionBytes }
  }

const kinds: Readonly<Record<string, Keep>> = {
  'watched keys': (names) => {
    const keys = new WatchedKeys(new Store())
    for (const name of names) keys.add(name)
    return { holder: keys, counted: keys.bytes }
  },
  'tree channels': subscribe('subscribe'),
  channels: (names) => subscribe('subscribe')(names.map((name) => name.slice(1))),
  patterns: (names) => subscribe('patternSubscribe')(names.map((name) => name.slice(1))),
}

const shapes: Readonly<Record<string, (i: number) => string>> = {
  short: (i) => `/key:${i}`,
  nested: (i) => `/jobs/${i % 1000}/state/${i}`,
  'of 1,000 levels': (i) => `/${i}/${'a/'.repeat(1000)}b`,
  'of 1,000 levels, each a beginning of the next': (i) => `/${'a/'.repeat(i % 1000)}${i}`,
  'of one long component': (i) => `/${i}${'a'.repeat(2000)}`,
}

const cases = Object.keys(kinds).flatMap((kind) =>
  Object.keys(shapes).map((s) => [kind, s] as const),
)

describe('what a client makes the server keep is counted as what it costs', () => {
  test.each(cases)('%s %s', (kind, shape) => {
    // Enough to stand out from what else the process allocates.
    const count = shape === 'short' || shape === 'nested' ? 20_000 : 4000
    const names = Array.from({ length: count }, (_, i) =>
      // A string of its own, as a request brings it.
      Buffer.from(shapes[shape](i), 'latin1').toString('latin1'),
    )
    kinds[kind](names.slice(0, 10))
    const lengths = names.reduce((sum, { length }) => sum + length, 0)
    // The request's own strings are dropped after it.
    const sent = lengths + 24 * names.length
    const before = usedMemory()
    const { holder, counted } = kinds[kind](names)
    names.length = 0
    const measured = usedMemory() - before + sent
    expect(holder).toBeDefined()
    expect(counted).toBeGreaterThan(lengths)
    expect(measured).toBeLessThan(2 * counted)
    expect(measured).toBeGreaterThan(0.5 * counted)
  })
})

describe('the rules of a user take no more than is counted before', () => {
  test.each<[string, (i: number) => string]>([
    ['key patterns', (i) => `~${i}`],
    ['first arguments', (i) => `+get|${i}`],
    ['selectors', (i) => `(+get ~${i})`],
    [
      'selectors of many words',
      (i) => `(+get ${'~a&b\t+set|c '.replace(/[abc]/g, `$&${i}`)}%R~${i})`,
    ],
  ])('%s', (_, rule) => {
    const users = new Users(catalogueOf(commandTable), () => true)
    const rules = Array.from({ length: 20_000 }, (_, i) => rule(i))
    const counted = keptRuleBytes(['ACL', 'SETUSER', 'w', ...rules])
    const before = usedMemory()
    users.set('w', rules)
    expect(usedMemory() - before).toBeLessThan(counted)
    expect(users.all).toHaveLength(2)
  })

  test('a request with too many selectors is refused', async () => {
    new MemoryGauge().collect()
    const server = await start({ directives: { maxmemory: String(usedMemory() + 32 * MB) } })
    const client = await join(server, 3)
    const selectors = (length: number): string[] => Array.from({ length }, (_, i) => `(~${i})`)
    expect(await client.call('ACL', 'SETUSER', 'w', ...selectors(1000))).toBe('OK')
    expect(isOom(await client.call('ACL', 'SETUSER', 'w', ...selectors(20_000)))).toBe(true)
  })
})

test('client-query-buffer-limit bounds subscriptions', async () => {
  const server = await start({ directives: { 'client-query-buffer-limit': '1mb' } })
  for (const [command, first] of [
    ['SUBSCRIBE', 'c'],
    ['SUBSCRIBE', '/c'],
    ['PSUBSCRIBE', 'c'],
    ['PSUBSCRIBE', '/c'],
    ['KWATCH', '/c'],
  ]) {
    const client = await join(server)
    for (let i = 0; i < 100; i++) {
      client.send(command, ...Array.from({ length: 50 }, (_, j) => `${first}:${i}:${j}`))
    }
    await client.closed
  }
  await eventually(() => server.store.hub.count === 0)
})

test('one request of too many names is given up in the middle', async () => {
  const names = Array.from({ length: 100_000 }, (_, i) => `/${i}`)
  for (const method of ['subscribe', 'patternSubscribe'] as const) {
    const client = new SilentSubscriber()
    client.limitKept = () => client.subscriptionBytes < MB
    new Subscriptions(new Store(), () => {})[method](client, names)
    expect(client.subscriptionBytes).toBeLessThan(2 * MB)
  }
  const add = vi.spyOn(WatchedKeys.prototype, 'add')
  const server = await start({ directives: { 'client-query-buffer-limit': '2mb' } })
  const client = await join(server)
  const bulks = names.map((name) => `$${name.length}\r\n${name}\r\n`)
  client.write(`*100001\r\n$5\r\nWATCH\r\n${bulks.join('')}`)
  await client.closed
  expect(add.mock.calls.length).toBeLessThan(20_000)
  add.mockRestore()
})

test('what is given up is not counted any more', () => {
  const client = new SilentSubscriber()
  const pubsub = new Subscriptions(new Store(), () => {})
  const names = Array.from({ length: 100 }, (_, i) => `${i % 2 === 0 ? '/' : ''}${i}`)
  for (let i = 0; i < 2; i++) {
    pubsub.subscribe(client, names)
    pubsub.patternSubscribe(client, names)
  }
  expect(client.subscriptionBytes).toBeGreaterThan(0)
  pubsub.unsubscribe(client, names.slice(50))
  pubsub.unsubscribe(client, [])
  pubsub.patternUnsubscribe(client, [])
  expect(client.subscriptionBytes).toBe(0)
  pubsub.subscribe(client, names)
  pubsub.drop(client)
  expect(client.subscriptionBytes).toBe(0)
})

const isOom = (reply: Reply): boolean =>
  reply instanceof ErrorReply && reply.text.startsWith('OOM command not allowed')

describe('maxmemory', () => {
  /** 8 KB, in as many levels as there may be. */
  const deep = (i: number): string => `/${i}/${'directo/'.repeat(1000)}`

  test.each(['WATCH', 'SUBSCRIBE', 'KWATCH', 'PSUBSCRIBE'])('bounds %s', async (command) => {
    new MemoryGauge().collect()
    const limit = usedMemory() + 32 * MB
    const server = await start({ directives: { maxmemory: String(limit) } })
    const client = await join(server, 3)
    let kept = 0
    while (kept < 100_000 && !isOom(await client.call(command, deep(kept)))) kept++
    // 8 KB and some overhead each; and V8 may keep garbage of tens of megabytes.
    expect(kept).toBeGreaterThan(100)
    expect(kept).toBeLessThan((1.25 * 32 * MB) / 8000)
    await client.call('RESET')
  })

  test.each(['WATCH', 'SUBSCRIBE', 'PSUBSCRIBE'])(
    'refuses one %s of more names than there is room for',
    async (command) => {
      new MemoryGauge().collect()
      const server = await start({ directives: { maxmemory: String(usedMemory() + 32 * MB) } })
      const client = await join(server, 3)
      const names = Array.from({ length: 200_000 }, (_, i) => `$6\r\n${100_000 + i}\r\n`)
      client.write(`*200001\r\n$${command.length}\r\n${command}\r\n${names.join('')}`)
      const replies = await client.untilPong()
      expect(replies).toHaveLength(1)
      expect(isOom(replies[0])).toBe(true)
    },
  )
})

test('CLIENT LIST counts what is kept', async () => {
  const server = await start()
  const client = await join(server, 3)
  await client.call('WATCH', 'a'.repeat(15_000))
  await client.call('SUBSCRIBE', 'b'.repeat(16_000))
  const info = String(await client.call('CLIENT', 'INFO'))
  expect(Number(/tot-mem=(\d+)/.exec(info)?.[1])).toBeGreaterThan(30_000)
})

test('names, channels and patterns have a longest length', async () => {
  const server = await start()
  const client = await join(server, 3)
  const long = 'x'.repeat(70_000)
  for (const request of [
    ['SUBSCRIBE', 'a', long],
    ['PSUBSCRIBE', 'a', long],
    ['PUBLISH', long, 'a'],
    ['PUBSUB', 'CHANNELS', long],
    ['KEYS', long],
    ['SCAN', '0', 'MATCH', long],
    ['CONFIG', 'GET', `*${long}`],
    ['COMMAND', 'LIST', 'FILTERBY', 'PATTERN', long],
    ['SUBSCRIBE', `/a?${'&'.repeat(2000)}`],
    ['CLIENT', 'SETNAME', long],
    ['CLIENT', 'SETINFO', 'LIB-NAME', long],
    ['CLIENT', 'SETINFO', 'LIB-VER', long],
    ['HELLO', '3', 'SETNAME', long],
  ]) {
    const reply = await client.call(...request)
    expect(reply).toBeInstanceOf(ErrorReply)
    expect((reply as ErrorReply).text).toMatch(/ long/)
  }
  expect(await client.call('PUBSUB', 'CHANNELS')).toEqual([])
  const longest = 'x'.repeat(16_383)
  expect(await client.call('PUBLISH', longest, 'a')).toBe(0)
  expect(await client.call('KEYS', longest)).toEqual([])
})
