import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import type { NodeExtern } from '../../src/store/event.ts'
import { eventToJson, nodeToJson } from '../../src/store/event-json.ts'
import { Store } from '../../src/store/store.ts'
import { bytesToText, textToBytes } from '../../src/store/text.ts'

const parse = (json: string) => JSON.parse(Buffer.from(json, 'latin1').toString('utf8'))
const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array).toString('latin1'))
const texts = fc.string({ unit: 'binary', maxLength: 80 }).map(textToBytes)

describe('eventToJson', () => {
  test('has the fields in the order of replies', () => {
    const store = new Store({ clock: new ManualClock() })
    const expireTime = store.clock.now() + 1500
    expect(eventToJson(store.set('/a', 'x', { expireTime }))).toBe(
      '{"action":"set","node":{"key":"/a","value":"x","expiration":"2020-01-01T00:00:01.500Z",' +
        '"ttl":2,"modifiedIndex":1,"createdIndex":1},"index":1}',
    )
    expect(eventToJson(store.delete('/a'))).toBe(
      '{"action":"delete","node":{"key":"/a","modifiedIndex":2,"createdIndex":1},' +
        '"prevNode":{"key":"/a","value":"x","expiration":"2020-01-01T00:00:01.500Z","ttl":2,' +
        '"modifiedIndex":1,"createdIndex":1},"index":2}',
    )
    store.createDirectory('/d/e')
    expect(eventToJson(store.get('/d'))).toBe(
      '{"action":"get","node":{"key":"/d","dir":true,"nodes":[{"key":"/d/e","dir":true,' +
        '"modifiedIndex":3,"createdIndex":3}],"modifiedIndex":3,"createdIndex":3},"index":3}',
    )
    expect(nodeToJson(store.get('/d/e').node)).toContain('"nodes":[]')
  })

  test('writes text as text', () => {
    fc.assert(
      fc.property(texts, (value) => {
        const store = new Store()
        const { node } = parse(eventToJson(store.set('/a', value)))
        expect(node.value).toBe(bytesToText(value))
        expect(node).not.toHaveProperty('encoding')
      }),
    )
  })

  test('is JSON, with nothing lost, whatever the bytes of keys and values', () => {
    fc.assert(
      fc.property(bytes, bytes, (name, value) => {
        const store = new Store()
        const key = `/k${name.replaceAll('/', '')}`
        const { node } = parse(eventToJson(store.set(key, value)))
        const back = (text: string, encoding: unknown): string =>
          encoding === undefined
            ? textToBytes(text)
            : Buffer.from(text, 'base64').toString('latin1')
        expect(back(node.value, node.encoding)).toBe(value)
        expect(back(node.key, node.keyEncoding)).toBe(key)
      }),
      { numRuns: 2000 },
    )
  })

  test('says base64 where a value or a key is not UTF-8', () => {
    const store = new Store()
    expect(parse(eventToJson(store.set('/\xff', '\xfe'))).node).toMatchObject({
      key: Buffer.from('/\xff', 'latin1').toString('base64'),
      keyEncoding: 'base64',
      value: '/g==',
      encoding: 'base64',
    })
  })

  test('is JSON for the latest and the earliest time', () => {
    const times = fc.oneof(fc.double({ noNaN: true }), fc.maxSafeInteger())
    fc.assert(
      fc.property(times, (expireTime) => {
        const store = new Store({ clock: new ManualClock() })
        const event = store.set('/a', '', { expireTime })
        const { node } = parse(eventToJson(event)) as { node: { expiration: string; ttl: number } }
        expect(node.expiration).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
        expect(Number.isSafeInteger(node.ttl) && node.ttl >= 0).toBe(true)
      }),
    )
  })

  test('a node of a listing may be anything', () => {
    const node: NodeExtern = {
      key: '/',
      dir: true,
      value: undefined,
      expiration: undefined,
      ttl: undefined,
      nodes: [],
      modifiedIndex: 0,
      createdIndex: 0,
    }
    expect(parse(nodeToJson({ ...node, nodes: [node] }))).toEqual({
      ...{ key: '/', dir: true, modifiedIndex: 0, createdIndex: 0 },
      nodes: [{ key: '/', dir: true, nodes: [], modifiedIndex: 0, createdIndex: 0 }],
    })
  })
})
