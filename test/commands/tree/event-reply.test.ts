import fc from 'fast-check'
import { expect, test } from 'vitest'
import { writeEvent } from '../../../src/commands/tree/event-reply.ts'
import { ReplyWriter } from '../../../src/resp/reply-writer.ts'
import { ACTIONS, type Event, type NodeExtern } from '../../../src/store/event.ts'

/** Texts of few lengths, so that a reply often has the shape of the one before. */
const text = fc.oneof(
  fc.constantFrom('', 'a', 'b', '\xff', 'some text', 'other txt'),
  fc.nat({ max: 1100 }).map((length) => 'x'.repeat(length)),
)
const index = fc.oneof(
  fc.constantFrom(1, 9, 10, 99, 100, 12_345, 99_999, 2 ** 31 - 1, 2 ** 31, 2 ** 52),
  fc.nat({ max: 200 }),
)
const node: fc.Arbitrary<NodeExtern> = fc
  .record({
    key: text.map((name) => `/${name}`),
    value: fc.option(text, { nil: undefined, freq: 8 }),
    ttl: fc.option(fc.nat({ max: 9 }), { nil: undefined, freq: 1 }),
    modifiedIndex: index,
    createdIndex: index,
  })
  .map((fields) => ({
    ...fields,
    dir: fields.value === undefined,
    expiration: fields.ttl === undefined ? undefined : Date.UTC(2030, 0, 1),
    nodes: undefined,
  }))

const event: fc.Arbitrary<Event> = fc.record({
  action: fc.constantFrom(...ACTIONS),
  node,
  prevNode: fc.option(node, { nil: undefined }),
  index,
  refresh: fc.constant(false),
})

/** Writes an event field by field. */
function writeFields(reply: ReplyWriter, { action, node, prevNode, index }: Event): void {
  reply.map(prevNode === undefined ? 3 : 4)
  reply.bulk('action')
  reply.bulk(action)
  reply.bulk('node')
  writeNodeFields(reply, node)
  if (prevNode !== undefined) {
    reply.bulk('prevNode')
    writeNodeFields(reply, prevNode)
  }
  reply.bulk('index')
  reply.integer(index)
}

function writeNodeFields(reply: ReplyWriter, node: NodeExtern): void {
  const fields: [string, () => void][] = [['key', () => reply.bulk(node.key)]]
  const { value, ttl, expiration } = node
  if (node.dir) fields.push(['dir', () => reply.boolean(true)])
  if (value !== undefined) fields.push(['value', () => reply.bulk(value)])
  if (expiration !== undefined && ttl !== undefined) {
    fields.push(['expiration', () => reply.bulk(new Date(expiration).toISOString())])
    fields.push(['ttl', () => reply.integer(ttl)])
  }
  fields.push(['modifiedIndex', () => reply.integer(node.modifiedIndex)])
  fields.push(['createdIndex', () => reply.integer(node.createdIndex)])
  reply.map(fields.length)
  for (const [name, write] of fields) {
    reply.bulk(name)
    write()
  }
}

/** Events whose previous node has the same key, as in the store. */
const events = fc.array(
  event.map((each) =>
    each.prevNode === undefined
      ? each
      : { ...each, prevNode: { ...each.prevNode, key: each.node.key } },
  ),
  { minLength: 1, maxLength: 40 },
)

test.each([2, 3] as const)(
  'RESP%i: any sequence of events is the same as written field by field',
  (protocol) => {
    fc.assert(
      fc.property(events, fc.nat({ max: 3 }), (list, repeats) => {
        const [written, expected] = [new ReplyWriter(), new ReplyWriter()]
        written.protocol = expected.protocol = protocol
        for (const each of list) {
          for (let i = 0; i <= repeats; i++) {
            const next = { ...each, index: each.index + i }
            writeEvent(written, next)
            writeFields(expected, next)
          }
        }
        expect(written.bytes.toString('latin1')).toBe(expected.bytes.toString('latin1'))
      }),
      { numRuns: 300 },
    )
  },
)
