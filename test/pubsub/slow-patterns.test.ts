import { expect, onTestFinished, test, vi } from 'vitest'
import { Applier, silentClient } from '../../src/log/apply.ts'
import type { Subscriber } from '../../src/pubsub/subscriber.ts'
import { Subscriptions } from '../../src/pubsub/subscriptions.ts'
import { ServerClock } from '../../src/request/clock.ts'
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
    deliver: (bytes: Uint8Array) => {
      keys.push(/\r\n(\/e\/\d+)\r\n/.exec(Buffer.from(bytes).toString('latin1'))?.[1] ?? '')
    },
    disconnect: (reason: string) => void reasons.push(reason),
  })
  Object.defineProperty(client, 'patternCount', { get: () => own.size })
  pubsub.patternSubscribe(client, patterns)
  return { keys, reasons }
}

test('when keys are compared for too long, the client with the most patterns goes, and others miss nothing', () => {
  let now = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => ++now)
  onTestFinished(() => clock.mockRestore())
  const many = listenerTo('/*[a]', '/*[b]', '/e/*')
  const few = listenerTo('/e/*', '/x*')
  for (let i = 0; i < 3000; i++) store.set(`/e/${i}`, '')
  expect(few.keys.length).toBeLessThan(20)
  pubsub.backlog.finish()
  expect(many.reasons).toEqual(['its 3 patterns take too long to be compared with keys'])
  expect([few.reasons, few.keys]).toEqual([[], Array.from({ length: 3000 }, (_, i) => `/e/${i}`)])
  expect(pubsub.patternCount).toBe(2)
})
