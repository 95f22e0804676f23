import { afterAll, beforeAll, expect, test } from 'vitest'
import { testAlone } from '../../cluster/alone.ts'
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
const MB = 1024 ** 2

const COMMANDS = [
  ...['get', 'set', 'setnx', 'setex', 'psetex', 'getset', 'getdel', 'getex', 'mget', 'mset'],
  ...['msetnx', 'append', 'strlen', 'getrange', 'substr', 'setrange', 'incr', 'decr', 'incrby'],
  ...['decrby', 'incrbyfloat'],
]

/** Each command with none to five arguments, so with right and wrong arities. */
const arities = COMMANDS.map((name) =>
  pipeline(
    name,
    `${name} k`,
    `${name} k 1`,
    `${name} k 1 2`,
    `${name} k 1 2 3`,
    `${name} k 1 2 3 4`,
  ),
)

const CLEAN = pipeline('DEL k K m nope missing a b c d e 1 2 3') + encode('DEL', 'a b\xff')

/** Read after each request: the key, and when it expires. */
const LOOK = ['GET k', 'PEXPIRETIME k']
const FUTURE = 4_000_000_000

/** The options of SET, alone and in pairs. */
const setOptions = [
  ...['NX', 'XX', 'GET', 'KEEPTTL', `EXAT ${FUTURE}`, `PXAT ${FUTURE}123`, 'EX 100', 'PX 100000'],
  ...['PERSIST', 'nope', 'EX', 'PXAT', 'nx', 'get', 'eXaT 4000000001'],
]
const setPairs = setOptions.flatMap((one) =>
  ['', ...setOptions].map((other) =>
    // EXAT comes first so that there is a TTL to keep. Relative times come out differently.
    [`SET k a EXAT ${FUTURE + 5}`, `SET k b ${one} ${other}`.trim(), 'GET k'].concat(
      /\b(EX|PX) \d/.test(`${one} ${other}`) ? [] : ['PEXPIRETIME k'],
      [`SET missing b ${one} ${other}`.trim(), 'GET missing', 'GETDEL missing'],
    ),
  ),
)

const getexOptions = [
  ...['PERSIST', `EXAT ${FUTURE}`, `PXAT ${FUTURE}123`, 'EX 100', 'PX 100000', 'EXAT 1', 'PXAT 1'],
  ...['KEEPTTL', 'NX', 'GET', 'EX', 'persist', 'EXAT 4000000001', 'EX 0', 'EX x', 'PXAT -1'],
]
const getexPairs = getexOptions.flatMap((one) =>
  ['', ...getexOptions].map((other) =>
    [`SET k a EXAT ${FUTURE + 5}`, `GETEX k ${one} ${other}`.trim(), 'GET k'].concat(
      /\b(EX|PX) \d/.test(`${one} ${other}`) ? [] : ['PEXPIRETIME k'],
      [`GETEX missing ${one} ${other}`.trim()],
    ),
  ),
)

const INTEGERS = [
  ...['0', '1', '-1', '10', '007', '-0', '+1', ' 1', '1 ', '1.0', 'x', '', '0x10', '1e3', '--1'],
  ...['9007199254740991', '9007199254740993', '-9007199254740993', '999999999999999'],
  ...['9223372036854775807', '-9223372036854775808', '9223372036854775808'],
  ...['-9223372036854775809', '9223372036854775806', '99999999999999999999', '1\0', '4294967296'],
]

const expiries = [
  ...INTEGERS,
  ...['9223372036854775', '9223372036854776', '9223370000000000000', '253402300800', '1000000000'],
]

const fixed: readonly string[] = [
  ...arities,
  pipeline('GET k', 'SET k v', 'GET k', 'GET K', 'STRLEN k', 'STRLEN nope', 'GETDEL k', 'GETDEL k'),
  encode('SET', 'k', '') + pipeline('GET k', 'STRLEN k', 'APPEND k a', 'GET k'),
  encode('SET', 'k', '\0\r\n\xff"\x80') +
    pipeline('GET k', 'STRLEN k', 'GETRANGE k 1 3', 'MGET k x k'),
  encode('SET', 'a b\xff', '1') + encode('INCR', 'a b\xff') + encode('MGET', 'a b\xff', 'a'),
  encode('SET', 'k', 'v', 'NX\0a') + encode('SET', 'k', 'v', 'keepttl\0') + pipeline('GET k'),
  encode('SET', 'k', 'v', '') + encode('SET', 'k', 'v', 'EX', '') + pipeline('GET k'),
  pipeline('SETNX k a', 'SETNX k b', 'GET k', 'GETSET k c', 'GETSET m d', 'GET k', 'GET m'),
  pipeline(
    `SET k a EXAT ${FUTURE}`,
    'GETSET k b',
    ...LOOK,
    `SET k a EXAT ${FUTURE}`,
    'SET k c',
    ...LOOK,
  ),
  pipeline(
    `SET k 1 EXAT ${FUTURE}`,
    'INCR k',
    'APPEND k 2',
    'SETRANGE k 0 3',
    'INCRBYFLOAT k 1',
    ...LOOK,
  ),
  pipeline('SET k v EXAT 1', 'GET k', 'SET k v PXAT 1', 'STRLEN k', 'SETNX k w', 'GET k'),
  pipeline('SET k v EXAT 1', 'INCR k', 'SET k v EXAT 1', 'APPEND k w', 'SET k v EXAT 1', 'MGET k'),
  pipeline('SET k v', 'GETEX k', ...LOOK, 'GETEX nope', 'GETEX nope EX 0', 'GETEX k EX 0', 'GET k'),
  pipeline('MSET a 1 b 2', 'MGET a b c', 'MSET a 3 a 4', 'GET a', 'MSETNX a 1 c 2', 'MGET a c'),
  pipeline('MSETNX c 1 d 2', 'MGET c d', 'MSETNX e 1 e 2', 'GET e', 'MSET a', 'MSET a 1 b'),
  pipeline(`SET a 1 EXAT ${FUTURE}`, 'MSET a 2', 'PEXPIRETIME a', 'MSETNX a 1 b', 'MSETNX a'),
  pipeline(
    'APPEND k a',
    'APPEND k bc',
    'GET k',
    'SETRANGE k 1 xyz',
    'GET k',
    'SETRANGE k 6 end',
    'GET k',
  ),
  encode('APPEND', 'k', '') + pipeline('GET k') + encode('APPEND', 'k', '') + pipeline('STRLEN k'),
  encode('SETRANGE', 'k', '5', '') + pipeline('GET k', 'SETRANGE k 3 a', 'GET k'),
  encode('SETRANGE', 'k', '5', '') + encode('SETRANGE', 'k', '-1', '') + pipeline('GET k'),
  pipeline('SETRANGE k 9223372036854775807 a', 'SETRANGE k 4294967296 a', 'GET k'),
  pipeline(
    'INCR k',
    'DECR k',
    'DECR k',
    'INCRBY k 5',
    'DECRBY k 10',
    'GET k',
    'INCRBY k 0',
    'DECRBY k 0',
  ),
  pipeline('SET k abc', 'INCR k', 'DECR k', 'INCRBY k 1', 'DECRBY k x', 'INCRBYFLOAT k 1', 'GET k'),
  pipeline('DECRBY k -9223372036854775808', 'DECRBY nope -9223372036854775808', 'GET nope'),
]

/** These grow a value beyond `proto-max-bulk-len`. */
const beyondLimit: readonly string[] = [
  pipeline('SETRANGE k 67108864 a', 'SETRANGE k 67108863 a', 'STRLEN k', 'APPEND k a', 'STRLEN k'),
  encode('SET', 'k', 'x'.repeat(64 * MB)) +
    pipeline('APPEND k a', 'SETRANGE k 67108864 a') +
    encode('APPEND', 'k', '') +
    encode('SETRANGE', 'k', '99999999', '') +
    pipeline('STRLEN k'),
]

const numbers: readonly string[][] = [
  ...INTEGERS.flatMap((value) => INTEGERS.map((by) => [value, by]).concat([['missing', value]])),
]

describeWithPeer('redis-server', 'strings, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair({ 'client-query-buffer-limit': '128mb' }, true)
  })
  afterAll(() => pair?.stop())

  /** Compares the replies without the count of deleted keys, which depends on the test before. */
  const afterClean = (output: string): string =>
    withoutNumbers(output).replace(/^:\d+\r\n:\d+\r\n/, '')

  const same = async (input: string): Promise<void> => {
    const { redis, ktree } = await pair.ask(CLEAN + input)
    expect(afterClean(ktree)).toBe(afterClean(redis))
  }

  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test.for(fixed.map((input) => [input.slice(0, 200), input]))(`${protocol}: %j`, ([, input]) =>
      same(input + prefix + input),
    )

    for (const input of beyondLimit) {
      testAlone('a directive of one node has no say', `${protocol}: ${input.slice(0, 100)}`, () =>
        same(input + prefix + input),
      )
    }

    test(`${protocol}: the options of SET in pairs`, async () => {
      for (const lines of setPairs) await same(prefix + pipeline(...lines))
    })

    test(`${protocol}: the options of GETEX in pairs`, async () => {
      for (const lines of getexPairs) await same(prefix + pipeline(...lines))
    })
  }

  test.for(['set', 'setex', 'psetex', 'getex'])('%s: valid and invalid times', async (name) => {
    for (const time of expiries) {
      const set = (token: string): string =>
        encode(name, 'k', ...(name === 'set' ? ['v'] : []), token, time)
      const requests = ['EX', 'PX', 'EXAT', 'PXAT'].map(set).join(encode('SET', 'k', 'w'))
      const old = encode(name, 'k', time, 'v')
      await same(name.endsWith('setex') ? old : encode('SET', 'k', 'v') + requests)
    }
  })

  test('INCRBY: each integer with each increment', async () => {
    for (const [value, by] of numbers) {
      const set = value === 'missing' ? pipeline('DEL k') : encode('SET', 'k', value)
      const commands = ['INCRBY', 'DECRBY'].map((name) => set + encode(name, 'k', by))
      await same(
        `${commands.join('')}${set}${pipeline('INCR k', 'GET k')}${set}${pipeline('DECR k')}`,
      )
    }
  })

  test.for(['GETRANGE', 'SUBSTR'])('%s: each start with each end', async (name) => {
    const places = ['0', '1', '4', '5', '6', '-1', '-5', '-6', '-7', ...INTEGERS]
    const requests = places.flatMap((start) => places.map((end) => encode(name, 'k', start, end)))
    await same(encode('SET', 'k', 'hello') + requests.join(''))
    await same(encode('SET', 'k', '') + requests.join(''))
    await same(requests.join(''))
  })

  test('SETRANGE: each offset', async () => {
    const offsets = INTEGERS.filter((offset) => offset !== '4294967296')
    await same(offsets.map((offset) => encode('SETRANGE', 'k', offset, 'ab')).join(''))
  })

  test('COMMAND INFO: name, arity, flags, keys', async () => {
    const { redis, ktree } = await pair.ask(encode('COMMAND', 'INFO', ...COMMANDS))
    const read = (output: string): Value[] =>
      (parseReplies(output)[0] as Value[][]).map((info) => info.slice(0, 6))
    expect(read(ktree)).toEqual(read(redis))
  })
})
