import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import {
  encode,
  type Pair,
  parseReplies,
  pipeline,
  startPair,
  type Value,
  withoutNumbers,
} from './pair.ts'

const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }
/** Each begins with an empty database. */
const EMPTY = pipeline('FLUSHALL')

/** Far in the future, in Unix seconds. */
const LATER = 33_333_333_333

const requests: readonly string[] = [
  pipeline('DEL', 'DEL a', 'SET a 1', 'SET b 2', 'DEL a a b c', 'EXISTS a b', 'DBSIZE'),
  pipeline('UNLINK', 'SET a 1', 'UNLINK a b a', 'UNLINK a'),
  pipeline('EXISTS', 'EXISTS a', 'SET a 1', 'EXISTS a a b a', 'TOUCH', 'TOUCH a b a', 'TOUCH b'),
  pipeline('TYPE', 'TYPE a b', 'TYPE a', 'SET a 1', 'TYPE a'),
  encode('SET', '\0\xff\r\n', 'x') + encode('EXISTS', '\0\xff\r\n') + encode('KEYS', '*'),
  // RENAME
  pipeline('RENAME a', 'RENAME a b c', 'RENAME a b', 'RENAME a a', 'RENAMENX a', 'RENAMENX a b'),
  pipeline('SET a 1', 'RENAME a b', 'GET a', 'GET b', 'RENAME b b', 'RENAMENX b b', 'GET b'),
  pipeline('SET a 1', 'SET b 2', 'RENAMENX a b', 'GET b', 'RENAME a b', 'GET b', 'DBSIZE'),
  pipeline(`SET a 1 EXAT ${LATER}`, 'SET b 2', 'RENAME a b', 'EXPIRETIME b', 'EXPIRETIME a'),
  pipeline('SET a 1', `SET b 2 EXAT ${LATER}`, 'RENAME a b', 'TTL b', 'RENAMENX b c', 'TTL c'),
  // COPY
  pipeline('COPY a', 'COPY a b', 'COPY a a', 'COPY a b x', 'COPY a b DB', 'COPY a b REPLACE x'),
  pipeline('SET a 1', 'COPY a b', 'GET b', 'SET a 2', 'COPY a b', 'GET b', 'COPY a b REPLACE'),
  pipeline('SET a 1', 'COPY a b DB 0', 'COPY a b db 0 replace REPLACE DB 0', 'GET b', 'GET a'),
  pipeline('SET a 1', 'COPY a a', 'COPY a a REPLACE', 'COPY a b DB 1', 'COPY a b DB -1'),
  pipeline(
    'COPY a b DB x',
    'COPY a a DB x',
    'COPY a b DB 99999999999',
    'COPY a a x',
    'COPY a a DB 1',
  ),
  pipeline(
    `SET a 1 EXAT ${LATER}`,
    'COPY a b',
    'EXPIRETIME b',
    'SET c 1',
    'COPY c b REPLACE',
    'TTL b',
  ),
  // One database
  pipeline('MOVE a', 'MOVE a 0', 'MOVE a 1', 'MOVE a -1', 'MOVE a x', 'MOVE a 99999999999'),
  pipeline('SET a 1', 'MOVE a 0', 'MOVE a 1', 'GET a', 'MOVE a 9223372036854775808'),
  pipeline('SWAPDB', 'SWAPDB 0', 'SWAPDB 0 0', 'SWAPDB 0 1', 'SWAPDB 1 0', 'SWAPDB -1 0'),
  pipeline('SWAPDB x 0', 'SWAPDB 0 x', 'SWAPDB x y', 'SWAPDB 1 x', 'SWAPDB 99999999999 0'),
  pipeline('SWAPDB 0 99999999999', 'SWAPDB 0 2147483648', 'SWAPDB 2147483647 0', 'SWAPDB 0 0 0'),
  pipeline(
    'FLUSHALL x',
    'FLUSHALL SYNC x',
    'FLUSHALL ASYNC',
    'FLUSHDB sync',
    'FLUSHDB x',
    'FLUSHDB',
  ),
  pipeline(
    'SET a 1',
    'FLUSHALL ASYNC',
    'GET a',
    'SET a 2',
    'FLUSHDB',
    'DBSIZE',
    'SET a 3',
    'DBSIZE',
  ),
  // OBJECT
  pipeline(
    'OBJECT',
    'OBJECT x',
    'OBJECT x y',
    'OBJECT ENCODING',
    'OBJECT ENCODING a b',
    'OBJECT a b c',
  ),
  pipeline('OBJECT ENCODING a', 'OBJECT FREQ a', 'OBJECT IDLETIME a', 'OBJECT REFCOUNT a'),
  pipeline('SET a 1', 'OBJECT FREQ a', 'OBJECT HELP x', 'object encoding a'),
  ...[
    ...['0', '-0', '1', '9999', '10000', '-1', '01', '+1', ' 1', '1.0', '', 'x'],
    ...['9223372036854775807', '9223372036854775808', '-9223372036854775808'],
    ...['-9223372036854775809', '12345678901234567890', 'x'.repeat(44), 'x'.repeat(45)],
  ].map(
    (value) =>
      encode('SET', 'a', value) + pipeline('OBJECT ENCODING a', 'OBJECT REFCOUNT a', 'DEL a'),
  ),
  // KEYS, RANDOMKEY
  pipeline(
    'KEYS',
    'KEYS *',
    'KEYS a b',
    'RANDOMKEY',
    'RANDOMKEY x',
    'SET a 1',
    'RANDOMKEY',
    'KEYS *',
  ),
  pipeline('SET abc 1', 'KEYS a*', 'KEYS ?b?', 'KEYS [^b]bc', 'KEYS b*', 'KEYS abc', 'KEYS \\abc'),
  pipeline('SET _x 1', 'KEYS *', 'KEYS _*', 'SCAN 0', 'RANDOMKEY', 'DBSIZE'),
  encode('KEYS', '') + encode('KEYS', '[') + encode('KEYS', '\\') + encode('KEYS', '\xff\0'),
]

/** Commands whose declarations must agree. */
const names = [
  ...['del', 'unlink', 'exists', 'type', 'ttl', 'pttl', 'expire', 'pexpire', 'expireat'],
  ...['pexpireat', 'expiretime', 'pexpiretime', 'persist', 'rename', 'renamenx', 'copy', 'keys'],
  ...['scan', 'randomkey', 'touch', 'object|encoding', 'object|freq', 'object|idletime'],
  ...['object|refcount', 'object|help', 'object', 'move', 'swapdb', 'flushall', 'flushdb'],
  ...['dump', 'restore'],
]

describeWithPeer('redis-server', 'keys, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair()
  })
  afterAll(() => pair?.stop())

  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test.for(requests)(`${protocol}: %j`, async (input) => {
      const { redis, ktree } = await pair.ask(prefix + EMPTY + input)
      expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
    })

    test(`${protocol}: the idle time of a key just written is 0`, async () => {
      const both = await pair.ask(`${prefix}${EMPTY}${pipeline('SET a 1', 'OBJECT IDLETIME a')}`)
      // Redis counts whole seconds of the clock, and the next one may just have begun.
      for (const output of Object.values(both)) expect(output).toMatch(/\+OK\r\n:[01]\r\n$/)
    })

    test(`${protocol}: KEYS lists the same keys, in any order`, async () => {
      const all = ['a', 'ab', 'abc', 'b', 'a/b', 'a*', 'user:1', 'user:2', '_h', 'x_y', '\xe9']
        .filter((key) => key !== 'a')
        .map((key) => encode('SET', key, '1'))
      const patterns = ['*', 'a*', '*b*', 'user:?', '[au]*', '*:[^1]', 'a\\*', '*/*', '_*', '?']
      const asked = EMPTY + all.join('') + patterns.map((glob) => encode('KEYS', glob)).join('')
      const { redis, ktree } = await pair.ask(prefix + asked)
      const sorted = (output: string): Value[] =>
        parseReplies(output).map((each) => (Array.isArray(each) ? each.toSorted() : each))
      expect(sorted(ktree).slice(-patterns.length)).toEqual(sorted(redis).slice(-patterns.length))
    })

    test(`${protocol}: COMMAND INFO and the arguments of COMMAND DOCS agree`, async () => {
      const { redis, ktree } = await pair.ask(
        prefix + encode('COMMAND', 'INFO', ...names) + encode('COMMAND', 'DOCS', ...names),
      )
      const read = (output: string): unknown => {
        const [infos, docs] = parseReplies(output).slice(-2)
        // Flat arrays of names and values are RESP2's maps.
        const map = (value: Value): Map<Value, Value> =>
          value instanceof Map
            ? value
            : new Map(
                (value as Value[]).flatMap((each, i, all) =>
                  i % 2 ? [] : [[each, all[i + 1]] as const],
                ),
              )
        const plain = (args: Value): unknown =>
          (args as Value[]).map((arg) => {
            const { since: _, ...fields } = Object.fromEntries(map(arg))
            const { key_spec_index: __, arguments: members, ...rest } = fields
            return members === undefined ? rest : { ...rest, arguments: plain(members) }
          })
        const documented = [...map(docs)].map(([name, doc]) => {
          const found = map(doc)
          return [name, found.get('group'), plain(found.get('arguments') ?? [])]
        })
        return [(infos as Value[][]).map((info) => info.slice(0, 6)), documented]
      }
      expect(read(ktree)).toEqual(read(redis))
    })
  }
})
