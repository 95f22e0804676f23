import type { Case } from '../attack.ts'
import { type Request, words } from '../request.ts'
import { deep, keys, many, OURS, onlooker, plain, scene } from './scene.ts'

/** Requests that meet many keys, or are many. */
export function* manyKeys(): Generator<Case> {
  const count = 500_000
  const present = (): Iterable<Request> => keys(count, plain)
  const below = (): Iterable<Request> => keys(count, (i) => `dir/${i % 1000}/${i}`)
  yield scene('keys', '* of 500 000', () => [['KEYS', '*']], present)
  yield scene(
    'keys',
    '200 times, of 2 000',
    () => many(200, () => ['KEYS', '*']),
    () => keys(2000, plain),
  )
  yield scene(
    'scan',
    'COUNT 2^63-1 of 500 000',
    () => [['SCAN', '0', 'COUNT', '9223372036854775807']],
    present,
  )
  yield scene('mget', '500 000 that are there', () => [['MGET', ...words(count, plain)]], present)
  yield scene(
    'mset',
    '500 000 that are there',
    () => [['MSET', ...words(count, plain).flatMap((key) => [key, 'w'])]],
    present,
  )
  yield scene('msetnx', '500 000 that are not there', () => [
    ['MSETNX', ...words(count, plain).flatMap((key) => [key, 'w'])],
  ])
  yield scene('mset', '500 000 in directories', () => [
    ['MSET', ...words(count, (i) => `d/${i % 1000}/${i}`).flatMap((key) => [key, 'w'])],
  ])
  yield scene('mset', '10 000 of 1 000 levels, each of its own', () => [
    ['MSET', ...words(10_000, deep).flatMap((key) => [key, 'w'])],
  ])
  yield scene('del', '500 000 that are there', () => [['DEL', ...words(count, plain)]], present)
  yield scene(
    'unlink',
    '500 000 that are there',
    () => [['UNLINK', ...words(count, plain)]],
    present,
  )
  yield scene(
    'exists',
    '500 000 that are there',
    () => [['EXISTS', ...words(count, plain)]],
    present,
  )
  yield scene('touch', '500 000 that are there', () => [['TOUCH', ...words(count, plain)]], present)
  yield scene('flushall', 'of 500 000', () => [['FLUSHALL']], present)
  yield scene('flushdb', 'of 500 000, SYNC', () => [['FLUSHDB', 'SYNC']], present)
  yield scene('flushall', 'of 500 000 in directories', () => [['FLUSHALL']], below)
  yield scene(
    'flushall',
    '500 000 keys, WATCHed',
    () => [['FLUSHALL']],
    present,
    onlooker(() => ['WATCH', ...words(20_000, plain)]),
  )
  yield scene('dbsize', '10 000 times, of 500 000', () => many(10_000, () => ['DBSIZE']), present)
  yield scene(
    'randomkey',
    '10 000 times, of 500 000',
    () => many(10_000, () => ['RANDOMKEY']),
    present,
  )
  yield scene('save', 'of 500 000', () => [['SAVE']], present)
  yield scene('bgsave', 'of 500 000', () => [['BGSAVE']], present)
  yield scene(
    'info',
    'of 500 000, 1 000 times',
    () => many(1000, () => ['INFO', 'everything']),
    present,
  )
  yield scene(
    'memory stats',
    'of 500 000, 100 times',
    () => many(100, () => ['MEMORY', 'STATS']),
    present,
  )
  yield scene(
    'memory usage',
    'of 500 000 below, SAMPLES 0',
    () => [['MEMORY', 'USAGE', 'dir', 'SAMPLES', '0']],
    below,
    OURS,
  )
  yield scene('exec', '400 000 × SET', () => [
    ['MULTI'],
    ...many(400_000, (i) => ['SET', plain(i), 'v']),
    ['EXEC'],
  ])
  yield scene('exec', '1 000 000 × PING', () => [
    ['MULTI'],
    ...many(1_000_000, () => ['PING']),
    ['EXEC'],
  ])
  yield scene('discard', '400 000 × SET', () => [
    ['MULTI'],
    ...many(400_000, (i) => ['SET', plain(i), 'v']),
    ['DISCARD'],
  ])
  yield scene('ping', '2 000 000 in a pipeline', () => many(2_000_000, () => ['PING']))
  yield scene('get', '500 000 in a pipeline, none there', () =>
    many(500_000, (i) => ['GET', plain(i)]),
  )
  yield scene('set', '500 000 in a pipeline', () => many(500_000, (i) => ['SET', plain(i), 'v']))
  yield scene(
    'expire',
    '500 000 due at once',
    () => [...many(500_000, (i) => ['PEXPIRE', plain(i), '1'])],
    present,
  )
  yield scene(
    'kget',
    '/ RECURSIVE SORTED of 500 000',
    () => [['KGET', '/', 'RECURSIVE', 'SORTED']],
    present,
    OURS,
  )
  yield scene(
    'kget',
    '/dir RECURSIVE of 500 000',
    () => [['KGET', '/dir', 'RECURSIVE']],
    below,
    OURS,
  )
  yield scene(
    'kget',
    '/ 1 000 times, of 2 000',
    () => many(1000, () => ['KGET', '/', 'SORTED']),
    () => keys(2000, plain),
    OURS,
  )
  yield scene(
    'kget',
    '/ RECURSIVE of 3 000 × 1 000 levels',
    () => [['KGET', '/', 'RECURSIVE']],
    () => keys(3000, deep),
    OURS,
  )
  yield scene('kdel', '/dir of 500 000', () => [['KDEL', '/dir', 'RECURSIVE']], below, OURS)
  yield scene(
    'kdel',
    '3 000 × 1 000 levels',
    () => many(3000, (i) => ['KDEL', `/${i}`, 'RECURSIVE']),
    () => keys(3000, deep),
    OURS,
  )
  yield scene('ksave', 'of 500 000', () => [['KSAVE']], present, OURS)
  yield scene(
    'ksave',
    'of 3 000 × 1 000 levels',
    () => [['KSAVE']],
    () => keys(3000, deep),
    OURS,
  )
  yield scene('rename', 'a directory of 500 000', () => [['RENAME', 'dir', 'other']], below, OURS)
  yield scene('copy', 'a directory of 500 000', () => [['COPY', 'dir', 'other']], below, OURS)
}
