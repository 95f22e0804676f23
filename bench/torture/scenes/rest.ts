import type { Case } from '../attack.ts'
import { type Request, repeated, words } from '../request.ts'
import { MB, many, OURS, plain, scene } from './scene.ts'

/** `[` and `]` around a text. */
const around = (open: string, inner: Buffer, close: string): Buffer =>
  Buffer.concat([Buffer.from(open), inner, Buffer.from(close)])

const state = (nodes: Buffer): Buffer =>
  around(
    '{"Root":{"Path":"/","CreatedIndex":0,"ModifiedIndex":0,"ExpireTime":"0001-01-01T00:00:00Z","Value":"","Children":{',
    nodes,
    '}},"WatcherHub":{"EventHistory":{"Queue":{"Events":[],"Size":0,"Front":0,"Back":0,"Capacity":1000},"StartIndex":0,"LastIndex":0,"DupCounter":0}},"CurrentIndex":1,"Stats":{},"CurrentVersion":2}',
  )

const nodes = (count: number): Buffer =>
  Buffer.from(
    words(
      count,
      (i) =>
        `"n${i}":{"Path":"/n${i}","CreatedIndex":1,"ModifiedIndex":1,"ExpireTime":"0001-01-01T00:00:00Z","Value":"v","Children":null}`,
    ).join(','),
  )

/** What else a client may think of: words, numbers, directives, states. */
export function* theRest(): Generator<Case> {
  yield scene('unknown', 'a command of 60 MB', () => [[repeated('\x01', 60 * MB)]])
  yield scene('unknown', '500 000 arguments', () => [['nothing', ...words(500_000, () => '\x01')]])
  yield scene('unknown', '40 arguments of 1.5 MB', () => [
    ['nothing', ...words(40, () => repeated('\x01', 1.5 * MB))],
  ])
  yield scene('unknown', '200 000 requests', () => many(200_000, (i) => [`nothing${i}`]))
  yield scene('command info', '500 000 × client', () => [
    ['COMMAND', 'INFO', ...words(500_000, () => 'client')],
  ])
  yield scene('command docs', '500 000 × client', () => [
    ['COMMAND', 'DOCS', ...words(500_000, () => 'client')],
  ])
  yield scene('command info', '500 000 × `client|kill`', () => [
    ['COMMAND', 'INFO', ...words(500_000, () => 'client|kill')],
  ])
  yield scene('command info', '60 MB of bars', () => [['COMMAND', 'INFO', repeated('|', 60 * MB)]])
  yield scene('command getkeys', 'MSET of 500 000', () => [
    ['COMMAND', 'GETKEYS', 'MSET', ...words(500_000, plain)],
  ])
  yield scene('command getkeysandflags', 'MSET of 500 000', () => [
    ['COMMAND', 'GETKEYSANDFLAGS', 'MSET', ...words(500_000, plain)],
  ])
  yield scene('scan', 'a cursor of 30 MB of digits', () => [['SCAN', repeated('7', 30 * MB)]])
  yield scene('config set', '60 MB of words in save', () => [
    ['CONFIG', 'SET', 'save', repeated('1 ', 60 * MB)],
  ])
  yield scene('config set', '60 MB in client-output-buffer-limit', () => [
    ['CONFIG', 'SET', 'client-output-buffer-limit', repeated('normal 0 0 0 ', 60 * MB)],
  ])
  yield scene('config set', '60 MB of digits in maxmemory', () => [
    ['CONFIG', 'SET', 'maxmemory', repeated('7', 60 * MB)],
  ])
  yield scene('config set', 'requirepass of 60 MB, and AUTH', () => [
    ['CONFIG', 'SET', 'requirepass', repeated('p', 60 * MB)],
    ['AUTH', repeated('p', 60 * MB)],
  ])
  yield scene('config set', 'slowlog-max-len of 2^53-1', () => [
    ['CONFIG', 'SET', 'slowlog-max-len', '9007199254740991'],
  ])
  yield scene(
    'config set',
    'watch-history of 10 000 000',
    () => [['CONFIG', 'SET', 'watch-history', '10000000']],
    undefined,
    OURS,
  )
  yield scene(
    'slowlog get',
    'all, of 20 000 of 32 arguments of 100 bytes',
    () => [['SLOWLOG', 'GET', '-1']],
    () => [
      ['CONFIG', 'SET', 'slowlog-max-len', '20000'],
      ['CONFIG', 'SET', 'slowlog-log-slower-than', '0'],
      ...many(20_000, (): Request => ['EXISTS', ...words(31, () => repeated('k', 100).toString())]),
    ],
  )
  yield scene('echo', '60 MB', () => [['ECHO', repeated('\x01', 60 * MB)]])
  yield scene('ping', '60 MB', () => [['PING', repeated('\x01', 60 * MB)]])
  yield scene('client setname', '60 MB, then CLIENT LIST 100 times', () => [
    ['CLIENT', 'SETNAME', repeated('n', 60 * MB)],
    ...many(100, () => ['CLIENT', 'LIST']),
  ])
  yield scene('restore', '60 MB that is no payload', () => [
    ['RESTORE', 'k', '0', repeated('\x00', 60 * MB)],
  ])
  yield scene('restore', '60 MB of LZF', () => [
    ['RESTORE', 'k', '0', around('\x00\xc3', repeated('\xe0\xff\x00', 60 * MB), '')],
  ])
  yield scene('latency reset', '500 000 events', () => [
    ['LATENCY', 'RESET', ...words(500_000, (i) => `e${i}`)],
  ])
  yield scene('lolwut', 'of 2^31 columns', () => [
    ['LOLWUT', 'VERSION', '5', '2147483647', '1000', '1000'],
  ])
  yield scene('hello', 'AUTH of 60 MB', () => [
    ['HELLO', '3', 'AUTH', 'default', repeated('p', 60 * MB)],
  ])
  yield scene(
    'krecover',
    '60 MB of `[],`',
    () => [['KRECOVER', around('[', repeated('[],', 60 * MB), '[]]')]],
    undefined,
    OURS,
  )
  yield scene(
    'krecover',
    '60 MB of `[`',
    () => [['KRECOVER', repeated('[', 60 * MB)]],
    undefined,
    OURS,
  )
  yield scene(
    'krecover',
    '60 MB of `{"a":`',
    () => [['KRECOVER', repeated('{"a":', 60 * MB)]],
    undefined,
    OURS,
  )
  yield scene(
    'krecover',
    '60 MB of digits',
    () => [['KRECOVER', repeated('7', 60 * MB)]],
    undefined,
    OURS,
  )
  yield scene(
    'krecover',
    '60 MB of \\u0001',
    () => [['KRECOVER', around('"', repeated('\\u0001', 60 * MB), '"')]],
    undefined,
    OURS,
  )
  yield scene(
    'krecover',
    '60 MB of `"a":0,`',
    () => [['KRECOVER', around('{', repeated('"a":0,', 60 * MB), '"a":0}')]],
    undefined,
    OURS,
  )
  yield scene(
    'krecover',
    '60 MB of `{},` within Children',
    () => [['KRECOVER', state(around('"a":[', repeated('{},', 60_000_000), '{}]'))]],
    undefined,
    OURS,
  )
  yield scene(
    'krecover',
    'a state of 400 000 nodes',
    () => [['KRECOVER', state(nodes(400_000))]],
    undefined,
    OURS,
  )
}
