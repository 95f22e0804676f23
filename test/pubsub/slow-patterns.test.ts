import { expect, onTestFinished, test, vi } from 'vitest'
import { Applier, silentClient } from '../../src/log/apply.ts'
import type { Subscriber } from '../../src/pubsub/subscriber.ts'
import { Subscriptions } from '../../src/pubsub/subscriptions.ts'
import { TreePatterns } from '../../src/pubsub/tree-patterns.ts'
import { ServerClock } from '../../src/request/clock.ts'
import { lasting, type PassingMessage } from '../../src/resp/passing-message.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'

const store = new Store({ clock: new ServerClock(new ManualClock()) })
const pubsub = new Subscriptions(store, () => {})
pubsub.backlog.active = true

/** A client with patterns, the keys that it is told of, and why it has been disconnected. */
function listenerTo(...patterns: string[]) {
  const keys: string[] = []
  const reasons: string[] = []
  const own = new Set<string>()
  const client: Subscriber = Object.assign(silentClient(new Applier(store).server), {
    patterns: own,
    deliver: (message: Uint8Array | PassingMessage) => {
      const text = Buffer.from(lasting(message, 2)).toString('latin1')
      keys.push(/\r\n(\/e\/\d+)\r\n/.exec(text)?.[1] ?? '')
    },
    disconnect: (reason: string) => void reasons.push(reason),
  })
  Object.defineProperty(client, 'patternCount', { get: () => own.size })
  pubsub.patternSubscribe(client, patterns)
  return { keys, reasons }
}

/** In this test comparing a key takes a millisecond, and all else no time. */
function onlyComparingTakesTime(): void {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const { matching } = TreePatterns.prototype
  vi.spyOn(TreePatterns.prototype, 'matching').mockImplementation(function (
    this: TreePatterns,
    key,
  ) {
    now += 1
    return matching.call(this, key)
  })
  onTestFinished(() => void vi.restoreAllMocks())
}

test('when keys are compared for too long, the client with the most patterns goes, and others miss nothing', () => {
  onlyComparingTakesTime()
  const many = listenerTo('/*[a]', '/*[b]', '/e/*')
  const few = listenerTo('/e/*', '/x*')
  for (let i = 0; i < 3000; i++) store.set(`/e/${i}`, '')
  expect(few.keys.length).toBeLessThan(20)
  while (pubsub.backlog.next());
  expect(many.reasons).toEqual(['its 3 patterns take too long to be compared with keys'])
  expect([few.reasons, few.keys]).toEqual([[], Array.from({ length: 3000 }, (_, i) => `/e/${i}`)])
  expect(pubsub.patternCount).toBe(2)
})

test('who subscribes while keys wait is told of what comes later, and waits for nothing', () => {
  const early = listenerTo('/e/*', '/*[c]', '/*[d]')
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 0.1))
  onTestFinished(() => clock.mockRestore())
  let now = 0
  for (let i = 0; i < 500; i++) store.set(`/e/${i}`, 'early')
  expect(pubsub.backlog.isEmpty).toBe(false)
  const late = listenerTo('/e/*')
  for (let i = 0; i < 10; i++) pubsub.backlog.next()
  const again = listenerTo('/e/*', '/e/50?')
  store.set('/e/500', 'late')
  pubsub.notify('/e/501', 'x', '/e/501')
  expect([late.keys, again.keys]).toEqual([[], []])
  while (pubsub.backlog.next());
  expect(early.keys.length).toBe(501)
  expect([late.keys, again.keys]).toEqual([['/e/500'], ['/e/500', '/e/500']])
  // Those who were late are as others now.
  store.set('/e/1', 'later')
  while (pubsub.backlog.next());
  expect([late.keys.at(-1), again.keys.at(-1)]).toEqual(['/e/1', '/e/1'])
})

test('when far too many keys wait, those with half of all patterns go, the most first', () => {
  onlyComparingTakesTime()
  const own = (name: string, count: number) =>
    listenerTo(...Array.from({ length: count }, (_, i) => `/*${name}${i}z`))
  const clients = [100, 300, 250].map((count, i) => own('abc'[i], count))
  let looks = 0
  const { listeners } = TreePatterns.prototype
  vi.spyOn(TreePatterns.prototype, 'listeners').mockImplementation(function (this: TreePatterns) {
    looks++
    return listeners.call(this)
  })
  for (let i = 0; i < 50_000 + 10 + 250; i++) store.set(`/f/${i % 10}`, '')
  expect(clients.map(({ reasons }) => reasons.length)).toEqual([0, 1, 1])
  expect(looks).toBe(1)
  while (pubsub.backlog.next());
})
