import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import {
  encode,
  type Pair,
  parseReplies,
  pipeline,
  startPair,
  Talk,
  withoutNumbers,
} from './pair.ts'

const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }

/** Pipelines of a single connection. */
const alone: readonly string[] = [
  pipeline('SUBSCRIBE', 'PSUBSCRIBE', 'PUBLISH', 'PUBLISH a', 'PUBLISH a b c', 'PUBLISH a b'),
  pipeline('UNSUBSCRIBE', 'PUNSUBSCRIBE', 'UNSUBSCRIBE a b', 'PUNSUBSCRIBE a* b*', 'PING'),
  pipeline('SUBSCRIBE a b a', 'SUBSCRIBE c', 'UNSUBSCRIBE b x', 'UNSUBSCRIBE a', 'UNSUBSCRIBE c'),
  pipeline('PSUBSCRIBE a* b* a*', 'PUNSUBSCRIBE b* x', 'PUNSUBSCRIBE a*', 'PING'),
  pipeline('SUBSCRIBE a', 'PSUBSCRIBE a*', 'UNSUBSCRIBE', 'PUNSUBSCRIBE', 'PING'),
  pipeline(
    'SUBSCRIBE a',
    'PING',
    'PING x',
    'PING x y',
    'ECHO x',
    'GET_',
    'CLIENT GETNAME',
    'PUBLISH a b',
  ),
  pipeline(
    'PSUBSCRIBE a',
    'client getname',
    'CLIENT NOPE',
    'CLIENT',
    'SUBSCRIBE',
    'CONFIG GET x',
    'MONITOR',
  ),
  pipeline('SUBSCRIBE a', 'HELLO 3', 'HELLO 2', 'SELECT 0', 'AUTH x', 'QUIT', 'PING'),
  pipeline('SUBSCRIBE a', 'PSUBSCRIBE b', 'RESET', 'PING', 'UNSUBSCRIBE', 'PUNSUBSCRIBE'),
  pipeline('SUBSCRIBE a', 'UNSUBSCRIBE', 'ECHO x', 'PUBLISH a b'),
  encode('SUBSCRIBE', '', '\r\n\0\xff') +
    pipeline('PING') +
    encode('UNSUBSCRIBE', '', '\r\n\0\xff'),
  pipeline('PUBSUB CHANNELS', 'PUBSUB channels x*', 'PUBSUB CHANNELS a b', 'PUBSUB HELP x'),
  pipeline('PUBSUB NUMSUB', 'PUBSUB NUMSUB a b a', 'PUBSUB NUMPAT', 'PUBSUB NUMPAT x'),
  pipeline('MONITOR', 'SUBSCRIBE a', 'UNSUBSCRIBE').replace(pipeline('MONITOR'), ''),
]

/** In RESP3 a subscriber can call every command, PUBLISH to itself included. */
const subscribed: readonly string[] = [
  pipeline('SUBSCRIBE a', 'PUBLISH a hello', 'ECHO x', 'PING', 'PING x'),
  pipeline(
    'SUBSCRIBE a',
    'PSUBSCRIBE a\\* b?',
    'PUBLISH a hello',
    'PUBLISH bb hello',
    'PUBLISH a* x',
    'ECHO x',
  ),
  pipeline('SUBSCRIBE a', 'PUBSUB CHANNELS', 'PUBSUB NUMSUB a', 'PUBSUB NUMPAT', 'HELLO 3'),
  pipeline('SUBSCRIBE a', 'HELLO 2', 'ECHO x', 'PING', 'UNSUBSCRIBE', 'ECHO x'),
  pipeline('SUBSCRIBE a', 'CLIENT REPLY SKIP', 'PUBLISH a x', 'PING'),
]

describeWithPeer('redis-server', 'pub/sub on ordinary channels, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair()
  })
  afterAll(() => pair?.stop())

  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test.for(alone)(`${protocol}: %j`, async (input) => {
      const { redis, ktree } = await pair.ask(prefix + input)
      expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
    })

    test(`${protocol}: messages from another connection`, async () => {
      const { redis, ktree } = await pair.each(async (port) => {
        const listener = await Talk.open(port)
        const speaker = await Talk.open(port)
        let output = prefix === '' ? '' : await listener.ask(prefix, 'modules\r\n*0\r\n')
        output += await listener.ask(pipeline('SUBSCRIBE news other'), ':2\r\n')
        output += await listener.ask(pipeline('PSUBSCRIBE n?[w]s [^a-m]othe* x'), ':5\r\n')
        const heard: string[] = []
        for (const words of [
          ['news', 'one'],
          ['other', 'a\r\nb\0\xff'],
          ['nobody', 'hears'],
          ['unheard', ''],
          ['', 'x'],
        ]) {
          heard.push(await speaker.ask(encode('PUBLISH', ...words), '\r\n'))
        }
        const asked = pipeline('PUBSUB NUMSUB news x', 'PUBSUB NUMPAT', 'PUBSUB CHANNELS n*')
        heard.push(await speaker.ask(`${asked}${pipeline('ECHO asked')}`, 'asked\r\n'))
        output += await listener.ask(pipeline('PING end'), 'end\r\n')
        listener.close()
        speaker.close()
        return { output: withoutNumbers(output), heard }
      })
      expect(ktree).toEqual(redis)
    })
  }

  test.for(subscribed)('RESP3: %j', async (input) => {
    const { redis, ktree } = await pair.ask(PREFIXES.RESP3 + input)
    expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
  })

  // Redis ends subscriptions in the order of a hash table, ktree in the order of SUBSCRIBE.
  test.for(Object.entries(PREFIXES))('%s: all subscriptions ended at once', async ([, prefix]) => {
    const begin = pipeline('SUBSCRIBE a b c', 'PSUBSCRIBE d e f')
    const { redis, ktree } = await pair.ask(
      prefix + begin + pipeline('UNSUBSCRIBE', 'PUNSUBSCRIBE'),
    )
    const sorted = (output: string): unknown[] => {
      const replies = parseReplies(withoutNumbers(output)).slice(-6) as unknown[][]
      const names = replies.map(([, name]) => name).toSorted()
      return [names, replies.map(([kind, , count]) => [kind, count])]
    }
    expect(sorted(ktree)).toEqual(sorted(redis))
  })

  test('PUBSUB CHANNELS lists each channel once', async () => {
    const { redis, ktree } = await pair.each(async (port) => {
      const listeners = [await Talk.open(port), await Talk.open(port)]
      for (const each of listeners)
        await each.ask(pipeline('SUBSCRIBE x y', 'PSUBSCRIBE z'), ':3\r\n')
      const asker = await Talk.open(port)
      const asked = pipeline('PUBSUB CHANNELS', 'PUBSUB CHANNELS [x]', 'PUBSUB NUMPAT', 'ECHO end')
      const [all, some, patterns] = parseReplies(await asker.ask(asked, 'end\r\n'))
      for (const each of [...listeners, asker]) each.close()
      return [(all as string[]).toSorted(), some, patterns]
    })
    expect(ktree).toEqual(redis)
  })
})
