import { describe, expect, test } from 'vitest'
import { commandTable } from '../../src/commands/table.ts'
import { startServer } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { INDEX_CEILING, MAX_SAVED_INDEX } from '../../src/store/index-ceiling.ts'
import { STAT_NAMES } from '../../src/store/stats.ts'
import { Store } from '../../src/store/store.ts'
import { exportTree } from '../../src/transfer/export.ts'
import { repairTree } from '../../src/transfer/repair.ts'
import {
  ErrorReply,
  eventually,
  join,
  type RawClient,
  type Reply,
  start,
} from '../server/raw-client.ts'
import { Recorder } from '../transfer/recorder.ts'
import { temporaryDirectory } from './data-server.ts'

const LATER = new Date(Date.UTC(2020, 0, 2)).toISOString()

interface Numbers {
  readonly current?: number
  readonly node?: number
  readonly created?: number
  readonly event?: number
  readonly count?: number
}

/** A state whose numbers are all the same, but for those given. */
function stateAt(index: number, numbers: Numbers = {}): string {
  const { current = index, node = index, created = index, event = current, count = 0 } = numbers
  const at = { CreatedIndex: created, ModifiedIndex: node }
  const file = (name: string, time?: string) => ({
    Path: `/${name}`,
    ...at,
    Value: 'v',
    Children: null,
    ...(time && { ExpireTime: time }),
  })
  const Children = { a: file('a'), b: file('b'), leased: file('leased', LATER) }
  const saved = {
    action: 'set',
    node: { key: '/a', value: 'v', modifiedIndex: event, createdIndex: created },
  }
  return JSON.stringify({
    Root: { Path: '/', CreatedIndex: 0, ModifiedIndex: 0, Children },
    WatcherHub: { EventHistory: { Queue: { Events: [saved], Size: 1, Front: 0 } } },
    CurrentIndex: current,
    Stats: Object.fromEntries(STAT_NAMES.map((name) => [name, count])),
    CurrentVersion: 2,
  })
}

/** The text of an error reply; undefined for any other. */
const errorOf = (reply: Reply): string | undefined =>
  reply instanceof ErrorReply ? reply.text : undefined

describe('a state above the ceiling is refused', () => {
  const index = 1000
  const cases: readonly (readonly [string, Numbers])[] = [
    ...[MAX_SAVED_INDEX + 1, 2 ** 53 - 1, 2 ** 53, 2 ** 60].flatMap((high) => [
      ['CurrentIndex', { current: high }] as const,
      ['ModifiedIndex', { node: high }] as const,
      ['CreatedIndex', { created: high }] as const,
      ['modifiedIndex', { event: high }] as const,
    ]),
    ['Stats', { count: 2 ** 53 }],
  ]

  test.each(cases)('%s in %j', async (field, numbers) => {
    const server = await start()
    const client = await join(server)
    await client.call('KSET', '/kept', '1')
    const reply = await client.call('KRECOVER', stateAt(index, numbers))
    expect(errorOf(reply)).toMatch(
      new RegExp(`^ERR .*${field}.* is \\d+, expected a whole number up to \\d+`),
    )
    expect(await client.call('KINDEX')).toBe(1)
    expect(await client.call('EXISTS', 'kept')).toBe(1)
  })
})

/** Requests that would write, of every command that may. */
const writes: readonly (readonly string[])[] = [
  ['KSET', '/a', '1'],
  ['KSET', '/new', '1'],
  ['KSET', '/a', '', 'EX', '10', 'REFRESH'],
  ['KCREATE', '/new', '1'],
  ['KCREATE', '/new', '1', 'UNIQUE'],
  ['KUPDATE', '/a', '1'],
  ['KMKDIR', '/new'],
  ['KCAS', '/a', '1', 'PREVVALUE', 'v'],
  ['KCAD', '/a', 'PREVVALUE', 'v'],
  ['KDEL', '/a'],
  ['SET', 'a', '1'],
  ['SETNX', 'new', '1'],
  ['SETEX', 'a', '10', '1'],
  ['PSETEX', 'a', '10', '1'],
  ['GETSET', 'a', '1'],
  ['GETDEL', 'a'],
  ['GETEX', 'a', 'EX', '10'],
  ['MSET', 'a', '1', 'new', '2'],
  ['MSETNX', 'new', '1', 'newer', '2'],
  ['APPEND', 'a', '1'],
  ['SETRANGE', 'a', '1', 'x'],
  ['INCR', 'new'],
  ['DECR', 'new'],
  ['INCRBY', 'new', '1'],
  ['DECRBY', 'new', '1'],
  ['INCRBYFLOAT', 'new', '1'],
  ['DEL', 'a'],
  ['UNLINK', 'a'],
  ['RENAME', 'a', 'new'],
  ['RENAMENX', 'a', 'new'],
  ['COPY', 'a', 'new'],
  ['EXPIRE', 'a', '10'],
  ['PEXPIRE', 'a', '10'],
  ['EXPIREAT', 'a', '4000000000'],
  ['PEXPIREAT', 'a', '4000000000000'],
  ['PERSIST', 'leased'],
  ['FLUSHALL'],
  ['FLUSHDB'],
]
/** Commands with the flag that write nothing here, or need more than a row of the table. */
const OTHERS = ['krecover', 'restore', 'move', 'swapdb']

test('the table has a request for every command that writes', () => {
  const names = commandTable.filter(({ flags }) => flags.includes('write')).map(({ name }) => name)
  const tried = new Set(writes.map(([name]) => name.toLowerCase()))
  expect(names.filter((name) => !tried.has(name) && !OTHERS.includes(name))).toEqual([])
})

async function refusesAll(client: RawClient): Promise<void> {
  const before = await client.call('KSAVE')
  const index = await client.call('KINDEX')
  for (const request of writes) {
    const error = errorOf(await client.call(...request))
    expect([request, error]).toEqual([
      request,
      expect.stringMatching(/^ERR the index \d+ is as high/),
    ])
  }
  expect(await client.call('KINDEX')).toBe(index)
  const withoutStats = (state: Reply): string => String(state).replace(/"Stats":\{[^}]*\}/, '')
  expect(withoutStats(await client.call('KSAVE'))).toBe(withoutStats(before))
  expect(await client.call('INFO', 'stats')).toContain('unexpected_error_replies:0')
}

/** Reads a directory as a start, an export and a repair do. @returns the index each time */
async function readAgain(dir: string): Promise<number[]> {
  const clock = new ManualClock()
  const server = await startServer({ directives: { dir, durability: 'always' }, clock })
  const indexes = [server.store.index]
  await server.close()
  const [stdout, stderr] = [new Recorder(), new Recorder()]
  const exported = new Store({ clock })
  await exportTree(exported, { file: '-', dir, replace: false, stdout, stderr })
  const recovered = new Store({ clock })
  recovered.recovery(stdout.text.trim())
  const repaired = new Store({ clock })
  await repairTree(repaired, { dir, stderr })
  return [...indexes, exported.index, recovered.index, repaired.index]
}

test('writes go up to the ceiling, are refused at it, and all can be read again', async () => {
  const dir = temporaryDirectory()
  const clock = new ManualClock()
  const server = await startServer({ directives: { dir, durability: 'always' }, clock })
  const client = await join(server)
  expect(await client.call('KRECOVER', stateAt(INDEX_CEILING - 3, { count: 2 ** 53 - 1 }))).toBe(
    'OK',
  )
  await client.call('KWATCH', `/?recursive=true&since=${INDEX_CEILING - 3}`)
  const writer = await join(server)
  for (let n = 1; n <= 3; n++) expect(await writer.call('SET', 'a', String(n))).toBe('OK')
  expect(await writer.call('KINDEX')).toBe(INDEX_CEILING)
  expect(await client.untilPong()).toHaveLength(4)
  await refusesAll(writer)
  // What expires is hidden, and not told: an expiry has an index too.
  clock.advance(3 * 86_400_000)
  expect(await writer.call('EXISTS', 'leased', 'a')).toBe(1)
  expect(await writer.call('KINDEX')).toBe(INDEX_CEILING)
  expect(await client.untilPong()).toEqual([])
  expect(await writer.call('KRECOVER', (await writer.call('KSAVE')) as string)).toBe('OK')
  await server.close()
  expect(await readAgain(dir)).toEqual(Array(4).fill(INDEX_CEILING))
  const again = await start({
    directives: { dir, durability: 'always' },
    clock: new ManualClock(),
  })
  const reader = await join(again)
  expect(await reader.call('GET', 'a')).toBe('3')
  await refusesAll(reader)
  expect(await reader.call('KRECOVER', stateAt(5))).toBe('OK')
  expect(await reader.call('SET', 'a', '1')).toBe('OK')
  expect(await reader.call('KINDEX')).toBe(6)
})

test('one write may go above the ceiling, and the result can be read again', async () => {
  const dir = temporaryDirectory()
  const server = await startServer({ directives: { dir, durability: 'always' } })
  const client = await join(server)
  await client.call('KRECOVER', stateAt(INDEX_CEILING - 12))
  for (let n = 0; n < 10; n++) await client.call('KSET', `/d/${n}`, '1')
  expect(errorOf(await client.call('RENAME', 'd', 'e'))).toBeUndefined()
  const index = Number(await client.call('KINDEX'))
  expect(index).toBeGreaterThan(INDEX_CEILING)
  expect(errorOf(await client.call('SET', 'a', '1'))).toMatch(/^ERR the index/)
  await server.close()
  expect(await readAgain(dir)).toEqual(Array(4).fill(index))
})

test('a state as high as may be is read, and refuses writes', async () => {
  const dir = temporaryDirectory()
  const clock = new ManualClock()
  const server = await startServer({ directives: { dir, durability: 'always' }, clock })
  const client = await join(server)
  expect(await client.call('KRECOVER', stateAt(MAX_SAVED_INDEX))).toBe('OK')
  await refusesAll(client)
  await server.close()
  expect(await readAgain(dir)).toEqual(Array(4).fill(MAX_SAVED_INDEX))
})

test('the gap after a crash ends at the ceiling', async () => {
  const dir = temporaryDirectory()
  const server = await startServer({ directives: { dir } })
  const client = await join(server)
  await client.call('KRECOVER', stateAt(INDEX_CEILING - 10))
  expect(await client.call('SAVE')).toBe('OK')
  // As after a kill: the marker of `everysec` says that writes may be missing.
  await client.call('SHUTDOWN', 'NOSAVE').catch(() => {})
  await eventually(() => client.ended)
  await server.closed
  const again = await start({ directives: { dir } })
  expect(again.store.index).toBeLessThanOrEqual(INDEX_CEILING)
  expect(again.store.get('/a').node.value).toBe('v')
})

test('what writes several keys writes all of them below the ceiling, or none', async () => {
  const server = await start()
  const client = await join(server)
  const empty = (await client.call('KSAVE')) as string
  const state = empty.replace('"CurrentIndex":0', `"CurrentIndex":${INDEX_CEILING - 3}`)
  const recover = async (): Promise<void> => {
    expect(await client.call('KRECOVER', state)).toBe('OK')
    for (const key of ['a', 'b']) expect(await client.call('SET', key, '1')).toBe('OK')
  }
  const unchanged = async (): Promise<void> => {
    expect(await client.call('MGET', 'a', 'b')).toEqual(['1', '1'])
    expect(await client.call('KINDEX')).toBe(INDEX_CEILING - 1)
  }
  for (const request of [
    ['MSET', 'a', '2', 'b', '2'],
    ['DEL', 'a', 'b'],
    ['UNLINK', 'a', 'b'],
  ]) {
    await recover()
    expect(errorOf(await client.call(...request))).toContain('is as high as it may be')
    await unchanged()
  }
  await recover()
  await client.call('MULTI')
  for (const key of ['a', 'b']) await client.call('SET', key, '2')
  expect(errorOf(await client.call('EXEC'))).toContain('is as high as it may be')
  await unchanged()
})
