import { expect, test } from 'vitest'
import { ChannelPatterns } from '../../src/pubsub/channel-patterns.ts'
import type { Subscriber } from '../../src/pubsub/subscriber.ts'
import { matchGlob } from '../../src/text/glob.ts'
import { SeededRandom } from '../persistence/seeded-random.ts'
import { join, start } from '../server/raw-client.ts'

const client = {} as Subscriber
const PARTS = [
  'a',
  'b',
  'ab',
  '*',
  '?',
  '[ab]',
  '[^b]',
  '*b*a',
  'bab',
  '/',
  '\\a',
  '\\*',
  '[a-',
  '\xff',
]
const CHANNEL_PARTS = ['a', 'b', 'ab', '/', '*', '\xff', '']

test('any patterns match the channels that they match one by one, in the order in which they came', () => {
  const random = new SeededRandom(11)
  const text = (parts: readonly string[], most: number): string =>
    Array.from({ length: random.between(1, most) }, () => random.oneOf(parts)).join('')
  const patterns = new ChannelPatterns()
  const all = new Set<string>()
  for (let round = 0; round < 3000; round++) {
    const pattern = text(PARTS, 5)
    if (all.has(pattern) && random.between(0, 1) === 0) {
      patterns.remove(pattern, client)
      all.delete(pattern)
    } else if (all.size < 300) {
      patterns.add(pattern, client)
      all.add(pattern)
    }
    const channel = text(CHANNEL_PARTS, 6)
    const found = patterns.matching(channel).map((each) => each.pattern)
    expect(found).toEqual([...all].filter((each) => matchGlob(each, channel)))
    expect(patterns.size).toBe(all.size)
  }
})

test('a message is compared with few of many patterns, and sent in their order', async () => {
  const server = await start()
  const [listener, publisher] = [await join(server), await join(server)]
  const many = Array.from({ length: 500 }, (_, i) => `*z${i}`)
  await listener.call('PSUBSCRIBE', 'n*', ...many, '*s', 'news', '?ews')
  await listener.take(many.length + 3)
  expect(await publisher.call('PUBLISH', 'news', 'x')).toBe(4)
  const got = (await listener.take(4)) as string[][]
  expect(got.map((message) => message[1])).toEqual(['n*', '*s', 'news', '?ews'])
})

test('what is told of a channel counts only patterns that have something in common with it', () => {
  const patterns = new ChannelPatterns()
  for (let i = 0; i < 500; i++) patterns.add(`*z${i}`, client)
  expect(patterns.workAt('news').here).toBeLessThan(2)
  for (let i = 0; i < 50; i++) patterns.add(`*ews${'?'.repeat(i)}`, client)
  expect(patterns.workAt('news').here).toBeGreaterThan(50)
})
