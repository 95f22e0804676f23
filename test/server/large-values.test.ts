import { describe, expect, test } from 'vitest'
import { commandTable } from '../../src/commands/table.ts'
import type { Argument } from '../../src/request/arguments/argument.ts'
import type { Command } from '../../src/request/command.ts'
import { LARGE_VALUE_BYTES } from '../../src/store/value.ts'
import {
  ErrorReply,
  eventually,
  join,
  Push,
  type RawClient,
  type Reply,
  start,
} from './raw-client.ts'

const L = LARGE_VALUE_BYTES
const MB = 1024 * 1024
/** Each of the 256 bytes, again and again. */
const binary = (length: number, seed = 0): string =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + seed) % 256)).toString('latin1')
const LENGTHS = [0, 1, L - 1, L, L + 1, 100_000]

/** The `value` of an event's node. */
function valueIn(reply: Reply, node = 'node'): Reply {
  const items = reply as readonly Reply[]
  const fields = items[items.indexOf(node) + 1] as readonly Reply[]
  return fields[fields.indexOf('value') + 1]
}

/** Whether the values are equal; a difference of this length is not worth showing. */
function same(reply: Reply, value: string): void {
  expect(typeof reply).toBe('string')
  expect((reply as string).length).toBe(value.length)
  expect(reply === value).toBe(true)
}

describe.each([2, 3] as const)('in RESP%i values of any length', (protocol) => {
  test('go through every command that takes or gives one', async () => {
    const server = await start({ directives: { 'watch-history-memory': '64mb' } })
    const c = await join(server, protocol)
    for (const [i, length] of LENGTHS.entries()) {
      const value = binary(length, i)
      const other = `${value}x`
      expect(await c.call('SET', 'a', value)).toBe('OK')
      same(await c.call('GET', 'a'), value)
      expect(await c.call('STRLEN', 'a')).toBe(length)
      same(await c.call('SET', 'a', other, 'GET', 'EX', '100'), value)
      same(await c.call('GETSET', 'a', value), other)
      same(await c.call('GETEX', 'a', 'PERSIST'), value)
      expect(await c.call('SET', 'a', 'no', 'IFEQ', other)).toBe(null)
      expect(await c.call('SET', 'a', other, 'IFEQ', value)).toBe('OK')
      expect(await c.call('SET', 'a', 'no', 'IFNE', other)).toBe(null)
      same(await c.call('GETDEL', 'a'), other)
      expect(await c.call('SETNX', 'a', value)).toBe(1)
      expect(await c.call('SETEX', 'b', '100', value)).toBe('OK')
      expect(await c.call('PSETEX', 'c', '100000', value)).toBe('OK')
      expect(await c.call('MSET', 'd', value, 'e', 'small', 'f', value)).toBe('OK')
      expect(await c.call('MSETNX', 'g', value, 'h', other)).toBe(1)
      const all = (await c.call('MGET', 'a', 'b', 'c', 'd', 'f', 'g')) as readonly Reply[]
      for (const each of all) same(each, value)
      expect(await c.call('APPEND', 'a', value)).toBe(2 * length)
      same(await c.call('GET', 'a'), value + value)
      expect(await c.call('SETRANGE', 'b', length + 3, value)).toBe(
        length === 0 ? 0 : 2 * length + 3,
      )
      if (length > 0)
        same(await c.call('GETRANGE', 'b', 1, -2), `${value}\0\0\0${value}`.slice(1, -1))
      expect(await c.call('RENAME', 'd', 'm')).toBe('OK')
      expect(await c.call('COPY', 'm', 'n')).toBe(1)
      same(await c.call('GET', 'n'), value)
      const dump = (await c.call('DUMP', 'n')) as string
      expect(await c.call('RESTORE', 'r', 0, dump, 'REPLACE')).toBe('OK')
      same(await c.call('GET', 'r'), value)
      same(await c.call('ECHO', value), value)
      same(await c.call('PING', value), value)
      expect(await c.call('OBJECT', 'ENCODING', 'g')).toBe(length > 44 ? 'raw' : 'embstr')
      if (length > 1) expect(await c.call('INCR', 'g')).toBeInstanceOf(ErrorReply)
      if (length > 1) expect(await c.call('INCRBYFLOAT', 'g', 1)).toBeInstanceOf(ErrorReply)
      expect(await c.call('MEMORY', 'USAGE', 'g')).toBeGreaterThan(length)

      same(valueIn(await c.call('KSET', '/t/a', value)), value)
      const replaced = await c.call('KSET', '/t/a', other)
      same(valueIn(replaced), other)
      same(valueIn(replaced, 'prevNode'), value)
      same(valueIn(await c.call('KGET', '/t/a')), other)
      same(valueIn(await c.call('KUPDATE', '/t/a', value, 'EX', 100)), value)
      same(valueIn(await c.call('KCREATE', '/t/q', value, 'UNIQUE')), value)
      const swapped = await c.call('KCAS', '/t/a', other, 'PREVVALUE', value)
      same(valueIn(swapped, 'prevNode'), value)
      expect(await c.call('KCAS', '/t/a', value, 'PREVVALUE', value)).toBeInstanceOf(ErrorReply)
      const deleted = await c.call('KCAD', '/t/a', 'PREVVALUE', other)
      same(valueIn(deleted, 'prevNode'), other)
      const state = (await c.call('KSAVE')) as string
      expect(await c.call('KRECOVER', state)).toBe('OK')
      same(await c.call('GET', 'r'), value)
      expect(((await c.call('KSAVE')) as string).length).toBe(state.length)
      expect(await c.call('FLUSHALL')).toBe('OK')
    }
  })

  test('go through transactions', async () => {
    const server = await start()
    const [c, other] = [await join(server, protocol), await join(server, protocol)]
    await c.call('WATCH', 'a')
    await c.call('MULTI')
    for (const length of LENGTHS) expect(await c.call('SET', 'a', binary(length))).toBe('QUEUED')
    expect(await c.call('GET', 'a')).toBe('QUEUED')
    const replies = (await c.call('EXEC')) as readonly Reply[]
    same(replies.at(-1) ?? null, binary(100_000))
    await c.call('WATCH', 'a')
    await other.call('APPEND', 'a', binary(L))
    await c.call('MULTI')
    await c.call('SET', 'a', 'lost')
    expect(await c.call('EXEC')).toBe(null)
  })

  test('reach subscribers, pattern subscribers and watchers, live and replayed', async () => {
    const server = await start()
    const [c, channel, pattern, live, tree] = await Promise.all(
      [1, 2, 3, 4, 5].map(() => join(server, protocol)),
    )
    const itemsOf = (reply: Reply) =>
      reply instanceof Push ? reply.items : (reply as readonly Reply[])
    await channel.call('SUBSCRIBE', 'news')
    await pattern.call('PSUBSCRIBE', 'n*')
    await live.call('SUBSCRIBE', '/a')
    await tree.call('PSUBSCRIBE', '/*')
    const index = (await c.call('KINDEX')) as number
    for (const value of LENGTHS.map((length) => binary(length))) {
      expect(await c.call('PUBLISH', 'news', value)).toBe(2)
      same(itemsOf(await channel.next())[2], value)
      same(itemsOf(await pattern.next())[3], value)
    }
    const late = await join(server, protocol)
    for (const unit of ['a', 'é', '\x01']) {
      for (const length of LENGTHS) {
        const text = unit.repeat(length)
        await c.call('SET', 'a', Buffer.from(text).toString('latin1'))
        const events = [await live.next(), await tree.next()].map((reply) => itemsOf(reply).at(-1))
        expect(events[0] === events[1]).toBe(true)
        const json = JSON.parse(Buffer.from(events[0] as string, 'latin1').toString('utf8'))
        expect(json.node.value === text).toBe(true)
      }
    }
    await late.call('SUBSCRIBE', `/a?since=${index + 1}`)
    for (let i = 1; i <= 3 * LENGTHS.length; i++) {
      const event = itemsOf(await late.next())[2] as string
      expect(event.endsWith(`"index":${index + i}}`)).toBe(true)
    }
  })
})

/** A request for a command in which one argument is large. */
function* requestsOf(command: Command, name: readonly string[]): Generator<string[]> {
  for (const subcommand of command.subcommands ?? [])
    yield* requestsOf(subcommand, [...name, subcommand.name])
  const words = (command.args ?? []).flatMap(function word(arg: Argument): string[] {
    const own = arg.type === 'pure-token' ? [] : arg.args === undefined ? ['1'] : []
    const members = arg.type === 'oneof' ? arg.args?.slice(0, 1) : arg.args
    return [
      ...(arg.token === undefined ? [] : [arg.token]),
      ...own,
      ...(members ?? []).flatMap(word),
    ]
  })
  for (const length of [words.length, Math.abs(command.arity) - name.length]) {
    const args = Array.from({ length: Math.max(0, length) }, (_, i) => words[i] ?? '1')
    for (const at of args.keys()) yield [...name, ...args.with(at, 'y'.repeat(L))]
    yield [...name, ...args, 'y'.repeat(L)]
  }
}

/** They end the connection or the server, or wait. */
const LEFT_OUT = ['shutdown', 'quit', 'kwait', 'wait', 'debug']

test('a large argument in any place of any command is no internal error', async () => {
  const server = await start()
  for (const command of commandTable) {
    if (LEFT_OUT.includes(command.name)) continue
    const client = await join(server, 3)
    for (const request of requestsOf(command, [command.name])) client.send(...request)
    for (const reply of await client.untilPong()) {
      if (reply instanceof ErrorReply) expect(reply.text).not.toContain('internal error')
    }
    client.socket.destroy()
  }
})

test('a subscriber that may not have so much unread is cut off, and the others go on', async () => {
  const server = await start({
    directives: {
      'client-output-buffer-limit': ['pubsub', '8mb', '0', '0'],
      'proto-max-bulk-len': '64mb',
    },
  })
  const [c, watcher, reader] = [await join(server), await join(server), await join(server)]
  await watcher.call('SUBSCRIBE', '/big')
  await reader.call('SUBSCRIBE', '/small')
  // Six bytes of one: over the limit, though the value is not.
  expect(await c.call('SET', 'big', '\x01'.repeat(2 * MB))).toBe('OK')
  await watcher.closed
  expect(await c.call('SET', 'small', 'x'.repeat(2 * MB))).toBe('OK')
  expect(((await reader.next()) as readonly string[])[2]).toHaveLength(2 * MB + 96)
  expect(await infoField(c, 'client_output_buffer_limit_disconnections')).toBe('1')
})

async function infoField(client: RawClient, name: string): Promise<string | undefined> {
  const info = (await client.call('INFO', 'stats')) as string
  return new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1]
}

test('MONITOR and SLOWLOG show large values', async () => {
  const server = await start({ directives: { 'slowlog-log-slower-than': '0' } })
  const [c, monitor] = [await join(server), await join(server)]
  await monitor.call('MONITOR')
  await c.call('SET', 'a', `\x01"${'x'.repeat(200_000)}`)
  const line = (await monitor.next()) as string
  expect(line.slice(line.indexOf('"SET"'))).toBe(`"SET" "a" "\\x01\\"${'x'.repeat(200_000)}"`)
  const log = (await c.call('SLOWLOG', 'GET', 1)) as readonly (readonly Reply[])[]
  expect((log[0][3] as readonly string[])[2]).toBe(`\x01"${'x'.repeat(126)}... (199874 more bytes)`)
})

test('500 values of 1 MB lie outside the heap', async () => {
  const server = await start({ directives: { 'watch-history-memory': '16mb' } })
  const c = await join(server)
  const value = 'x'.repeat(MB)
  const before = process.memoryUsage()
  for (let i = 0; i < 500; i++) expect(await c.call('SET', `k${i}`, value)).toBe('OK')
  await eventually(() => server.store.files === 500)
  const after = process.memoryUsage()
  expect(after.external - before.external).toBeGreaterThan(400 * MB)
  // What the test itself has sent is in the heap too.
  expect(after.heapUsed - before.heapUsed).toBeLessThan(100 * MB)
})
