import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CATEGORIES } from '../../../src/access/categories.ts'
import { commandTable } from '../../../src/commands/table.ts'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, pipeline, startPair, Talk, withoutNumbers } from './pair.ts'

/** How many requests are compared altogether. */
const OPS = Number(process.env.KTREE_CONFORMANCE_OPS ?? 6000)
const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }

const key = fc.constantFrom('a', 'a1', 'b', 'b1', 'c', 'r', 'w', 'ab')
const word = fc.constantFrom('x', '1', '', 'GET', 'a')
const channel = fc.constantFrom('news', 'newsroom', 'other', 'n*', 'news*')

/** A request of each command that both have, and of no other kind of value than strings. */
const requests: readonly (readonly (string | fc.Arbitrary<string>)[])[] = [
  ...['GET', 'GETDEL', 'STRLEN', 'INCR', 'DECR', 'TYPE', 'TTL', 'PTTL', 'PERSIST', 'DUMP'].map(
    (name) => [name, key],
  ),
  ...['EXPIRETIME', 'PEXPIRETIME', 'EXISTS', 'TOUCH', 'DEL', 'UNLINK', 'GETEX'].map((name) => [
    name,
    key,
  ]),
  ...['EXISTS', 'TOUCH', 'DEL', 'UNLINK', 'MGET', 'RENAME', 'RENAMENX', 'COPY'].map((name) => [
    name,
    key,
    key,
  ]),
  ...['SET', 'SETNX', 'GETSET', 'APPEND', 'MSET', 'MSETNX'].map((name) => [name, key, word]),
  ['MSET', key, word, key, word],
  ['SET', key, word, 'GET'],
  ['SET', key, word, 'NX', 'get'],
  ['SETEX', key, '33333', word],
  ['PSETEX', key, '33333333', word],
  ['GETEX', key, 'PERSIST'],
  ...['INCRBY', 'DECRBY', 'INCRBYFLOAT'].map((name) => [name, key, '2']),
  ...['GETRANGE', 'SUBSTR'].map((name) => [name, key, '0', '2']),
  ['SETRANGE', key, '1', word],
  ...['EXPIRE', 'PEXPIRE', 'EXPIREAT', 'PEXPIREAT'].map((name) => [name, key, '33333333333']),
  ['RESTORE', key, '0', 'x'],
  ['MOVE', key, '0'],
  // The others tell of APPEND and its like, and of time, in Redis.
  ['OBJECT', 'FREQ', key],
  ['OBJECT', 'HELP', key],
  ...['PING', 'ECHO', 'SELECT', 'CONFIG', 'CLIENT', 'ACL', 'COMMAND', 'PUBSUB'].map((name) => [
    name,
    word,
  ]),
  ['PUBLISH', channel, word],
  ['SUBSCRIBE', channel],
  ['SUBSCRIBE', channel, channel],
  ['PSUBSCRIBE', channel],
  ['UNSUBSCRIBE', channel],
  ['PUNSUBSCRIBE', channel],
  ['PUBSUB', 'NUMSUB', channel],
  ['CONFIG', 'GET', 'timeout'],
  ['CONFIG', 'RESETSTAT'],
  ['CLIENT', 'GETNAME'],
  ['CLIENT', 'SETNAME', word],
  ['ACL', 'WHOAMI'],
  ['ACL', 'CAT', 'nope'],
  ['COMMAND', 'COUNT', 'x'],
  ['LATENCY', 'RESET'],
  ['TIME', 'x'],
  ['DBSIZE', 'x'],
  ['SWAPDB', '0', '0'],
  ['LASTSAVE', 'x'],
  ['MULTI'],
  ['EXEC'],
  ['DISCARD'],
  ['UNWATCH'],
  ['WAIT', '0', '0'],
  ['ROLE'],
]

const request = fc
  .oneof(
    ...requests.map((shape) =>
      fc.tuple(...shape.map((each) => (typeof each === 'string' ? fc.constant(each) : each))),
    ),
  )
  .map((words) => words as string[])

const names = commandTable
  .filter(({ group }) => group !== 'tree')
  .flatMap(({ name, subcommands = [] }) => [
    name,
    ...subcommands.map((each) => `${name}|${each.name}`),
  ])
  .filter((name) => !/setinfo|no-touch/.test(name))

const rule = fc.oneof(
  fc.constantFrom(
    '+@all',
    '-@all',
    '~*',
    'allkeys',
    'resetkeys',
    '&*',
    'resetchannels',
    'nocommands',
  ),
  fc.constantFrom(
    '~a*',
    '~b',
    '%R~r',
    '%W~w',
    '%R~a*',
    '%W~a*',
    '%RW~c',
    '~?',
    '~[ab]*',
    '~\\a',
    '%R~*',
    '%W~*',
  ),
  fc.constantFrom('&news', '&news*', '&n*', '&other'),
  fc.tuple(fc.constantFrom('+', '-'), fc.constantFrom(...names)).map((parts) => parts.join('')),
  fc
    .tuple(
      fc.constantFrom('+@', '-@'),
      fc.constantFrom(...CATEGORIES.filter((each) => each !== 'tree')),
    )
    .map((parts) => parts.join('')),
  fc.constantFrom('+select|0', '+ping|x', '+echo|1', '+get|a', '+publish|news', '+set|a'),
)
/** Rules that could be refused, as those that give patterns after all keys, are tried elsewhere. */
const rules = fc
  .tuple(
    fc.constantFrom(
      ['+@all'],
      ['-@all'],
      ['+@read', '+@write', '+@connection'],
      ['+@all', '~a*', '&news*'],
    ),
    fc.array(rule, { maxLength: 6 }),
    fc.array(fc.array(rule, { minLength: 1, maxLength: 4 }), { maxLength: 2 }),
  )
  .map(([first, own, selectors]) => [
    ...['reset', 'on', 'nopass', '+ping'],
    ...inOrder([...first, ...own]),
    ...selectors.map((each) => `(${inOrder(each).join(' ')})`),
  ])

/** All keys, and all channels, last: a pattern after them would be an error. */
function inOrder(all: readonly string[]): string[] {
  const late = (each: string): boolean => ['~*', 'allkeys', '&*'].includes(each)
  return [...all.filter((each) => !late(each)), ...all.filter(late)]
}

describeWithPeer('redis-server', 'requests of generated users, compared with Redis', () => {
  let pair: Pair
  let doors: Talk[]

  beforeAll(async () => {
    pair = await startPair()
    doors = [await Talk.open(pair.redis), await Talk.open(pair.ktree)]
  })
  afterAll(async () => {
    for (const door of doors ?? []) door.close()
    await pair?.stop()
  })

  const admin = async (...all: string[][]): Promise<string[]> => {
    const input = all.map((each) => encode(...each)).join('') + pipeline('PING ADMINEND')
    return await Promise.all(doors.map((door) => door.ask(input, 'ADMINEND\r\n')))
  }

  test('ACL DRYRUN', async () => {
    await fc.assert(
      fc.asyncProperty(
        rules,
        fc.array(request, { minLength: 40, maxLength: 40 }),
        async (user, all) => {
          const [redis, ktree] = await admin(
            ['ACL', 'SETUSER', 'u', ...user],
            ...all.map((each) => ['ACL', 'DRYRUN', 'u', ...each]),
          )
          expect(ktree).toBe(redis)
        },
      ),
      { numRuns: Math.ceil(OPS / 40 / 2) },
    )
  })

  test.for(Object.entries(PREFIXES))('%s: calls', async ([, prefix]) => {
    await fc.assert(
      fc.asyncProperty(
        rules,
        fc.array(request, { minLength: 20, maxLength: 20 }),
        async (user, all) => {
          await admin(
            ['FLUSHALL'],
            ['MSET', 'a', '1', 'b', '2', 'r', 'x'],
            ['ACL', 'SETUSER', 'u', ...user],
            ['ACL', 'LOG', 'RESET'],
          )
          const input = prefix + pipeline('AUTH u x') + all.map((each) => encode(...each)).join('')
          const { redis, ktree } = await pair.ask(input)
          // Time goes on between one answer and the other.
          const like = (output: string): string =>
            withoutNumbers(output).replace(/:\d{8,}\r\n/g, ':TIME\r\n')
          expect(like(ktree)).toBe(like(redis))
          const [theirs, ours] = await admin(['ACL', 'LOG', '100'])
          const log = (output: string): string =>
            output
              .replace(/(age-seconds\r\n)\$\d+\r\n[\d.e-]+/g, '$1AGE')
              .replace(/\$\d+\r\nid=\d+ [^\r]*/g, 'CLIENT')
          expect(log(ours)).toBe(log(theirs))
        },
      ),
      { numRuns: Math.ceil(OPS / 20 / 4) },
    )
  })
})
