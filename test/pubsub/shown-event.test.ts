import { beforeEach, expect, test } from 'vitest'
import { Applier, silentClient } from '../../src/log/apply.ts'
import { ShownEvent } from '../../src/pubsub/shown-event.ts'
import type { Subscriber } from '../../src/pubsub/subscriber.ts'
import { Subscriptions } from '../../src/pubsub/subscriptions.ts'
import { ServerClock } from '../../src/request/clock.ts'
import { lasting, type PassingMessage } from '../../src/resp/passing-message.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'
import { usedMemory } from '../server/memory.ts'

let store: Store
let pubsub: Subscriptions
let applier: Applier

beforeEach(() => {
  store = new Store({ clock: new ServerClock(new ManualClock()) })
  pubsub = new Subscriptions(store, () => {})
  applier = new Applier(store)
})

/** A client that keeps the messages that it gets. */
class Reader {
  readonly chunks: Buffer[] = []
  readonly client: Subscriber

  constructor() {
    const keep = (message: Uint8Array | PassingMessage): void => {
      this.chunks.push(lasting(message, 2) as Buffer)
    }
    const client = silentClient(applier.server)
    this.client = Object.assign(client, {
      channels: new Set<string>(),
      patterns: new Set<string>(),
      deliver: keep,
      deliverShared: keep,
    })
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1')
  }
}

const NAMES = ['/a/k', '//a/k', '/a//k?recursive=true', '/a?recursive=true', '/?recursive=true']
const PATTERNS = ['/*k', '/a/*']

test.each([
  ['text that needs escaping', Buffer.alloc(2_400_000, 1)],
  ['no text', Buffer.alloc(2_400_000, 0xff)],
])('a large value, %s, is encoded once for all channels and patterns that show it', (_, value) => {
  const readers = [...NAMES, ...PATTERNS].map((name, i) => {
    const reader = new Reader()
    if (i < NAMES.length) pubsub.subscribe(reader.client, [name])
    else pubsub.patternSubscribe(reader.client, [name])
    return reader
  })
  store.set('/a/k', value)
  const bytes = new Set<Buffer>()
  for (const { chunks } of readers) for (const chunk of chunks.slice(1)) bytes.add(chunk)
  // All but the first chunk, which has the channel's name, are the same Buffers.
  expect(bytes.size).toBe(new Set(readers[0].chunks.slice(1)).size)
  for (const [i, { text }] of readers.entries()) {
    const name = [...NAMES, ...PATTERNS][i]
    expect(text).toContain(`\r\n$${name.length}\r\n${name}\r\n`)
    expect(text.length).toBeGreaterThan(value.length)
    expect(text.slice(text.indexOf('{'))).toBe(readers[0].text.slice(readers[0].text.indexOf('{')))
  }
})

test('a channel keeps nothing of its last message after the turn', () => {
  const paths = Array.from({ length: 500 }, (_, i) => `/s/${i}`)
  const reader = new Reader()
  pubsub.subscribe(reader.client, paths)
  // So that the history has as many events before and after.
  const fillHistory = (): void => {
    for (let i = 0; i < 2000; i++) store.set('/other', '')
  }
  fillHistory()
  const before = usedMemory()
  for (const path of paths) {
    reader.chunks.length = 0
    store.set(path, Buffer.alloc(8000, 1))
    store.delete(path, {})
    pubsub.flush()
    expect(reader.text.length).toBeGreaterThan(80_000)
  }
  reader.chunks.length = 0
  fillHistory()
  expect(usedMemory() - before).toBeLessThan(2 * 1024 * 1024)
  pubsub.drop(reader.client)
})

test('an event that has been shown asks for the end of the turn, and is forgotten there', () => {
  let asked = 0
  const ask = (): void => {
    asked++
  }
  const shown = new ShownEvent(ask)
  const event = store.set('/a', Buffer.alloc(100_000, 1))
  const json = shown.encode(event)
  expect(shown.encode(event)).toBe(json)
  expect(asked).toBe(1)
  shown.forget()
  expect(shown.encode(event)).not.toBe(json)

  // Patterns gather no messages, which would ask for it, too.
  asked = 0
  const listening = new Subscriptions(store, ask)
  listening.patternSubscribe(new Reader().client, ['/*'])
  store.set('/a', Buffer.alloc(100_000, 2))
  expect(asked).toBe(1)
})
