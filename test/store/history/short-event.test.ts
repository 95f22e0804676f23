import { expect, test } from 'vitest'
import { type Event, keyOf } from '../../../src/store/event.ts'
import { eventToJson } from '../../../src/store/event-json.ts'
import { Store } from '../../../src/store/store.ts'

/** All that an event shows. */
function shown(event: Event) {
  const { action, node, prevNode, index, refresh } = event
  return { action, node, prevNode, index, refresh, key: keyOf(event), json: eventToJson(event) }
}

test.each([['/a'], ['a'], ['/d/file'], ['/_d/_file']])(
  'setFile(%s) tells what set tells',
  (path) => {
    const [short, long] = [new Store(), new Store()]
    const seen: Event[] = []
    short.watch(path, { stream: true }, (event) => seen.push(event))
    const events: Event[] = []
    for (const value of ['1', '', '\xff', 'four']) {
      const event = short.setFile(path, value)
      expect(shown(event)).toEqual(shown(long.set(path, value)))
      events.push(event)
    }
    expect(events.map(({ overwrite }) => overwrite !== undefined)).toEqual([
      false,
      true,
      true,
      true,
    ])
    expect(seen).toEqual(events)
    expect([...short.history].map(shown)).toEqual([...long.history].map(shown))
    expect(short.stats).toEqual(long.stats)
  },
)

test('an event stays as it was, whatever becomes of its file', () => {
  const store = new Store()
  store.set('/a', '1')
  const event = store.setFile('/a', '2')
  const before = shown(event)
  store.setFile('/a', '3')
  store.delete('/a')
  expect(shown(event)).toEqual(before)
  expect(event.node).toMatchObject({ value: '2', modifiedIndex: 2, createdIndex: 2 })
  expect(event.prevNode).toMatchObject({ value: '1', modifiedIndex: 1, createdIndex: 1 })
})
