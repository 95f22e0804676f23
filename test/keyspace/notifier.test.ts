import { expect, test } from 'vitest'
import { Config } from '../../src/config/config.ts'
import { orderEventFlags, showEventFlags } from '../../src/config/event-flags.ts'
import { rewriteConfigText } from '../../src/config/rewrite.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { join, type RawClient, type Reply, start } from '../server/raw-client.ts'

/** The notifications that a subscriber has got so far: `__keyspace@0__:a set`. */
async function notifications(subscriber: RawClient): Promise<string[]> {
  const messages = (await subscriber.untilPong()) as Reply[][]
  return messages.map((message) => `${message[2]} ${message[3]}`)
}

async function listen(flags: string, clock = new ManualClock()) {
  const server = await start({ clock, directives: { 'notify-keyspace-events': flags } })
  const client = await join(server)
  const subscriber = await join(server)
  await subscriber.call('PSUBSCRIBE', '__key*')
  return { server, client, subscriber, clock }
}

test('K commands are published under the names of the string commands that do the same', async () => {
  const { client, subscriber } = await listen('KA')
  for (const command of [
    'KSET /a 1',
    'KSET a 1 EX 100',
    'KSET /a// REFRESH',
    'KCREATE /b/c 1',
    'KUPDATE /a 2',
    'KCAS /a 3 PREVVALUE 2',
    'KCAS /a 4 PREVVALUE 2',
    'KMKDIR /d',
    'KUPDATE /d EX 100',
    'KUPDATE /d',
    'KCAD /a PREVVALUE 3',
    'KDEL /b RECURSIVE',
    'KDEL /nope',
  ]) {
    const words = command.split(' ')
    if (words.includes('REFRESH')) words.splice(2, 0, '', 'EX', '50')
    if (command.startsWith('KUPDATE /d')) words.splice(2, 0, '')
    await client.call(...words)
  }
  expect(await notifications(subscriber)).toEqual([
    '__keyspace@0__:a set',
    '__keyspace@0__:a set',
    '__keyspace@0__:a expire',
    '__keyspace@0__:a expire',
    '__keyspace@0__:b/c set',
    '__keyspace@0__:a set',
    '__keyspace@0__:a set',
    '__keyspace@0__:d mkdir',
    '__keyspace@0__:d expire',
    '__keyspace@0__:d persist',
    '__keyspace@0__:a del',
    '__keyspace@0__:b del',
  ])
})

test('expiries are published, that of a directory once for all keys below it', async () => {
  const { client, subscriber, clock } = await listen('Ex')
  await client.call('SET', 'a', '1', 'PX', '10')
  await client.call('KMKDIR', '/d', 'PX', '20')
  await client.call('SET', 'd/x', '1')
  clock.advance(30)
  expect(await notifications(subscriber)).toEqual([
    '__keyevent@0__:expired a',
    '__keyevent@0__:expired d',
  ])
})

test('a new key is published as new before the event of its command', async () => {
  const { client, subscriber } = await listen('E$n')
  await client.call('SET', 'a', '1')
  await client.call('SET', 'a', '2')
  await client.call('KSET', '/b/c', '2')
  await client.call('KMKDIR', '/d')
  expect(await notifications(subscriber)).toEqual([
    '__keyevent@0__:new a',
    '__keyevent@0__:set a',
    '__keyevent@0__:set a',
    '__keyevent@0__:new b/c',
    '__keyevent@0__:set b/c',
  ])
})

test('all spellings of a key are published as one key', async () => {
  const { client, subscriber } = await listen('K$')
  for (const key of ['a/b', '/a/b', '//a/./b/']) await client.call('SET', key, '1')
  expect(new Set(await notifications(subscriber))).toEqual(new Set(['__keyspace@0__:a/b set']))
})

test('CONFIG SET switches notifications on and off', async () => {
  const { client, subscriber } = await listen('')
  await client.call('SET', 'a', '1')
  await client.call('CONFIG', 'SET', 'notify-keyspace-events', 'KEA')
  await client.call('SET', 'b', '1')
  await client.call('CONFIG', 'SET', 'notify-keyspace-events', 'A')
  await client.call('SET', 'c', '1')
  await client.call('CONFIG', 'SET', 'notify-keyspace-events', '')
  await client.call('SET', 'd', '1')
  expect(await notifications(subscriber)).toEqual(['__keyspace@0__:b set', '__keyevent@0__:set b'])
})

test.for([
  ['', ''],
  ['EK', 'KE'],
  ['Kxe$g', 'g$xeK'],
  ['g$lshzxetdKE', 'AKE'],
  ['nmKA', 'AKm'],
  ['ngm', 'gnm'],
  ['q', undefined],
] as const)('the letters %j are shown as %j', ([text, shown]) => {
  const ordered = orderEventFlags(text)
  expect(ordered && showEventFlags(ordered)).toBe(shown)
})

test('CONFIG REWRITE keeps an n beside A, which CONFIG GET does not show', async () => {
  const config = new Config()
  config.set('notify-keyspace-events', ['AKE'])
  config.setMany([['notify-keyspace-events', 'nAKE']])
  expect(config.get('notify-keyspace-events')).toBe('AnKE')
  expect(config.format('notify-keyspace-events')).toBe('AKE')
  expect(rewriteConfigText('notify-keyspace-events AKE\n', config)).toContain('"AnKE"')
})
