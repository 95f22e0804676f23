import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import {
  encode,
  type Pair,
  parseReplies,
  pipeline,
  startPair,
  Talk,
  withoutNumbers,
} from './pair.ts'

const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }
const EMPTY = pipeline('FLUSHALL')
const RUNS = Math.ceil(Number(process.env.KTREE_CONFORMANCE_OPS ?? 1500) / 10)

/** "10", as Redis 7.0 dumps it. */
const TEN = '\x00\xc0\x0a\x0a\x00\x6e\x9f\x57\x45\x0e\xae\x63\xbb'
/** Far in the future, in Unix milliseconds. */
const LATER = '33333333333333'

const binary = (limit: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength: limit }).map((bytes) => Buffer.from(bytes).toString('latin1'))

/** Strings worth compressing: they repeat themselves, near and far. */
const repetitive = fc
  .array(fc.tuple(fc.oneof(binary(12), fc.constantFrom('a', 'ab', '{"id":', '\0')), fc.nat(400)), {
    minLength: 1,
    maxLength: 12,
  })
  .map((parts) => parts.map(([text, times]) => text.repeat(times)).join(''))

const values = fc.oneof(
  binary(100),
  repetitive,
  fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 3000 }).map((chars) => chars.join('')),
  fc.maxSafeInteger().map(String),
  fc.integer({ min: -140, max: 140 }).map(String),
  fc.integer({ min: -33_000, max: 33_000 }).map(String),
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
)

const fixedValues = [
  ...['', '0', '-1', '127', '128', '-128', '-129', '32767', '32768', '-32768', '-32769'],
  ...[
    '2147483647',
    '2147483648',
    '-2147483648',
    '-2147483649',
    '01',
    '-0',
    '+1',
    '1.5',
    '99999999999',
  ],
  ...[19, 20, 21, 22, 23, 24, 25, 40, 62, 63, 64, 65, 300, 16_383, 16_384, 70_000, 3_000_000].map(
    (length) => 'a'.repeat(length),
  ),
  'abc'.repeat(10_000),
  Array.from({ length: 5000 }, (_, i) => `${i * i}`).join(','),
]

const restores: readonly string[] = [
  encode('RESTORE', 'a', '0') + encode('DUMP') + encode('DUMP', 'a', 'b') + encode('DUMP', 'a'),
  encode('RESTORE', 'a', '0', TEN) + pipeline('GET a', 'TTL a') + encode('RESTORE', 'a', '0', TEN),
  encode('SET', 'a', 'x') + encode('RESTORE', 'a', '0', TEN, 'replace') + pipeline('GET a'),
  encode('SET', 'a', 'x') +
    encode('RESTORE', 'a', 'x', 'y') +
    encode('RESTORE', 'a', 'x', 'y', 'z'),
  encode('RESTORE', 'a', LATER, TEN, 'ABSTTL') + pipeline('PEXPIRETIME a'),
  encode('RESTORE', 'a', '1', TEN, 'ABSTTL') + pipeline('EXISTS a'),
  encode('SET', 'a', 'x') +
    encode('RESTORE', 'a', '1', TEN, 'ABSTTL', 'REPLACE') +
    pipeline('EXISTS a'),
  encode('RESTORE', 'a', '-1', TEN) +
    encode('RESTORE', 'a', 'x', TEN) +
    encode('RESTORE', 'a', '', ''),
  encode('RESTORE', 'a', '0', TEN, 'IDLETIME', '5') + pipeline('GET a'),
  encode('RESTORE', 'a', '0', TEN, 'FREQ', '5', 'FREQ', '255', 'REPLACE') + pipeline('GET a'),
  ...[
    ['IDLETIME'],
    ['FREQ'],
    ['IDLETIME', '-1'],
    ['FREQ', '256'],
    ['FREQ', '-1'],
    ['IDLETIME', 'x'],
  ]
    .concat([['FREQ', 'x'], ['FREQ', '1', 'IDLETIME', '1'], ['IDLETIME', '1', 'FREQ', '1'], ['x']])
    .concat([
      ['ABSTTL', 'ABSTTL', 'replace', 'REPLACE'],
      ['IDLETIME', '1', 'IDLETIME', '2'],
    ])
    .map((options) => encode('RESTORE', 'a', '0', TEN, ...options) + pipeline('EXISTS a')),
]

/** Strings hardly worth compressing: only one or two parts repeat themselves. */
function borderline(): string[] {
  const distinct = Array.from({ length: 64 }, (_, i) => String.fromCharCode(40 + i)).join('')
  const found: string[] = []
  for (let length = 14; length < 48; length++) {
    for (let part = 3; part < 16; part++) {
      const text = distinct.slice(0, length)
      const [first, last] = [text.slice(1, 1 + part), text.slice(-part)]
      found.push(text + first, text + first + first, text + last, text + first + last)
      found.push(
        `${text + first}+,`,
        `${text + first}+,-.`,
        text.slice(0, 9) + first + text.slice(9),
      )
    }
  }
  return found
}

describeWithPeer('redis-server', 'DUMP and RESTORE, compared with Redis', () => {
  let pair: Pair
  let redis: Talk
  let ktree: Talk
  beforeAll(async () => {
    pair = await startPair({}, true)
    redis = await Talk.open(pair.redis)
    ktree = await Talk.open(pair.ktree)
  })
  afterAll(async () => {
    redis?.close()
    ktree?.close()
    await pair?.stop()
  })

  const ask = async (talk: Talk, ...requests: string[]): Promise<unknown[]> => {
    const output = await talk.ask(requests.join('') + encode('ECHO', 'the end'), 'the end\r\n')
    return parseReplies(output).slice(0, -1)
  }

  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test.for(restores)(`${protocol}: %j`, async (input) => {
      const both = await pair.ask(prefix + EMPTY + input)
      expect(withoutNumbers(both.ktree)).toBe(withoutNumbers(both.redis))
    })
  }

  const compareDump = async (value: string): Promise<void> => {
    const asked = [encode('SET', 'a', value), encode('DUMP', 'a')]
    const [[, theirs], [, ours]] = [await ask(redis, ...asked), await ask(ktree, ...asked)]
    expect(
      ours === theirs,
      `DUMP of ${value.length} bytes: ${JSON.stringify(value.slice(0, 100))}`,
    ).toBe(true)
  }

  test('both restore a dump of Redis', async () => {
    const asked = EMPTY + encode('RESTORE', 'a', '0', TEN) + encode('GET', 'a')
    for (const talk of [redis, ktree]) expect(await ask(talk, asked)).toEqual(['OK', 'OK', '10'])
  })

  test('DUMP returns the same bytes', async () => {
    for (const value of [...fixedValues, ...borderline()]) await compareDump(value)
    await fc.assert(fc.asyncProperty(values, compareDump), { numRuns: RUNS })
  })

  test('each restores the dumps of the other', async () => {
    const carry = async (from: Talk, to: Talk, value: string): Promise<void> => {
      const [, payload] = await ask(from, encode('SET', 'a', value), encode('DUMP', 'a'))
      const restore = encode('RESTORE', 'b', '0', String(payload), 'REPLACE')
      const [restored, got] = await ask(to, restore, encode('GET', 'b'))
      expect([restored, got === value]).toEqual(['OK', true])
    }
    const there = async (value: string): Promise<void> => {
      await carry(redis, ktree, value)
      await carry(ktree, redis, value)
    }
    for (const value of fixedValues) await there(value)
    await fc.assert(fc.asyncProperty(values, there), { numRuns: RUNS })
  })

  test('both refuse a damaged payload, even if its checksum is right', async () => {
    const damaged = fc.tuple(values, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean())
    await fc.assert(
      fc.asyncProperty(damaged, async ([value, place, by, cut]) => {
        const [, dumped] = await ask(ktree, encode('SET', 'a', value), encode('DUMP', 'a'))
        const bytes = Buffer.from(String(dumped), 'latin1')
        const at = place % bytes.length
        if (cut) await same(bytes.subarray(0, at).toString('latin1'))
        bytes[at] ^= by
        await same(bytes.toString('latin1'))
      }),
      { numRuns: RUNS },
    )
  })

  const same = async (payload: string): Promise<void> => {
    const restore = encode('RESTORE', 'b', '0', payload, 'REPLACE')
    expect(await ask(ktree, restore)).toEqual(await ask(redis, restore))
  }

  test('a payload that is not a string is refused', async () => {
    const lists = [encode('DEL', 'l'), encode('RPUSH', 'l', 'x', 'y'), encode('DUMP', 'l')]
    const [, , payload] = await ask(redis, ...lists)
    expect(await ask(ktree, encode('RESTORE', 'l', '0', String(payload)))).toEqual([
      'Error: ERR Bad data format',
    ])
  })
})
