import type { Case } from '../attack.ts'
import { type Request, repeated, words } from '../request.ts'
import { big, MB, many, OURS, onlooker, scene } from './scene.ts'

/** Requests that work on large values. */
export function* largeValues(): Generator<Case> {
  const present = (): Request[] => big()
  yield scene(
    'set',
    '60 MB over 60 MB, GET',
    () => [['SET', 'big', repeated('y', 60 * MB), 'GET']],
    present,
  )
  yield scene('get', '60 MB', () => [['GET', 'big']], present)
  yield scene('mget', '80 × a value of 60 MB', () => [['MGET', ...words(80, () => 'big')]], present)
  yield scene('get', '80 requests for 60 MB', () => many(80, () => ['GET', 'big']), present)
  yield scene(
    'exec',
    '80 × GET of 60 MB',
    () => [['MULTI'], ...many(80, () => ['GET', 'big']), ['EXEC']],
    present,
  )
  yield scene('exec', '2 × SET of 55 MB', () => [
    ['MULTI'],
    ['SET', 'a', repeated('x', 55 * MB)],
    ['SET', 'b', repeated('x', 55 * MB)],
    ['EXEC'],
  ])
  yield scene('getrange', '60 MB', () => [['GETRANGE', 'big', '0', '-1']], present)
  yield scene('append', '1 byte to 60 MB', () => [['APPEND', 'big', 'x']], present)
  yield scene(
    'append',
    '200 times a byte to 60 MB, read between',
    () => many(200, (i) => (i % 2 ? ['GETRANGE', 'big', '5', '9'] : ['APPEND', 'big', 'x'])),
    present,
  )
  yield scene('setrange', 'a byte far out', () => [['SETRANGE', 'k', String(60 * MB), 'x']])
  yield scene(
    'setrange',
    '200 times a byte in 60 MB',
    () => many(200, (i) => ['SETRANGE', 'big', String(i * 1000), 'x']),
    present,
  )
  yield scene(
    'incr',
    'a value of 60 MB',
    () => [['INCR', 'big']],
    () => big('7'),
  )
  yield scene(
    'incrbyfloat',
    'a value of 60 MB',
    () => [['INCRBYFLOAT', 'big', '1']],
    () => big('7'),
  )
  yield scene('copy', '60 MB', () => [['COPY', 'big', 'other']], present)
  yield scene('rename', '60 MB', () => [['RENAME', 'big', 'other']], present)
  yield scene('dump', '60 MB', () => [['DUMP', 'big']], present)
  yield scene(
    'dump',
    '60 MB that LZF makes small',
    () => [['DUMP', 'big']],
    () => big('abcdefgh'),
  )
  yield scene('memory usage', '60 MB', () => [['MEMORY', 'USAGE', 'big']], present)
  yield scene(
    'object encoding',
    '60 MB',
    () => [['OBJECT', 'ENCODING', 'big']],
    () => big('7'),
  )
  yield scene('kget', '60 MB', () => [['KGET', '/big']], present, OURS)
  yield scene(
    'kset',
    '60 MB over 60 MB',
    () => [['KSET', '/big', repeated('y', 60 * MB)]],
    present,
    OURS,
  )
  yield scene(
    'kcas',
    '60 MB compared with 60 MB',
    () => [['KCAS', '/big', 'x', 'PREVVALUE', repeated('y', 60 * MB)]],
    present,
    OURS,
  )
  yield scene(
    'kcad',
    '60 MB compared with 60 MB',
    () => [['KCAD', '/big', 'PREVVALUE', repeated('y', 60 * MB)]],
    present,
    OURS,
  )
  yield scene(
    'ksave',
    '12 values of 60 MB of \\x01',
    () => [['KSAVE']],
    () => many(12, (i) => ['SET', `big${i}`, repeated('\x01', 60 * MB)]),
    OURS,
  )
  yield scene(
    'kget',
    '12 values of 60 MB listed',
    () => [['KGET', '/', 'RECURSIVE']],
    () => many(12, (i) => ['SET', `big${i}`, repeated('\x01', 60 * MB)]),
    OURS,
  )
  yield scene(
    'kwatch',
    'what replaced 47 MB of \\x01, in the history',
    () => [['KWATCH', '/?recursive=true&since=2']],
    () => [...big('\x01', 47 * MB), ...big('x', 2 * MB), ...big('\x01', 47 * MB)],
    OURS,
  )
  yield scene(
    'set',
    '47 MB of \\x01 twice, and a watcher',
    () => [...big('\x01', 47 * MB), ...big('\x01', 47 * MB)],
    undefined,
    onlooker(() => ['KWATCH', '/?recursive=true']),
  )
  yield scene(
    'kwait',
    'what replaced 60 MB',
    () => [['KWAIT', '/big', 'SINCE', '1']],
    () => [...big(), ...big()],
    OURS,
  )
}
