import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import {
  encode,
  type Pair,
  parseReplies,
  pipeline,
  startPair,
  Talk,
  type Value,
  withoutNumbers,
} from './pair.ts'

const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }
const EMPTY = pipeline('FLUSHALL')
const RUNS = Math.ceil(Number(process.env.KTREE_CONFORMANCE_OPS ?? 4000) / 40)

const requests: readonly string[] = [
  pipeline(
    'SCAN',
    'SCAN 0',
    'SCAN 0 MATCH',
    'SCAN 0 x y',
    'SCAN 0 COUNT',
    'SCAN 0 TYPE',
    'SCAN 0 x',
  ),
  pipeline(
    'SCAN x',
    'SCAN 1x',
    'SCAN +0',
    'SCAN -0',
    'SCAN 00',
    'SCAN 0x10',
    'SCAN 1.0',
    'SCAN +-1',
  ),
  pipeline('SCAN 18446744073709551616', 'SCAN -18446744073709551616', 'SCAN x COUNT 0'),
  ...['', ' 0', '0 ', '\t0', '\0', '0\0x', 'x\0', '-', '+', '\n0', '--0'].map((cursor) =>
    encode('SCAN', cursor),
  ),
  // In an empty database any cursor is at the end.
  pipeline('SCAN 18446744073709551615', 'SCAN -1', 'SCAN +5', 'SCAN 4294967296', 'SCAN 1'),
  pipeline(
    'SCAN 0 COUNT 0',
    'SCAN 0 COUNT -1',
    'SCAN 0 COUNT x',
    'SCAN 0 COUNT 1.5',
    'SCAN 0 COUNT 01',
  ),
  pipeline('SCAN 0 COUNT 9223372036854775808', 'SCAN 0 MATCH x COUNT', 'SCAN 0 COUNT x MATCH'),
  pipeline('SCAN 0 COUNT 1 COUNT 2 MATCH a MATCH * TYPE string TYPE string', 'SCAN 0 COUNT 0 x'),
  pipeline('SET a 1', 'SCAN 0', 'SCAN 0 COUNT 1000', 'SCAN 0 MATCH a', 'SCAN 0 MATCH b', 'scan 0'),
  pipeline(
    'SET a 1',
    'SCAN 0 TYPE string',
    'SCAN 0 TYPE STRING',
    'SCAN 0 TYPE list',
    'SCAN 0 TYPE x',
  ),
  pipeline('SET a 1', 'SCAN 0 match A', 'SCAN 0 match [a] count 1000', 'SCAN 0 MATCH a TYPE hash'),
]

describeWithPeer('redis-server', 'SCAN, compared with Redis', () => {
  let pair: Pair
  let talks: Talk[] = []
  beforeAll(async () => {
    pair = await startPair()
  })
  afterAll(() => pair?.stop())
  beforeEach(async () => {
    talks = await Promise.all([pair.redis, pair.ktree].map((port) => Talk.open(port)))
  })
  afterEach(() => {
    for (const talk of talks) talk.close()
  })

  const ask = async (talk: Talk, ...asked: string[]): Promise<Value[]> => {
    const output = await talk.ask(asked.join('') + encode('ECHO', 'the end'), 'the end\r\n')
    return parseReplies(output).slice(0, -1)
  }

  /** Iterates over all keys. @param between requests to send between the calls */
  const iterate = async (
    talk: Talk,
    options: string[],
    between: string[][],
  ): Promise<Set<string>> => {
    const found = new Set<string>()
    let cursor = '0'
    let calls = 0
    do {
      const [reply] = (await ask(talk, encode('SCAN', cursor, ...options))) as [[string, string[]]]
      cursor = reply[0]
      expect(cursor).toMatch(/^\d+$/)
      expect(Number(cursor)).toBeLessThan(2 ** 53)
      for (const key of reply[1]) found.add(key)
      if (++calls > 10_000) throw new Error('the iteration does not end')
      const requests = between[(calls - 1) % Math.max(1, between.length)] ?? []
      if (requests.length > 0) await ask(talk, ...requests)
    } while (cursor !== '0')
    return found
  }

  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test.for(requests)(`${protocol}: %j`, async (input) => {
      const { redis, ktree } = await pair.ask(prefix + EMPTY + input)
      expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
    })
  }

  test.for([
    [],
    ['COUNT', '1'],
    ['COUNT', '7', 'MATCH', '*1*'],
    ['MATCH', 'd/*'],
    ['COUNT', '5000'],
  ])('a full iteration with %j finds what Redis finds', async (options) => {
    const names = Array.from({ length: 150 }, (_, i) => (i % 3 ? `key:${i}` : `d/${i % 5}/${i}`))
    const found = []
    for (const talk of talks) {
      await ask(talk, EMPTY, ...names.map((name) => encode('SET', name, '1')))
      found.push([...(await iterate(talk, options, []))].toSorted())
    }
    expect(found[1]).toEqual(found[0])
    expect(found[1].length).toBeGreaterThan(9)
  })

  test('every key that exists throughout is found, whatever happens to other keys', async () => {
    const stays = fc.uniqueArray(
      fc.tuple(fc.constantFrom('s', 's/d', 'u/v'), fc.nat(60)).map((parts) => parts.join('/')),
      { minLength: 1, maxLength: 50 },
    )
    const passing = fc
      .tuple(fc.constantFrom('p', 'q', 'q/r', 'u/v'), fc.nat(30))
      .map(([above, n]) => `${above}/x${n}`)
    // Keys that stay may be written and given a TTL; other keys may be removed and moved.
    const change = fc.oneof(
      passing.map((key) => encode('SET', key, '1')),
      passing.map((key) => encode('SET', key, '1')),
      fc.array(passing, { minLength: 1, maxLength: 15 }).map((keys) => encode('DEL', ...keys)),
      fc.tuple(passing, passing).map((keys) => encode('RENAME', ...keys)),
      passing.map((key) => encode('PEXPIREAT', key, '1')),
      fc.nat().map((n) => `touch ${n}`),
      fc.nat().map((n) => `replace ${n}`),
      fc.constant(encode('KDEL', 'q', 'RECURSIVE')),
      fc
        .tuple(fc.constantFrom('p', 'q'), fc.constantFrom('m', 'q/m', 'p'))
        .map((way) => encode('RENAME', ...way)),
    )
    const between = fc.array(fc.array(change, { maxLength: 12 }), { minLength: 1, maxLength: 20 })
    const ktree = talks[1]
    await fc.assert(
      fc.asyncProperty(
        ...([
          stays,
          fc.array(passing, { maxLength: 60 }),
          between,
          fc.integer({ min: 1, max: 12 }),
        ] as const),
        async (staying, first, steps, count) => {
          const set = [...first, ...staying].map((key) => encode('SET', key, '1'))
          await ask(ktree, EMPTY, ...set)
          // Overwriting a key, also by moving another one there, does not remove it.
          const concrete = (step: string): string[] => {
            const [word, n] = step.split(' ')
            const key = staying[Number(n) % staying.length]
            if (word === 'touch') return [encode('SET', key, '2', 'EX', '1000')]
            if (word !== 'replace') return [step]
            return [encode('SET', 'other', '3'), encode('RENAME', 'other', key)]
          }
          const requests = steps.map((some) => some.flatMap(concrete))
          const found = await iterate(ktree, ['COUNT', String(count)], requests)
          expect(staying.filter((key) => !found.has(key))).toEqual([])
        },
      ),
      { numRuns: RUNS },
    )
  })

  test('an unknown cursor begins anew, and the iteration ends', async () => {
    const [, ktree] = talks
    const names = Array.from({ length: 35 }, (_, i) => `k${i}`)
    await ask(ktree, EMPTY, ...names.map((name) => encode('SET', name, '1')))
    for (const cursor of ['1', '12345678901234', '18446744073709551615']) {
      const found = new Set<string>()
      for (let at = cursor; at !== '0'; ) {
        const [[next, some]] = (await ask(ktree, encode('SCAN', at))) as [[string, string[]]]
        for (const key of some) found.add(key)
        at = next
      }
      expect(found.size).toBe(names.length)
    }
  })
})
