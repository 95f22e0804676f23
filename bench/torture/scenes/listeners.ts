import type { Case } from '../attack.ts'
import { repeated, type Word, words } from '../request.ts'
import { big, deep, MB, many, OURS, onlooker, plain, scene } from './scene.ts'

const STARS = repeated('*a', 65_536)
/** Of which a pattern of stars takes each `a` for a beginning. */
const LONG_NAME = repeated('a', 65_000)
/** A star, many `a`, and a `b` that is nowhere. */
const GLOB = Buffer.concat([Buffer.from('*'), repeated('a', 32_000), Buffer.from('b')])

/** Requests that others listen to, and those to listen. */
export function* listeners(): Generator<Case> {
  const channels = (count: number, prefix: string): Word[] => words(count, (i) => `${prefix}${i}`)
  const tree = (count: number): Word[] => words(count, deep)
  yield scene('subscribe', '80 000 channels', () => [['SUBSCRIBE', ...channels(80_000, 'c')]])
  yield scene(
    'subscribe',
    '80 000 of the tree',
    () => [['SUBSCRIBE', ...channels(80_000, '/c')]],
    undefined,
    OURS,
  )
  yield scene('subscribe', '80 000, then UNSUBSCRIBE of all', () => [
    ['SUBSCRIBE', ...channels(80_000, 'c')],
    ['UNSUBSCRIBE'],
  ])
  yield scene(
    'kwatch',
    '80 000, one request each',
    () => many(80_000, (i) => ['KWATCH', `/c${i}`]),
    undefined,
    OURS,
  )
  yield scene('subscribe', '80 000, one request each', () =>
    many(80_000, (i) => ['SUBSCRIBE', `c${i}`]),
  )
  yield scene(
    'kwatch',
    '12 000 of 1 000 levels',
    () => many(12_000, (i) => ['KWATCH', deep(i)]),
    undefined,
    OURS,
  )
  yield scene(
    'kwatch',
    '12 000 of 1 000 levels in one request',
    () => [['KWATCH', ...tree(12_000)]],
    undefined,
    OURS,
  )
  yield scene(
    'kwait',
    '12 000 of 1 000 levels',
    () => many(12_000, (i) => ['KWAIT', deep(i), 'TIMEOUT', '1']),
    undefined,
    OURS,
  )
  yield scene('watch', '12 000 of 1 000 levels', () => many(12_000, (i) => ['WATCH', deep(i)]))
  yield scene('watch', '200 000', () => [['WATCH', ...channels(200_000, 'k')]])
  yield scene('watch', '200 000, then a transaction', () => [
    ['WATCH', ...channels(200_000, 'k')],
    ['MULTI'],
    ['SET', 'k5', 'v'],
    ['EXEC'],
  ])
  yield scene('psubscribe', '80 000 patterns', () => [['PSUBSCRIBE', ...channels(80_000, '*p')]])
  yield scene(
    'publish',
    '100 messages, 20 000 patterns',
    () => many(100, () => ['PUBLISH', 'channel', 'm']),
    undefined,
    onlooker(() => ['PSUBSCRIBE', ...channels(20_000, '*p')]),
  )
  yield scene(
    'publish',
    'a name of 65 000 bytes, a glob of 64 kB',
    () => [['PUBLISH', LONG_NAME, 'm']],
    undefined,
    onlooker(() => ['PSUBSCRIBE', STARS]),
  )
  yield scene(
    'publish',
    'the same, the glob ends in b',
    () => [['PUBLISH', LONG_NAME, 'm']],
    undefined,
    onlooker(() => [
      'PSUBSCRIBE',
      Buffer.concat([
        repeated('a', 32_000),
        Buffer.from('*'),
        repeated('a', 32_000),
        Buffer.from('b'),
      ]),
    ]),
  )
  yield scene(
    'publish',
    'a star, 32 000 a, b against 65 000 a',
    () => [['PUBLISH', LONG_NAME, 'm']],
    undefined,
    onlooker(() => ['PSUBSCRIBE', GLOB]),
  )
  yield scene(
    'publish',
    '60 MB to 80 patterns',
    () => [['PUBLISH', 'c', repeated('m', 60 * MB)]],
    undefined,
    onlooker(() => ['PSUBSCRIBE', ...words(80, (i) => '*'.repeat(i + 1))]),
  )
  yield scene(
    'publish',
    'a channel of 60 MB',
    () => [['PUBLISH', repeated('c', 60 * MB), 'm']],
    undefined,
    onlooker(() => ['PSUBSCRIBE', '*']),
  )
  yield scene(
    'kset',
    'a key of 65 000 bytes, a glob of 64 kB',
    () => [['KSET', Buffer.concat([Buffer.from('/'), repeated('a', 64_000)]), 'v']],
    undefined,
    {
      ...OURS,
      ...onlooker(() => [
        'PSUBSCRIBE',
        Buffer.concat([Buffer.from('/*'), repeated('a', 32_000), Buffer.from('b')]),
      ]),
    },
  )
  yield scene(
    'keys',
    'a glob of 64 kB, 2 keys of 64 000 bytes',
    () => [['KEYS', GLOB]],
    () =>
      many(2, (i) => ['SET', Buffer.concat([repeated('a', 64_000), Buffer.from(String(i))]), 'v']),
  )
  yield scene(
    'scan',
    'the same',
    () => [['SCAN', '0', 'COUNT', '100', 'MATCH', GLOB]],
    () =>
      many(2, (i) => ['SET', Buffer.concat([repeated('a', 64_000), Buffer.from(String(i))]), 'v']),
  )
  yield scene(
    'pubsub channels',
    'a glob of 64 kB, a name of 65 000',
    () => [['PUBSUB', 'CHANNELS', GLOB]],
    undefined,
    onlooker(() => ['SUBSCRIBE', LONG_NAME]),
  )
  yield scene(
    'pubsub channels',
    '80 000',
    () => [['PUBSUB', 'CHANNELS']],
    undefined,
    onlooker(() => ['SUBSCRIBE', ...channels(80_000, 'c')]),
  )
  yield scene('config get', 'a glob of 60 MB', () => [
    ['CONFIG', 'GET', Buffer.concat([repeated('*a', 60 * MB), Buffer.from('b')])],
  ])
  yield scene('command list', 'FILTERBY a glob of 60 MB', () => [
    [
      'COMMAND',
      'LIST',
      'FILTERBY',
      'PATTERN',
      Buffer.concat([repeated('*a', 60 * MB), Buffer.from('b')]),
    ],
  ])
  yield scene(
    'monitor',
    'beside a SET of 60 MB of \\x01',
    () => big(),
    undefined,
    onlooker(() => ['MONITOR']),
  )
  yield scene(
    'monitor',
    'beside a SET of 60 MB of x',
    () => big('x'),
    undefined,
    onlooker(() => ['MONITOR']),
  )
  yield scene(
    'monitor',
    'beside an MSET of 500 000',
    () => [['MSET', ...words(500_000, plain)]],
    undefined,
    onlooker(() => ['MONITOR']),
  )
  yield scene(
    'monitor',
    'beside 100 000 PINGs',
    () => many(100_000, () => ['PING']),
    undefined,
    onlooker(() => ['MONITOR']),
  )
  yield scene(
    'mset',
    '500 000 keys, keyspace events',
    () => [['MSET', ...words(250_000, plain).flatMap((key) => [key, 'v'])]],
    () => [['CONFIG', 'SET', 'notify-keyspace-events', 'KEA']],
    onlooker(() => ['PSUBSCRIBE', '__key*']),
  )
  yield scene(
    'mset',
    '500 000 keys, a watcher of all',
    () => [['MSET', ...words(250_000, plain).flatMap((key) => [key, 'v'])]],
    undefined,
    onlooker(() => ['KWATCH', '/?recursive=true']),
  )
  yield scene(
    'mset',
    '500 000 keys, WATCHed by another',
    () => [['MSET', ...words(200_000, plain).flatMap((key) => [key, 'v'])]],
    undefined,
    onlooker(() => ['WATCH', ...words(20_000, plain)]),
  )
}
