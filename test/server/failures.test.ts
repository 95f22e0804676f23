import { pino } from 'pino'
import { expect, test, vi } from 'vitest'
import { ReplyWriter } from '../../src/resp/reply-writer.ts'
import * as json from '../../src/store/event-json.ts'
import { ErrorReply, eventually, join, type Push, start } from './raw-client.ts'

vi.mock('../../src/store/event-json.ts', { spy: true })

/** A logger, and the lines that it has written. */
function recorder() {
  const lines: string[] = []
  const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) })
  return { logger, lines }
}

const unlucky = (): void => {
  throw new Error('cannot')
}

test('a watcher that fails takes nobody else an event, a transaction or a reply', async () => {
  const { logger, lines } = recorder()
  const server = await start({ logger })
  const failures: unknown[] = []
  const options = {
    recursive: true,
    stream: true,
    onFailure: (error: unknown) => failures.push(error),
  }
  const before = await join(server, 3)
  await before.call('SUBSCRIBE', '/?recursive=true')
  server.store.watch('/', options, unlucky)
  server.store.hub.addEverywhere(unlucky, options.onFailure)
  const after = await join(server, 3)
  await after.call('PSUBSCRIBE', '/*')
  const watching = await join(server)
  await watching.call('WATCH', 'a')
  await watching.call('MULTI')
  await watching.call('SET', 'b', '1')

  const writer = await join(server)
  for (let i = 1; i <= 3; i++) expect(await writer.call('SET', 'a', i)).toBe('OK')
  expect(await watching.call('EXEC')).toBe(null)
  expect(failures).toHaveLength(2)
  for (const client of [before, after]) {
    const indexes = (await client.untilPong()).map(
      (push) => JSON.parse(String((push as Push).items.at(-1))).index as number,
    )
    expect(indexes).toEqual([1, 2, 3])
  }
  expect(lines).toEqual([])
})

test('an event that cannot be encoded cuts off its watchers, with a line in the log', async () => {
  const { logger, lines } = recorder()
  const server = await start({ logger })
  const watchers = [await join(server, 3), await join(server, 3), await join(server, 3)]
  await watchers[0].call('SUBSCRIBE', '/a')
  await watchers[1].call('SUBSCRIBE', '/a', '/other')
  await watchers[2].call('PSUBSCRIBE', '/a*')
  const others = await join(server, 3)
  await others.call('SUBSCRIBE', '/b')
  const writer = await join(server)

  vi.mocked(json.encodeEvent).mockImplementation(() => {
    throw new RangeError('Invalid string length')
  })
  expect(await writer.call('SET', 'a', '1')).toBe('OK')
  vi.mocked(json.encodeEvent).mockRestore()
  await Promise.all(watchers.map(({ closed }) => closed))
  expect(lines).toHaveLength(3)
  for (const line of lines) expect(line).toContain('Invalid string length')

  expect(await writer.call('SET', 'b', '1')).toBe('OK')
  expect(((await others.next()) as Push).items[1]).toBe('/b')
  // The channel works for those who come later, from any index.
  const later = await join(server, 3)
  await later.call('SUBSCRIBE', '/a?since=1')
  expect(JSON.parse(String(((await later.next()) as Push).items[2])).index).toBe(1)
  expect(await writer.call('SET', 'a', '2')).toBe('OK')
  expect(JSON.parse(String(((await later.next()) as Push).items[2])).index).toBe(3)
})

test('a replay of an event that cannot be encoded ends the connection', async () => {
  const { logger, lines } = recorder()
  const server = await start({ logger })
  server.store.set('/a', '1')
  const watcher = await join(server, 3)
  vi.mocked(json.encodeEvent).mockImplementation(() => {
    throw new RangeError('Invalid string length')
  })
  watcher.send('SUBSCRIBE', '/a?since=1')
  await watcher.closed
  vi.mocked(json.encodeEvent).mockRestore()
  expect(lines).toHaveLength(1)
  await eventually(() => server.store.hub.count === 0)
})

test('a write that was made is not answered by an error', async () => {
  const { logger, lines } = recorder()
  const server = await start({ logger })
  const client = await join(server)
  const reader = await join(server)
  const { room } = ReplyWriter.prototype
  ReplyWriter.prototype.room = function (count: number) {
    if (count > 6000) throw new RangeError('Array buffer allocation failed')
    return room.call(this, count)
  }
  try {
    client.send('KSET', '/a', 'x'.repeat(7000))
    await client.closed
    // A request that has written nothing gets the error.
    expect(await reader.call('GET', 'a')).toBeInstanceOf(ErrorReply)
  } finally {
    ReplyWriter.prototype.room = room
  }
  expect(client.unread).toBe('')
  expect(server.store.index).toBe(1)
  expect(lines.some((line) => line.includes('its write was made'))).toBe(true)
})

test('DEL deletes nothing if a key is too long', async () => {
  const server = await start()
  const client = await join(server)
  await client.call('SET', 'a', '1')
  for (const command of ['DEL', 'UNLINK']) {
    for (const length of [15_360, 15_361]) {
      expect(await client.call(command, 'a', 'x'.repeat(length))).toBeInstanceOf(ErrorReply)
    }
  }
  expect(server.store.index).toBe(1)
})
