import { describe, expect, test } from 'vitest'
import { MAX_COMMON, MAX_COMMON_OF_CLIENT } from '../../src/pubsub/common-patterns.ts'
import type { Subscriber } from '../../src/pubsub/subscriber.ts'
import { TreePatterns } from '../../src/pubsub/tree-patterns.ts'
import { ErrorReply, join, start } from '../server/raw-client.ts'

const TOO_MANY =
  'ERR too many patterns of keys that name no bytes of their own (the limit is 100 of a client, 1000 of all)'
/** The number of a pattern, told by what matches anything. */
const stars = (i: number): string =>
  [...i.toString(2)].map((bit) => (bit === '0' ? '?' : '*?')).join('')

const aClient = (): Subscriber => ({}) as Subscriber

describe('a client may listen to few patterns', () => {
  test.each([
    ['that name nothing', (i: number) => `/${stars(i)}[ab]`],
    ['that name nothing at a directory', (i: number) => `/a/b/${stars(i)}[ab]`],
    ['that name bytes as classes', (i: number) => `/[j][o][b]${stars(i)}[x]`],
  ])('%s', (_, make) => {
    const patterns = new TreePatterns()
    const client = aClient()
    for (let i = 0; i < MAX_COMMON_OF_CLIENT; i++) patterns.add(make(i), client)
    expect(() => patterns.add(make(-1), client)).toThrow(TOO_MANY)
    expect(patterns.size).toBe(MAX_COMMON_OF_CLIENT)
    // The same pattern costs each client its place.
    const other = aClient()
    for (let i = 0; i < MAX_COMMON_OF_CLIENT; i++) patterns.add(make(i), other)
    expect(() => patterns.add(make(-1), other)).toThrow(TOO_MANY)
    patterns.remove(make(0), client)
    patterns.add(make(-1), client)
  })

  test('that name what many others do', () => {
    const patterns = new TreePatterns()
    const client = aClient()
    const add = (): void => {
      for (let i = 0; i < 1000; i++) patterns.add(`/*job${stars(i)}`, client)
    }
    expect(add).toThrow(TOO_MANY)
    expect(patterns.size).toBeLessThan(300)
  })
})

test.each([
  ['that name their number', (i: number) => `/jobs/*-${i}`],
  ['of a directory each', (i: number) => `/jobs/${i}/*`],
  ['that are no patterns', (i: number) => `/${i}`],
  ['of one letter each', (i: number) => `/${String.fromCharCode(128 + (i & 127))}*`],
])('patterns %s are not bounded', (_, make) => {
  const patterns = new TreePatterns()
  const client = aClient()
  for (let i = 0; i < 20_000; i++) patterns.add(make(i), client)
  expect(patterns.size).toBe(new Set(Array.from({ length: 20_000 }, (__, i) => make(i))).size)
})

test('all clients together may listen to some more, and free them as they go', () => {
  const patterns = new TreePatterns()
  const clients = Array.from({ length: 11 }, aClient)
  for (let i = 0; i < MAX_COMMON; i++) patterns.add(`/${stars(i)}[ab]`, clients[i % 10])
  expect(() => patterns.add('/*[c]', clients[10])).toThrow(TOO_MANY)
  // What others listen to already costs nothing more.
  patterns.add(`/${stars(5)}[ab]`, clients[10])
  patterns.remove(`/${stars(5)}[ab]`, clients[5])
  expect(() => patterns.add('/*[c]', clients[10])).toThrow(TOO_MANY)
  patterns.remove(`/${stars(5)}[ab]`, clients[10])
  patterns.add('/*[c]', clients[10])
  expect(patterns.size).toBe(MAX_COMMON)
})

test('a PSUBSCRIBE that is refused subscribes to nothing', async () => {
  const server = await start()
  const client = await join(server, 3)
  await client.call('PSUBSCRIBE', 'news*', '/kept[ab]')
  await client.take(1)
  const many = Array.from({ length: 101 }, (_, i) => `/${stars(i)}[ab]`)
  const reply = await client.call('PSUBSCRIBE', 'more*', ...many, '/last*')
  expect(reply).toBeInstanceOf(ErrorReply)
  expect((reply as ErrorReply).text).toBe(TOO_MANY)
  expect(await client.call('PUBSUB', 'NUMPAT')).toBe(2)
  // Patterns of channels are not bounded.
  const channels = many.map((pattern) => pattern.slice(1))
  client.send('PSUBSCRIBE', ...channels)
  await client.take(channels.length)
  expect(await client.call('PUBSUB', 'NUMPAT')).toBe(2 + channels.length)
})
