import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandTable } from '../../../src/commands/table.ts'
import { requestKeys } from '../../../src/request/key-specs.ts'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, parseReplies, pipeline, startPair, withoutNumbers } from './pair.ts'

/** How many requests are compared in total. */
const OPS = Number(process.env.KTREE_CONFORMANCE_OPS ?? 6000)
const LENGTH = 30

const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }
const LATER = 33_333_333_333
/** "10", as Redis 7.0 dumps it. */
const TEN = '\x00\xc0\x0a\x0a\x00\x6e\x9f\x57\x45\x0e\xae\x63\xbb'

type Words = fc.Arbitrary<string[]>
const one = (word: string): Words => fc.constant([word])
const of = (...words: string[]): Words => fc.constantFrom(...words).map((word) => [word])
const maybe = (...words: string[]): Words =>
  fc
    .array(fc.constantFrom(...words), { maxLength: 3 })
    .map((chosen) => chosen.flatMap((each) => each.split(' ')))
const many = (words: Words): Words => fc.array(words, { maxLength: 3 }).map((each) => each.flat())

/** Mostly the same keys, so that requests meet the effects of others. */
const key = fc.oneof(
  { weight: 5, arbitrary: of('a', 'b') },
  of('d/e', 'd/f', '_h', 'user:1', 'x\0y', '\xff \r\n', '*'),
)
const integer = of(
  ...[
    '0',
    '1',
    '-1',
    '7',
    '-0',
    '007',
    '+1',
    ' 1',
    '1 ',
    '1.0',
    '',
    'x',
    '0x10',
    '1\0',
    '9007199254740993',
  ],
  ...['9223372036854775807', '-9223372036854775808', '9223372036854775808', '2147483648', '65'],
)
const float = fc.oneof(
  integer,
  of('0.1', '-3e5', '1e400', 'inf', 'nan', '.5', '5.', '1e-20', '0x1p3', '123456789.123456789'),
)
const value = fc.oneof(
  integer,
  of('abc', 'x'.repeat(44), 'y'.repeat(45), '\0\r\n\xff', '3.0e3'),
  fc.string({ unit: 'binary', maxLength: 5 }).map((text) => [Buffer.from(text).toString('latin1')]),
)
/** Times far in the future, and texts that are not times. */
const seconds = of(`${LATER}`, `${LATER + 1}`, 'x', '', '1.5', '9223372036854775807')
const milliseconds = of(`${LATER}`, `${LATER}000`, `${LATER}500`, 'x', '9223372036854775808')
const timed = (inSeconds: Words, inMilliseconds: Words, ...between: Words[]): Words =>
  fc
    .oneof(
      fc.tuple(inSeconds, ...between, seconds),
      fc.tuple(inMilliseconds, ...between, milliseconds),
    )
    .map((parts) => parts.flat())

const shapes: readonly (readonly Words[])[] = [
  [one('SET'), key, value],
  [one('SET'), key, value, timed(of('EXAT', 'exat'), one('PXAT'))],
  [
    one('SET'),
    key,
    value,
    maybe('NX', 'XX', 'GET', 'KEEPTTL', 'nx', `EXAT ${LATER}`, 'EX', 'PX x'),
  ],
  [of('GET', 'GETDEL', 'STRLEN', 'INCR', 'DECR', 'TYPE', 'PERSIST', 'DUMP'), key],
  [of('EXPIRETIME', 'PEXPIRETIME'), key],
  [of('TTL', 'PTTL'), of('missing')],
  [of('SETNX', 'GETSET', 'APPEND'), key, value],
  [of('INCRBY', 'DECRBY'), key, integer],
  [one('INCRBYFLOAT'), key, float],
  [of('GETRANGE', 'SUBSTR'), key, integer, integer],
  [one('SETRANGE'), key, of('0', '3', '-1', '100', 'x', '9223372036854775807'), value],
  [one('GETEX'), key, maybe('PERSIST', `EXAT ${LATER}`, `PXAT ${LATER}500`, 'EX', 'persist', 'x')],
  [of('MGET', 'EXISTS', 'TOUCH', 'DEL', 'UNLINK'), many(key)],
  [of('MSET', 'MSETNX'), many(fc.tuple(key, value).map((pair) => pair.flat()))],
  [timed(one('EXPIREAT'), one('PEXPIREAT'), key), maybe('NX', 'XX', 'GT', 'LT', 'gt', 'x')],
  [of('RENAME', 'RENAMENX'), key, key],
  [one('COPY'), key, key, maybe('REPLACE', 'DB 0', 'DB 1', 'DB x', 'DB', 'x')],
  [
    one('RESTORE'),
    key,
    of('0', `${LATER}000`, '-1', 'x'),
    of(TEN, `${TEN}x`, ''),
    maybe('REPLACE', 'ABSTTL', 'FREQ 1', 'IDLETIME -1', 'x'),
  ],
  [one('OBJECT'), of('FREQ', 'REFCOUNT', 'ENCODING', 'x'), of('missing')],
  [of('SELECT', 'MOVE', 'SWAPDB'), integer, integer],
  [of('FLUSHALL', 'FLUSHDB'), maybe('x', 'SYNC', 'ASYNC')],
  [of('MULTI', 'EXEC', 'EXEC', 'DISCARD', 'UNWATCH')],
  [one('WATCH'), many(key)],
  [of('PING', 'ECHO', 'NOPE', 'CLIENT', 'CONFIG', 'OBJECT', 'PUBSUB', 'MEMORY'), many(value)],
  [one('CLIENT'), of('SETNAME', 'GETNAME', 'NO-EVICT', 'x'), of('me', 'a b', '', 'on', 'OFF')],
  [
    one('CONFIG'),
    of('GET', 'SET', 'get'),
    of('timeout', 'nope', 'notify-keyspace-events'),
    many(of('0', 'x', '', 'x\0y')),
  ],
  [
    one('COMMAND'),
    of('GETKEYS', 'GETKEYSANDFLAGS'),
    of('GET', 'SET', 'MSET', 'COPY', 'PING', 'x'),
    many(key),
  ],
  [of('HELLO', 'AUTH', 'RESET'), maybe('2', '3', '4', 'AUTH default x', 'SETNAME me', 'x')],
]

/** A client's mistake: an argument left out, repeated, added, or in the wrong place. */
type Mistake = readonly [kind: string, at: number, other: string]
const mistake: fc.Arbitrary<Mistake | null> = fc.option(
  fc.tuple(
    fc.constantFrom('drop', 'twice', 'swap', 'put', 'tail'),
    fc.nat({ max: 9 }),
    fc.oneof(integer, value, key).map(([word]) => word),
  ),
  { freq: 3 },
)

function withMistake(args: readonly string[], made: Mistake | null): string[] {
  // The name stays, because another test has unknown names, and MONITOR would not fit in here.
  const [name, ...rest] = args
  if (made === null || rest.length === 0) return [...args]
  const [kind, place, other] = made
  const at = place % rest.length
  if (kind === 'drop') rest.splice(at, 1)
  else if (kind === 'twice') rest.splice(at, 0, rest[at])
  else if (kind === 'put') rest.splice(at, 0, other)
  else if (kind === 'tail') rest.push(other)
  else rest.push(...rest.splice(at, 1))
  return [name, ...rest]
}

/** Whether a key is the root, or names a path other than it seems. */
const isOddPath = (key: string): boolean => /^$|^[/.]|\/$/.test(key)

/** Whether each sequence goes to another node of a group: the configuration is a node's own. */
const IS_GROUP = process.env.KTREE_ETCD !== undefined

/** Whether a request, made by a mistake, takes long or has different replies on purpose. */
function isLeftOut(args: readonly string[]): boolean {
  const [name, second = '', third = ''] = args
  if (name === 'SETRANGE' && /^\d{4,10}$/.test(third)) return true
  // Time passes between the two replies; Redis has many more directives.
  if (name === 'TTL' || name === 'PTTL') return second !== 'missing'
  if (name === 'CONFIG') return args.includes('*') || (IS_GROUP && /^set$/i.test(second))
  if (name === 'OBJECT') return /^(encoding|refcount)/i.test(second) && third !== 'missing'
  const command = commandTable.find((each) => each.name === name.toLowerCase())
  return command !== undefined && requestKeys(command, args).some(isOddPath)
}

const request = fc
  .tuple(
    fc.oneof(...shapes.map((shape) => fc.tuple(...shape).map((parts) => parts.flat()))),
    mistake,
  )
  .map(([args, made]) => withMistake(args, made))
  .filter((args) => !isLeftOut(args))

describeWithPeer('redis-server', 'generated requests, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair({}, true)
  })
  afterAll(() => pair?.stop())

  test.for(Object.entries(PREFIXES))(
    '%s: sequences of requests, right and wrong',
    async ([, prefix]) => {
      await fc.assert(
        fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: LENGTH }), async (steps) => {
          const input =
            prefix + pipeline('FLUSHALL') + steps.map((args) => encode(...args)).join('')
          const { redis, ktree } = await pair.ask(input)
          expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
        }),
        { numRuns: Math.ceil(OPS / LENGTH / 2) },
      )
    },
  )

  /** Commands that Redis also has, and that neither end the connection nor show others' requests. */
  const names = commandTable.flatMap(({ name, subcommands = [], run, group }) =>
    group === 'tree' || ['quit', 'monitor', 'shutdown', 'debug'].includes(name)
      ? []
      : [...(run ? [[name]] : []), ...subcommands.map((subcommand) => [name, subcommand.name])],
  )

  test.for(Object.entries(PREFIXES))(
    '%s: every command with a wrong number of arguments',
    async ([, prefix]) => {
      const { redis } = await pair.ask(
        encode('COMMAND', 'INFO', ...names.map((name) => name.join('|'))),
      )
      const infos = parseReplies(redis)[0] as (readonly unknown[] | null)[]
      let compared = 0
      for (const [at, words] of names.entries()) {
        const arity = infos[at]?.[1] as number | undefined
        // CLIENT SETINFO and NO-TOUCH are from Redis 7.2.
        if (arity === undefined) continue
        const wrong = [...Array(Math.abs(arity) + 3).keys()].filter(
          (count) => count >= words.length && (arity < 0 ? count < -arity : count !== arity),
        )
        const asked = wrong.map((count) =>
          encode(...words, ...Array<string>(count - words.length).fill('1')),
        )
        const queued = asked.map((each) => pipeline('MULTI') + each + pipeline('EXEC')).join('')
        const both = await pair.ask(prefix + asked.join('') + queued)
        expect(withoutNumbers(both.ktree)).toBe(withoutNumbers(both.redis))
        compared += wrong.length
      }
      expect(compared).toBeGreaterThan(200)
    },
  )
})
