import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, pipeline, startPair, withoutNumbers } from './pair.ts'

const PREFIXES = ['', pipeline('HELLO 3')]
const MB = 1024 ** 2

/** Names of commands, in both cases. Commands whose replies differ by nature come with arguments. */
const name = fc.constantFrom(
  ...['PING', 'ping', 'ECHO', 'SELECT', 'HELLO', 'AUTH', 'RESET', 'QUIT', 'DBSIZE', 'PUBLISH'],
  ...['SUBSCRIBE', 'PSUBSCRIBE', 'UNSUBSCRIBE', 'PUNSUBSCRIBE', 'MONITOR|', 'NOPE', 'nope', ''],
)
const container = fc.constantFrom(
  ...[
    'CLIENT SETNAME',
    'CLIENT GETNAME',
    'CLIENT REPLY',
    'client no-evict',
    'CLIENT KILL',
    'CLIENT',
  ],
  ...[
    'CONFIG GET',
    'CONFIG RESETSTAT',
    'CONFIG',
    'COMMAND GETKEYS',
    'COMMAND LIST',
    'PUBSUB NUMSUB',
  ],
  ...['PUBSUB CHANNELS', 'PUBSUB NUMPAT', 'PUBSUB', 'CLIENT LIST', 'COMMAND INFO'],
)
// Only one channel and one pattern, because Redis keeps several in the order of a hash table.
const argument = fc.oneof(
  fc.constantFrom('a', 'A', '0', '1', '2', '3', '-1', '03', 'on', 'OFF', 'skip', 'x y', '', '\r\n'),
  fc.constantFrom('AUTH', 'default', 'setname', 'FILTERBY', 'PATTERN', 'ec*', 'TYPE', 'replica'),
  // Any bytes but those of globs, which could match names that only one of the two has, and NUL, which
  // ends Redis's error texts.
  fc.string({
    unit: fc
      .integer({ min: 1, max: 255 })
      .map((code) => String.fromCharCode(code))
      .filter((char) => !'*?['.includes(char)),
  }),
)

/** A complete request whose reply is the same in every run. */
const request = fc
  .oneof(
    fc.tuple(name, fc.array(argument, { maxLength: 3 })).map(([first, rest]) => [first, ...rest]),
    fc
      .tuple(container, fc.array(argument, { maxLength: 3 }))
      .map(([first, rest]) => [...first.split(' '), ...rest]),
  )
  .filter((args) => {
    const full = args.join(' ').toUpperCase()
    if (/^(P?UN|P)?SUBSCRIBE$/.test(args[0])) return args.slice(1).every((arg) => arg === 'a')
    // ktree refuses channels that begin with a slash.
    if (/^PUBLISH \//.test(full)) return false
    // Lists of all commands or clients differ.
    if (/^(COMMAND (LIST|INFO)|CLIENT LIST)$/.test(full)) return false
    if (/^COMMAND (GETKEYS|INFO)/.test(full)) return args.slice(2).every((arg) => !/^\w/.test(arg))
    return true
  })

/** Pieces of requests, which are mostly broken when put together. */
const piece = fc.oneof(
  fc.constantFrom('*1\r\n', '*2\r\n', '*3\r\n', '*0\r\n', '*-1\r\n', '*-5\r\n', '*', '$', '\r\n'),
  fc.constantFrom('$4\r\nPING\r\n', '$4\r\nECHO\r\n', '$1\r\nx\r\n', '$0\r\n\r\n', '\n', '\r', ' '),
  fc.constantFrom(
    '$-1\r\n',
    '$x\r\n',
    '$4x\r\n',
    '*x\r\n',
    '$04\r\n',
    '$+4\r\n',
    '$ 4\r\n',
    '*01\r\n',
  ),
  fc.constantFrom('PING\r\n', 'PING x\r\n', 'ECHO "a\\x41"\r\n', "ECHO 'a b'\n", '"', "'", 'ECHO'),
  fc.constantFrom(
    `$${64 * MB + 1}\r\n`,
    '$99999999999999999999\r\n',
    '*2147483648\r\n',
    '\\',
    '\v',
  ),
  fc.constantFrom(
    'QUIT\r\n',
    '*1\r\n$4\r\nPING\r\n',
    '*2\r\n$4\r\nECHO\r\n$3\r\n\r\n\0\r\n',
    '-',
    ':1',
  ),
)

const long: readonly string[] = [
  'x'.repeat(65535),
  'x'.repeat(70000),
  // Well above the limit, because near it Redis's reply depends on how the bytes arrive.
  `${'x'.repeat(200_000)}\r\nPING\r\n`,
  `*${'1'.repeat(70000)}`,
  `*1\r\n$${'1'.repeat(70000)}`,
  `ECHO ${'x'.repeat(60000)}\r\nPING\r\n`,
  encode('ECHO', 'x'.repeat(MB)) + pipeline('PING'),
  encode('PING').repeat(5000),
  `*1000\r\n${'$0\r\n\r\n'.repeat(1000)}PING\r\n`,
]

describeWithPeer('redis-server', 'requests, generated and compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair({}, true)
  })
  afterAll(() => pair?.stop())

  const same = async (input: string): Promise<void> => {
    const { redis, ktree } = await pair.ask(input)
    expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
  }

  test('pipelines of complete requests get the same replies', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...PREFIXES),
        fc.array(request, { maxLength: 8 }),
        (prefix, all) => same(prefix + all.map((args) => encode(...args)).join('')),
      ),
      { numRuns: 600 },
    )
  })

  test('broken frames get the same replies', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), (pieces) => same(pieces.join(''))),
      { numRuns: 1000 },
    )
  })

  test('complete requests with a byte changed, removed or inserted get the same replies', async () => {
    const edit = fc.record({
      at: fc.nat({ max: 80 }),
      removed: fc.nat({ max: 2 }),
      put: fc.constantFrom('', '', '\r', '\n', '\0', '1', '9', '-', '*', '$', 'x', '"', '\xff'),
    })
    const requests = fc.array(
      fc.constantFrom('PING', 'ECHO xyz', 'CLIENT SETNAME me', 'SELECT 0'),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
    await fc.assert(
      fc.asyncProperty(requests, edit, (lines, { at, removed, put }) => {
        const whole = pipeline(...lines)
        return same(whole.slice(0, at) + put + whole.slice(at + removed))
      }),
      { numRuns: 1000 },
    )
  })

  test.for(long.map((input) => [`${input.slice(0, 30)}... (${input.length} bytes)`, input]))(
    'long: %j',
    ([, input]) => same(input),
  )

  // Long enough to be served in several turns, although the input has already ended.
  test('all requests before the end of the input get a reply', async () => {
    const costly = encode('CONFIG', 'GET', ...Array.from({ length: 90 }, () => '?'))
    for (let round = 0; round < 5; round++) await same(costly.repeat(95))
  })
})
