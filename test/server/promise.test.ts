import fc from 'fast-check'
import { expect, test } from 'vitest'
import { startServer } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import type { Event } from '../../src/store/event.ts'
import { matchGlob } from '../../src/text/glob.ts'
import { join, Push, type RawClient, type Reply } from './raw-client.ts'

const key = fc.constantFrom(
  '/a',
  '/a/b',
  '/a/b/c',
  '/a/_h/x',
  '/a/bb',
  '/b',
  '/b/c',
  '/_h',
  '/_h/y',
)
const value = fc.constantFrom('', '1', 'Grüße', '\xff')

/** A write. Many of them fail, and a failed write must cause no event. */
const write: fc.Arbitrary<string[]> = fc.oneof(
  fc.tuple(fc.constant('KSET'), key, value),
  fc.tuple(fc.constant('KSET'), key, value, fc.constant('PX'), fc.constantFrom('1', '3', '10000')),
  fc.tuple(fc.constant('KCREATE'), key, value),
  fc.tuple(fc.constant('KCREATE'), key, value, fc.constant('UNIQUE')),
  fc.tuple(fc.constant('KUPDATE'), key, value),
  fc.tuple(fc.constant('KMKDIR'), key),
  fc.tuple(fc.constant('KMKDIR'), key, fc.constant('PX'), fc.constantFrom('1', '3')),
  fc.tuple(fc.constant('KCAS'), key, value, fc.constant('PREVVALUE'), value),
  fc.tuple(fc.constant('KCAD'), key, fc.constant('PREVVALUE'), value),
  fc.tuple(fc.constant('KDEL'), key),
  fc.tuple(fc.constant('KDEL'), key, fc.constant('RECURSIVE')),
  fc.constantFrom('/a', '/b').map((path) => ['KSET', path, '', 'EX', '100', 'REFRESH']),
)

interface Watch {
  path: string
  recursive: boolean
  /** The first index, past or future, as a fraction of the store's index; undefined: from now on. */
  since: number | undefined
  /** Turns of the event loop to wait before the subscription. */
  moment: number
}

const watch: fc.Arbitrary<Watch> = fc.record({
  path: fc.oneof(fc.constantFrom('/', '/nothing/here', '/a/_h'), key),
  recursive: fc.boolean(),
  since: fc.option(fc.double({ min: 0.01, max: 1.2, noNaN: true }), { nil: undefined }),
  moment: fc.nat({ max: 6 }),
})

const scenario = fc.record({
  writers: fc.array(
    fc.array(fc.array(write, { minLength: 1, maxLength: 12 }), { minLength: 6, maxLength: 7 }),
    {
      minLength: 1,
      maxLength: 3,
    },
  ),
  watchers: fc.array(
    fc.record({
      protocol: fc.constantFrom<2 | 3>(2, 3),
      pattern: fc.constantFrom('/a*', '/*c', '/[^a]*'),
      watches: fc.array(watch, { minLength: 1, maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
})

/** The model of the test: whether a watch sees an event, as docs/watching.md says. */
function sees({ path, recursive }: Watch, event: Event): boolean {
  if (event.refresh) return false
  const at = event.node.key.split('/').filter((name) => name !== '')
  const watched = path.split('/').filter((name) => name !== '')
  const common = watched.every((name, i) => at[i] === name)
  if (common && at.length === watched.length) return true
  if (common) return recursive && !at.slice(watched.length).some((name) => name.startsWith('_'))
  const removed = event.node.dir && (event.action === 'delete' || event.action === 'expire')
  return removed && at.length < watched.length && at.every((name, i) => watched[i] === name)
}

/** One channel or pattern of one connection, and the events received on it. */
interface Subscription {
  name: string
  sees: (event: Event) => boolean
  /** Events from this index on have to come. */
  from: number
  /** Events from this index on may come: without `since`, the first one depends on the timing. */
  mayFrom: number
  /** The indexes of the events received. */
  got: number[]
}

test('every matching event comes once, in order, without a gap between replay and live', async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ writers, watchers }) => {
      const clock = new ManualClock()
      const server = await startServer({ port: 0, clock })
      const events: Event[] = []
      const { store } = server
      store.hub.addEverywhere((event) => events.push(event))
      try {
        const write = async (bursts: string[][][]): Promise<void> => {
          const client = await join(server)
          let count = 0
          for (const burst of bursts) {
            for (const request of burst) client.send(...request)
            count += burst.length
            clock.advance(1)
            await new Promise((resolve) => setImmediate(resolve))
          }
          await client.take(count)
        }
        const writing = writers.map(write)
        const subscribers = await Promise.all(
          watchers.map(async ({ protocol, pattern, watches }) => {
            const client = await join(server, protocol)
            const taken: Reply[] = []
            const index = (): number => store.index
            const subscriptions = [
              await subscribe(client, 'PSUBSCRIBE', pattern, index, taken, (event) =>
                matchGlob(pattern, event.node.key),
              ),
            ]
            for (const watch of watches) {
              for (let left = watch.moment; left > 0; left--) {
                await new Promise((resolve) => setImmediate(resolve))
              }
              const since = watch.since && Math.max(1, Math.round(watch.since * store.index))
              const name = channelOf(watch, since)
              // A second subscription to the same channel would only be confirmed.
              if (subscriptions.some((other) => other.name === name)) continue
              subscriptions.push(
                await subscribe(client, 'KWATCH', name, index, taken, (e) => sees(watch, e), since),
              )
            }
            return { client, taken, subscriptions }
          }),
        )
        await Promise.all(writing)
        const last = await join(server)
        await last.call('KSET', '/end', '1')
        for (const { client, taken, subscriptions } of subscribers) {
          taken.push(...(await client.untilPong()))
          check(taken, subscriptions, events)
        }
      } finally {
        await server.close()
      }
    }),
    { numRuns: Number(process.env.KTREE_WATCH_RUNS ?? 200) },
  )
})

function channelOf({ path, recursive }: Watch, since: number | undefined): string {
  const options: string[] = []
  if (recursive) options.push('recursive=true')
  if (since !== undefined) options.push(`since=${since}`)
  return options.length === 0 ? path : `${path}?${options.join('&')}`
}

/** Subscribes; messages that come before the confirmation go into `taken`. */
async function subscribe(
  client: RawClient,
  command: string,
  name: string,
  index: () => number,
  taken: Reply[],
  sees: (event: Event) => boolean,
  since?: number,
): Promise<Subscription> {
  const before = index()
  client.send(command, name)
  for (;;) {
    const reply = await client.next()
    if (itemsOf(reply)[0] === `${command === 'KWATCH' ? '' : 'p'}subscribe`) break
    taken.push(reply)
  }
  return { name, sees, from: since ?? index() + 1, mayFrom: since ?? before + 1, got: [] }
}

function itemsOf(reply: Reply): readonly Reply[] {
  return reply instanceof Push ? reply.items : (reply as readonly Reply[])
}

function check(
  taken: readonly Reply[],
  subscriptions: readonly Subscription[],
  events: readonly Event[],
): void {
  const byName = new Map(subscriptions.map((subscription) => [subscription.name, subscription]))
  for (const reply of taken) {
    const items = itemsOf(reply)
    byName.get(items[1] as string)?.got.push(JSON.parse(items.at(-1) as string).index)
  }
  for (const { sees, from, mayFrom, got } of subscriptions) {
    const first = got.length > 0 && got[0] < from ? got[0] : from
    expect(first).toBeGreaterThanOrEqual(mayFrom)
    const seen = events.filter((event) => sees(event) && event.index >= first)
    expect(got).toEqual(seen.map(({ index }) => index))
  }
}
