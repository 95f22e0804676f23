import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, pipeline, startPair, withoutNumbers } from './pair.ts'

/** How many sequences of commands, and how many sums, are compared. */
const RUNS = Number(process.env.KTREE_CONFORMANCE_OPS ?? 1000)

const PREFIXES = ['', pipeline('HELLO 3')]
const KEYS = ['a', 'b', 'c']
const CLEAN = encode('DEL', ...KEYS)
/** Reads the final values of all keys, and when they expire. */
const LOOK = encode('MGET', ...KEYS) + KEYS.map((key) => encode('PEXPIRETIME', key)).join('')

const key = fc.constantFrom(...KEYS)
const bytes = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
})
const integer = fc.oneof(
  fc.integer({ min: -20, max: 20 }).map(String),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
  fc.constantFrom('9223372036854775807', '-9223372036854775808', '-0', '', '1x', '00', ' 1'),
)
const decimal = fc.constantFrom('1.5', '-0.1', '3.0e3', '.5', '5.', 'inf', 'nan', '0x1p-2', '1e')
const value = fc.oneof(bytes, integer, decimal)
const offset = fc.oneof(
  fc.integer({ min: -12, max: 12 }).map(String),
  fc.constantFrom('99999999999999999999', 'x'),
)
/** Far in the future or long past, so that nothing expires during the test. */
const second = fc.constantFrom('1', '4000000000', '0', '-1', 'x', '', '9223372036854775808')
const millisecond = fc.constantFrom('1', '4000000000123', '0', '-1', 'x', '9223372036854775808')
const option = fc.oneof(
  fc.constantFrom('NX', 'XX', 'GET', 'KEEPTTL', 'PERSIST', 'xx', 'nope').map((word) => [word]),
  fc.tuple(fc.constant('EXAT'), second),
  fc.tuple(fc.constantFrom('PXAT', 'pxat'), millisecond),
)
const options = fc.array(option, { maxLength: 3 }).map((all) => all.flat())
const pairs = fc
  .array(fc.tuple(key, value), { minLength: 1, maxLength: 4 })
  .map((all) => all.flat())

const request: fc.Arbitrary<string[]> = fc.oneof(
  fc.tuple(fc.constant('SET'), key, value, options).map(([name, k, v, o]) => [name, k, v, ...o]),
  fc.tuple(fc.constant('GETEX'), key, options).map(([name, k, o]) => [name, k, ...o]),
  fc.tuple(fc.constantFrom('GET', 'STRLEN', 'INCR', 'DECR', 'GETDEL', 'GETEX'), key),
  fc.tuple(fc.constantFrom('SETNX', 'GETSET', 'APPEND'), key, value),
  fc.tuple(fc.constantFrom('INCRBY', 'DECRBY'), key, integer),
  fc.tuple(fc.constant('INCRBYFLOAT'), key, fc.oneof(integer, decimal, value)),
  fc.tuple(fc.constantFrom('GETRANGE', 'SUBSTR'), key, offset, offset),
  fc.tuple(fc.constant('SETRANGE'), key, offset, bytes),
  fc.tuple(fc.constantFrom('MSET', 'MSETNX'), pairs).map(([name, all]) => [name, ...all]),
  fc.array(key, { maxLength: 4 }).map((keys) => ['MGET', ...keys]),
)

const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 25 })
const sign = fc.constantFrom('', '', '-', '+')
const smallPower = fc.integer({ min: -30, max: 30 })
const power = fc.oneof(
  { weight: 4, arbitrary: smallPower },
  fc.integer({ min: -5000, max: 5000 }),
  fc.constantFrom(-4951, -4950, -4949, 4931, 4932, 4933),
)
/** Every notation for numbers that C knows, and some that it does not. */
const float = fc.oneof(
  { weight: 4, arbitrary: fc.double().map(String) },
  { weight: 4, arbitrary: fc.integer({ min: -99999, max: 99999 }).map((n) => String(n / 1000)) },
  fc.tuple(sign, digits, digits).map(([s, whole, part]) => `${s}${whole}.${part}`),
  fc.tuple(sign, digits, digits, power).map(([s, whole, part, e]) => `${s}${whole}.${part}e${e}`),
  fc.tuple(sign, digits, power).map(([s, whole, e]) => `${s}${whole}E${e < 0 ? e : `+${e}`}`),
  fc
    .tuple(
      sign,
      fc.bigInt({ min: 0n, max: 2n ** 80n }),
      fc.nat(9),
      fc.integer({ min: -16500, max: 16400 }),
    )
    .map(([s, whole, part, e]) => `${s}0x${whole.toString(16)}.${part}p${e}`),
  // Halves of the last digit that is printed.
  fc
    .tuple(sign, fc.nat(99), fc.integer({ min: 50, max: 62 }))
    .map(([s, n, e]) => `${s}0x${n}p-${e}`),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.constantFrom(
    ...[
      'inf',
      '-INF',
      'Infinity',
      'nan',
      'nan(1)',
      '0x',
      '0x.p1',
      '0xg',
      '1e',
      '1e+',
      '.',
      '',
      '-',
    ],
    ...[
      '1 ',
      ' 1',
      '1\0',
      '\t1',
      '--1',
      '1_0',
      '1,0',
      '0x1.8',
      '0X1P3',
      '-.5e1',
      '1e99999999999999999999',
    ],
    ...[
      '0e99999999',
      '-0',
      '0.1',
      '0.2',
      '3.6e-4951',
      '1.9e-4951',
      '1.8e-4951',
      '1e-4951',
      '1e4932',
    ],
    ...[
      '1.18973149535723176502e4932',
      '1.18973149535723176509e4932',
      '3.3621e-4932',
      '5.0e3',
      '0x1p-16446',
      '0x3p-16447',
    ],
    ...[
      '18446744073709551615',
      '18446744073709551617',
      '36893488147419103233',
      '0.000000000000000005',
    ],
  ),
)

describeWithPeer('redis-server', 'strings, generated and compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair({}, true)
  })
  afterAll(() => pair?.stop())

  const same = async (prefix: string, requests: string): Promise<void> => {
    const { redis, ktree } = await pair.ask(CLEAN + prefix + requests + LOOK)
    // The count of deleted keys depends on the run before.
    const afterClean = (output: string): string =>
      withoutNumbers(output.slice(output.indexOf('\n') + 1))
    expect(afterClean(ktree)).toBe(afterClean(redis))
  }

  test('sequences of commands get the same replies', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...PREFIXES),
        fc.array(request, { minLength: 1, maxLength: 20 }),
        (prefix, all) => same(prefix, all.map((args) => encode(...args)).join('')),
      ),
      { numRuns: RUNS },
    )
  })

  test('INCRBYFLOAT adds, rounds and prints like a long double', async () => {
    const sum = fc
      .tuple(float, float)
      .map(([a, b]) => encode('SET', 'a', a) + encode('INCRBYFLOAT', 'a', b))
    await fc.assert(
      fc.asyncProperty(fc.array(sum, { minLength: 10, maxLength: 30 }), (all) =>
        same('', all.join('')),
      ),
      { numRuns: RUNS },
    )
  })

  test('INCRBYFLOAT gives the same sums when repeated on its own result', async () => {
    const step = fc
      .integer({ min: -99999, max: 99999 })
      .map((n) => encode('INCRBYFLOAT', 'a', String(n / 1000)))
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 50, maxLength: 50 }), (all) =>
        same('', all.join('')),
      ),
      { numRuns: Math.ceil(RUNS / 10) },
    )
  })
})
