import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { commandTable } from '../../../src/commands/table.ts'
import { loadConfigFile } from '../../../src/config/conf-file.ts'
import { Config } from '../../../src/config/config.ts'
import { startServer } from '../../../src/server/start.ts'
import { testAlone } from '../../cluster/alone.ts'
import { describeWithPeer, startRedis } from '../peers.ts'
import {
  encode,
  type Pair,
  parseReplies,
  pipeline,
  startPair,
  Talk,
  transcript,
  withoutNumbers,
} from './pair.ts'

const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }

/** Single commands in one order: in Redis it is another one each time that it is started. */
const withSortedCommands = (output: string): string =>
  output.replace(/(?: [-+][^ @\r\n)]+)+/g, (rules) => rules.split(' ').sort().join(' '))

/** What differs between two servers in a client's description, and how long ago something was. */
const withoutClients = (output: string): string =>
  withSortedCommands(withoutNumbers(output))
    .replace(/(age-seconds\r\n)(\$\d+\r\n[\d.e-]+|,[\d.e-]+)/g, '$1AGE')
    .replace(/\$\d+\r\n(id=\d+ [^\r]* cmd=(\S+) user=(\S*)[^\r]*)/g, 'CLIENT $2 $3')

const USERS = [
  'ACL SETUSER alice on >secret ~a* +@all -@dangerous &news*',
  'ACL SETUSER bob on nopass %R~r* %W~w* resetchannels +@read +@write (~x* +get +set) +multi +exec',
  'ACL SETUSER off off >secret +@all',
]

/** Each is one connection's pipeline. */
const talks: readonly string[] = [
  pipeline('ACL', 'ACL NOPE', 'ACL WHOAMI', 'ACL WHOAMI x', 'acl whoami', 'ACL HELP x'),
  pipeline('ACL SETUSER', 'ACL DELUSER', 'ACL GETUSER', 'ACL LIST x', 'ACL USERS x', 'ACL CAT a b'),
  pipeline('ACL CAT', 'ACL CAT nope', 'ACL CAT @read').replace(pipeline('ACL CAT'), ''),
  pipeline(
    'ACL GENPASS x',
    'ACL GENPASS 0',
    'ACL GENPASS -1',
    'ACL GENPASS 4097',
    'ACL GENPASS 1 2',
  ),
  pipeline('ACL GETUSER nobody', 'ACL GETUSER default', 'ACL GETUSER off', 'ACL USERS'),
  pipeline(
    'ACL DELUSER default',
    'ACL DELUSER off default',
    'ACL DELUSER off off nobody',
    'ACL USERS',
  ),
  pipeline(
    'ACL LOAD',
    'ACL SAVE',
    'ACL LOAD x',
    'ACL LOG x',
    'ACL LOG 1 2',
    'ACL LOG -5',
    'ACL LOG',
  ),
  pipeline('AUTH alice secret', 'ACL WHOAMI', 'AUTH alice wrong', 'ACL WHOAMI', 'AUTH off secret'),
  pipeline('AUTH nobody x', 'AUTH bob anything', 'ACL WHOAMI', 'RESET', 'ACL WHOAMI'),
  pipeline(
    'HELLO 3 AUTH alice secret SETNAME me',
    'ACL WHOAMI',
    'HELLO 2 AUTH bob x',
    'ACL WHOAMI',
  ),
  pipeline('HELLO 3 AUTH alice wrong', 'ACL WHOAMI', 'HELLO 3 AUTH off secret', 'ACL WHOAMI'),
  pipeline(
    'AUTH alice secret',
    'GET a1',
    'SET a1 x',
    'GET b',
    'FLUSHALL',
    'CONFIG GET dir',
    'KEYS *',
  ),
  pipeline(
    'AUTH alice secret',
    'MGET a b',
    'MSET a 1 b 2',
    'GET a',
    'COPY a b',
    'RENAME a a2',
    'DEL a2',
  ),
  pipeline('AUTH alice secret', 'PUBLISH news x', 'PUBLISH other x', 'SUBSCRIBE newsroom other'),
  pipeline('AUTH alice secret', 'PSUBSCRIBE news*', 'PSUBSCRIBE newsroom*', 'SUBSCRIBE newsroom'),
  pipeline('AUTH bob x', 'GET r1', 'SET r1 x', 'SET w1 x', 'GET w1', 'SET w1 y GET', 'GETSET w1 x'),
  pipeline(
    'AUTH bob x',
    'SET x1 v',
    'GET x1',
    'DEL x1',
    'STRLEN w1',
    'EXISTS r1 w1',
    'TYPE q',
    'TTL w1',
  ),
  pipeline(
    'AUTH bob x',
    'COPY r1 w2',
    'COPY w1 w2',
    'RENAME r1 w1',
    'APPEND w1 y',
    'INCR w3',
    'EXPIRE w1 9',
  ),
  pipeline(
    'AUTH bob x',
    'MULTI',
    'GET r1',
    'GET q',
    'EXEC',
    'MULTI',
    'SET w1 1',
    'EXEC',
    'DISCARD',
  ),
  pipeline(
    'AUTH bob x',
    'PING',
    'ECHO x',
    'CLIENT ID',
    'CLIENT',
    'ACL WHOAMI',
    'HELLO',
    'RESET',
    'PING',
  ),
  pipeline(
    'ACL DRYRUN nobody GET a',
    'ACL DRYRUN alice NOPE',
    'ACL DRYRUN alice GET',
    'ACL DRYRUN alice',
  ),
  pipeline(
    'ACL DRYRUN alice CONFIG',
    'ACL DRYRUN alice CONFIG NOPE',
    'ACL DRYRUN alice CONFIG GET x',
  ),
  pipeline('ACL DRYRUN bob GET r1', 'ACL DRYRUN bob SET r1 x', 'ACL DRYRUN bob MSET w1 1 x 2 q 3'),
  pipeline(
    'CLIENT KILL USER nobody',
    'CLIENT KILL USER',
    'CLIENT KILL USER alice',
    'CLIENT KILL USER default',
  ),
  pipeline('ACL SETUSER default -@all', 'PING', 'ACL WHOAMI', 'AUTH alice secret', 'PING'),
  pipeline(
    'ACL SETUSER default off',
    'PING',
    'RESET',
    'PING',
    'HELLO',
    'AUTH bob x',
    'GET r1',
    'AUTH x',
  ),
  pipeline(
    'ACL SETUSER default >pw',
    'PING',
    'RESET',
    'PING',
    'AUTH x',
    'AUTH pw',
    'PING',
    'AUTH default pw',
  ),
  pipeline(
    'CONFIG SET requirepass pw',
    'ACL LIST',
    'ACL SETUSER default nopass',
    'CONFIG GET requirepass',
  ),
  pipeline(
    'CONFIG SET requirepass pw',
    'ACL SETUSER default >q',
    'AUTH q',
    'AUTH pw',
    'CONFIG SET requirepass z',
    'AUTH q',
    'AUTH pw',
    'AUTH z',
  ),
  pipeline(
    'ACL SETUSER m -@all +select|0 +config|get',
    'ACL SETUSER m on nopass',
    'AUTH m x',
    'SELECT 0',
    'SELECT 1',
    'CONFIG GET timeout x',
    'CONFIG SET timeout 1',
  ),
  pipeline(
    'CONFIG SET acl-pubsub-default allchannels',
    'ACL SETUSER n',
    'ACL GETUSER n',
    'ACL SETUSER n reset',
    'ACL LIST',
    'ACL SETUSER n (+get)',
    'ACL GETUSER n',
  ),
  pipeline('ACL SETUSER self on nopass +@all ~*', 'AUTH self x', 'ACL DELUSER self', 'PING'),
  pipeline(
    'ACL SETUSER self on nopass +@all ~*',
    'AUTH self x',
    'ACL SETUSER self -ping',
    'PING',
    'GET a',
  ),
  pipeline(
    'ACL SETUSER self on nopass +@all ~*',
    'AUTH self x',
    'MULTI',
    'GET a',
    'ACL SETUSER self resetkeys',
    'GET a',
    'ACL SETUSER self -get',
    'GET b',
    'PING',
    'EXEC',
  ),
  pipeline(
    'CONFIG SET dir /tmp',
    'CONFIG SET DIR /tmp timeout 0',
    'CONFIG SET aclfile x',
    'CONFIG SET logfile x',
    'CONFIG SET unixsocket x',
    'CONFIG SET timeout x dir /tmp',
    'CONFIG SET nope 1 dir /tmp',
    'CONFIG SET enable-protected-configs yes',
  ),
  pipeline(
    'CONFIG GET acllog-max-len',
    'CONFIG GET aclfile',
    'CONFIG GET acl-pubsub-default',
    'CONFIG GET user',
    'CONFIG SET user x',
    'CONFIG GET enable-protected-configs',
    'CONFIG SET acl-pubsub-default x',
  ),
]

/** Takes away its own user's rights before it needs them. */
const losingRights = pipeline(
  'ACL SETUSER self on nopass +@all ~* &*',
  'AUTH self x',
  'MULTI',
  'ACL SETUSER self resetchannels',
  'PUBLISH a b',
  'EXEC',
)

const RESET = [
  pipeline('CONFIG SET requirepass x', 'CONFIG SET acl-pubsub-default resetchannels'),
  encode('CONFIG', 'SET', 'requirepass', '') +
    pipeline('ACL SETUSER default reset +@all ~* &* on nopass'),
  pipeline('ACL DELUSER alice bob off self m n', 'ACL LOG RESET', 'FLUSHALL'),
].join('')

describeWithPeer('redis-server', 'users, compared with Redis', () => {
  let pair: Pair
  /** A way in that holds whatever is done to the default user. */
  let doors: { redis: Talk; ktree: Talk }

  beforeAll(async () => {
    pair = await startPair()
    await pair.ask(pipeline('ACL SETUSER admin on nopass allcommands allkeys allchannels'))
    doors = { redis: await Talk.open(pair.redis), ktree: await Talk.open(pair.ktree) }
    for (const door of [doors.redis, doors.ktree])
      await door.ask(pipeline('AUTH admin x'), 'OK\r\n')
  })
  afterAll(async () => {
    doors?.redis.close()
    doors?.ktree.close()
    await pair?.stop()
  })

  const admin = async (input: string): Promise<{ redis: string; ktree: string }> => {
    const end = pipeline('PING ADMINEND')
    return {
      redis: await doors.redis.ask(input + end, 'ADMINEND\r\n'),
      ktree: await doors.ktree.ask(input + end, 'ADMINEND\r\n'),
    }
  }

  const same = async (prefix: string, input: string): Promise<void> => {
    await admin(RESET + pipeline(...USERS))
    const { redis, ktree } = await pair.ask(prefix + input)
    expect(withoutClients(ktree)).toBe(withoutClients(redis))
    // What was denied is noted alike.
    const log = await admin(prefix + pipeline('ACL LOG 100'))
    expect(withoutClients(log.ktree)).toBe(withoutClients(log.redis))
    await admin(pipeline('HELLO 2'))
  }

  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test.for(talks)(`${protocol}: %j`, (input) => same(prefix, input))

    testAlone(
      'the writes of an EXEC have the rights of the moment when it is taken',
      `${protocol}: an EXEC that takes away its own rights`,
      () => same(prefix, losingRights),
    )
  }

  test('ACL CAT lists the same commands, of those that both have', async () => {
    const [theirs] = parseReplies((await admin(pipeline('ACL CAT'))).redis) as string[][]
    const [ours] = parseReplies((await admin(pipeline('ACL CAT'))).ktree) as string[][]
    expect(ours).toEqual([...theirs, 'tree'])
    const names = new Set(
      commandTable.flatMap(({ name, subcommands = [] }) => [
        name,
        ...subcommands.map((each) => `${name}|${each.name}`),
      ]),
    )
    for (const category of theirs) {
      const { redis, ktree } = await admin(pipeline(`ACL CAT ${category}`))
      const [[all], [mine]] = [redis, ktree].map((output) => parseReplies(output) as string[][])
      const shared = mine.filter((name) => !/^k(?!eys)|setinfo|no-touch/.test(name))
      expect([category, ...shared.sort()]).toEqual([
        category,
        ...all.filter((name) => names.has(name)).sort(),
      ])
    }
    const { ktree } = await admin(pipeline('ACL CAT tree'))
    expect(parseReplies(ktree)[0]).toEqual(
      commandTable.filter(({ group }) => group === 'tree').map(({ name }) => name),
    )
  })

  test('ACL GENPASS makes a password of as many digits', async () => {
    const bits = ['', '1', '4', '5', '8', '255', '256', '4096']
    const input = bits.map((each) => encode('ACL', 'GENPASS', ...(each === '' ? [] : [each])))
    const shapes = (output: string): unknown =>
      parseReplies(output).map((each) => [/^[0-9a-f]*$/.test(String(each)), String(each).length])
    const { redis, ktree } = await pair.ask(input.join(''))
    expect(shapes(ktree)).toEqual(shapes(redis))
    const { ktree: again } = await pair.ask(input.join(''))
    expect(again).not.toBe(ktree)
  })

  test('entries of ACL LOG that are alike are counted, and the oldest go', async () => {
    await admin(RESET + pipeline(...USERS))
    const denied = [...Array(30).keys()].map((i) => `GET key${i % 13}`)
    await admin(pipeline('CONFIG SET acllog-max-len 5'))
    await pair.ask(
      pipeline('AUTH bob x', ...denied, 'MULTI', ...denied, 'AUTH bob x', 'SAVE', 'GET q q'),
    )
    const log = await admin(pipeline('ACL LOG', 'ACL LOG 2', 'ACL LOG RESET', 'ACL LOG'))
    expect(withoutClients(log.ktree)).toBe(withoutClients(log.redis))
    await admin(pipeline('CONFIG SET acllog-max-len 128'))
  })

  test.for([
    ['SUBSCRIBE a b', '&a &b', 'resetchannels &a &b &c', true],
    ['SUBSCRIBE a b', '&a &b', 'resetchannels &a', false],
    ['SUBSCRIBE a1', '&a*', 'resetchannels &a1', true],
    ['PSUBSCRIBE a*', '&a*', 'resetchannels &*', true],
    ['PSUBSCRIBE a*', '&a*', 'resetchannels &a', false],
    ['SUBSCRIBE a', 'allchannels', 'resetchannels', false],
    ['SUBSCRIBE a', 'allchannels', 'off -@all resetkeys resetpass', true],
    ['PING', '&a', 'resetchannels', true],
  ] as const)(
    'a client that has sent %s with %s, then %s: stays: %s',
    async ([request, before, after, stays]) => {
      await admin(RESET + pipeline(`ACL SETUSER u reset on nopass +@all ~* ${before}`))
      const answers = await pair.each(async (port) => {
        const talk = await Talk.open(port)
        await talk.ask(pipeline('AUTH u x'), 'OK\r\n')
        const words = request.split(' ')
        await talk.ask(
          encode(...words),
          words[0] === 'PING' ? 'PONG\r\n' : `:${words.length - 1}\r\n`,
        )
        const door = port === pair.redis ? doors.redis : doors.ktree
        await door.ask(pipeline(`ACL SETUSER u ${after}`), 'OK\r\n')
        const answer = await talk.ask(pipeline('PING'), '\r\n')
        talk.close()
        return answer.includes('closed')
      })
      expect(answers).toEqual({ redis: !stays, ktree: !stays })
      await admin(pipeline('ACL DELUSER u'))
    },
  )

  test.for(['ACL DELUSER u', 'CLIENT KILL USER u'])(
    '%s ends the clients of the user, and no others',
    async (request) => {
      await admin(RESET + pipeline('ACL SETUSER u on nopass +@all ~*'))
      const answers = await pair.each(async (port) => {
        const [mine, other] = [await Talk.open(port), await Talk.open(port)]
        await mine.ask(pipeline('AUTH u x'), 'OK\r\n')
        await other.ask(pipeline('PING'), 'PONG\r\n')
        const door = port === pair.redis ? doors.redis : doors.ktree
        const reply = await door.ask(encode(...request.split(' ')), '\r\n')
        const both = [await mine.until('no more'), await other.ask(pipeline('PING'), '\r\n')]
        mine.close()
        other.close()
        return [reply, ...both]
      })
      expect(answers.ktree).toEqual(answers.redis)
      await admin(pipeline('ACL DELUSER u'))
    },
  )

  test('CLIENT LIST and CLIENT INFO name the user', async () => {
    await admin(RESET + pipeline(...USERS))
    const input = pipeline(
      'CLIENT INFO',
      'AUTH alice secret',
      'CLIENT INFO',
      'AUTH bob x',
      'RESET',
      'CLIENT INFO',
    )
    const users = (output: string): string[] =>
      [...output.matchAll(/ user=(\S*) /g)].map(([, name]) => name)
    const { redis, ktree } = await pair.ask(input)
    expect(users(ktree)).toEqual(users(redis))
    expect(users(ktree)).toEqual(['default', 'alice', 'default'])
  })
})

const ALICE = 'user alice on >secret ~a* +get +set'

/** Each is a conf file, the files beside it, and whether the servers start with it. */
const starts: readonly (readonly [
  conf: readonly string[],
  acl: readonly string[] | undefined,
  starts: boolean,
])[] = [
  [[ALICE, 'user bob off nopass ~* -@all'], undefined, true],
  [['requirepass pw', ALICE], undefined, true],
  [['requirepass pw', 'user default on nopass +@all ~*'], undefined, true],
  [['user default on >x +@all ~* -debug', 'requirepass pw'], undefined, true],
  [
    ['user s on nopass (+get ~a) ( +set ~b )', 'acl-pubsub-default allchannels', 'user t on'],
    undefined,
    true,
  ],
  [['user a on', 'user a off'], undefined, false],
  [['user a +nope'], undefined, false],
  [['user a nope'], undefined, false],
  [['user a #123'], undefined, false],
  [['user a (+get'], undefined, false],
  [['user "a b" on'], undefined, false],
  [['user'], undefined, false],
  [['aclfile users.acl'], [ALICE, '', 'user bob off'], true],
  [['aclfile users.acl', 'requirepass pw'], [ALICE], true],
  [['aclfile users.acl', 'requirepass pw'], ['user default on >x ~* +@all'], true],
  [['aclfile users.acl'], [ALICE, ALICE], false],
  [['aclfile users.acl'], ['# a comment'], false],
  [['aclfile users.acl'], undefined, false],
  [['aclfile users.acl', ALICE], [], false],
]

describeWithPeer('redis-server', 'users in files, compared with Redis', () => {
  const folder = async (
    conf: readonly string[],
    acl: readonly string[] | undefined,
  ): Promise<string> => {
    const directory = await mkdtemp(join(tmpdir(), 'ktree-acl-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const lines = conf.map((line) => line.replace('users.acl', join(directory, 'users.acl')))
    await writeFile(join(directory, 'server.conf'), `${lines.join('\n')}\n`)
    if (acl !== undefined) await writeFile(join(directory, 'users.acl'), `${acl.join('\n')}\n`)
    return directory
  }

  /** A server that has read a conf file. */
  interface Configured {
    readonly directory: string
    readonly port: number
    stop(): Promise<void>
  }

  const start = async (kind: 'redis' | 'ktree', directory: string): Promise<Configured> => {
    const file = join(directory, 'server.conf')
    if (kind === 'redis') {
      // The file comes first on the command line.
      const { port, stop } = await startRedis([], file)
      return { directory, port, stop }
    }
    const config = new Config()
    loadConfigFile(config, file)
    const directives = { bind: '127.0.0.1', durability: 'no' }
    const server = await startServer({ config, directives, port: 0, configFile: file })
    return { directory, port: server.port ?? 0, stop: () => server.close() }
  }

  const both = async (
    conf: readonly string[],
    acl?: readonly string[],
  ): Promise<{ redis: Configured; ktree: Configured }> => {
    const redis = await start('redis', await folder(conf, acl))
    onTestFinished(() => redis.stop())
    const ktree = await start('ktree', await folder(conf, acl))
    onTestFinished(() => ktree.stop())
    return { redis, ktree }
  }

  const LIST = pipeline(
    'AUTH x',
    'AUTH pw',
    'ACL LIST',
    'ACL WHOAMI',
    'AUTH alice secret',
    'ACL WHOAMI',
  )

  test.for(starts.filter(([, , begins]) => begins))('%j %j', async ([conf, acl]) => {
    const { redis, ktree } = await both(conf, acl)
    const [theirs, ours] = [await transcript(redis.port, LIST), await transcript(ktree.port, LIST)]
    expect(withSortedCommands(ours)).toBe(withSortedCommands(theirs))
  })

  test.for(starts.filter(([, , begins]) => !begins))(
    'neither starts with %j %j',
    async ([conf, acl]) => {
      await expect(start('redis', await folder(conf, acl))).rejects.toThrow()
      await expect(start('ktree', await folder(conf, acl))).rejects.toThrow()
    },
  )

  test.for([
    [ALICE, 'user bob on nopass +@all'],
    [],
    ['user alice on +nope >secret #123 ~a*'],
    ['user alice on #123 !456 +nope'],
    [ALICE, 'user alice off'],
    ['nope', 'user', 'user  x', '  user y on  ', 'USER z'],
    ['user alice (+get', 'user bob (+get ~a ) (+set)'],
    ['user default off', ALICE],
    ['user default on nopass +@all ~*', 'user alice\ton'],
  ])('ACL LOAD of %j', async (...lines) => {
    const { redis, ktree } = await both(['aclfile users.acl'], [ALICE])
    const input = pipeline('ACL LOAD', 'ACL LIST', 'AUTH alice secret', 'ACL LOAD', 'PING')
    const answer = async ({ directory, port }: Configured): Promise<string> => {
      const file = join(directory, 'users.acl')
      await writeFile(file, `${lines[0].join('\n')}\n`)
      return withSortedCommands(await transcript(port, input)).replaceAll(file, 'FILE')
    }
    expect(await answer(ktree)).toBe(await answer(redis))
  })

  test('ACL LOAD of a file that is gone', async () => {
    const { redis, ktree } = await both(['aclfile users.acl'], [ALICE])
    const answer = async ({ directory, port }: Configured): Promise<string> => {
      const file = join(directory, 'users.acl')
      await rm(file)
      return (await transcript(port, pipeline('ACL LOAD', 'ACL USERS'))).replaceAll(file, 'FILE')
    }
    expect(await answer(ktree)).toBe(await answer(redis))
  })

  test('ACL SAVE writes the same lines, and a server starts with them', async () => {
    const { redis, ktree } = await both(['aclfile users.acl'], [ALICE])
    const change = pipeline(
      'ACL SETUSER bob on >other %R~r* &news resetchannels +@all -get (~q +set)',
      'ACL SETUSER alice >more',
      'CONFIG SET requirepass pw',
      'ACL SAVE',
    )
    const saved = async ({ directory, port }: Configured): Promise<string[]> => [
      await transcript(port, change),
      withSortedCommands(await readFile(join(directory, 'users.acl'), 'utf8')),
    ]
    const theirs = await saved(redis)
    expect(await saved(ktree)).toEqual(theirs)
    await redis.stop()
    await ktree.stop()
    const again = {
      redis: await start('redis', redis.directory),
      ktree: await start('ktree', ktree.directory),
    }
    onTestFinished(() => again.redis.stop())
    onTestFinished(() => again.ktree.stop())
    const input = pipeline('AUTH pw', 'ACL LIST')
    expect(withSortedCommands(await transcript(again.ktree.port, input))).toBe(
      withSortedCommands(await transcript(again.redis.port, input)),
    )
  })

  test('CONFIG REWRITE keeps the users: both start with what they have written, and with what the other has', async () => {
    const conf = ['user gone on +get', ALICE, 'requirepass pw', '# a comment']
    const { redis, ktree } = await both(conf)
    const change = pipeline(
      'AUTH pw',
      'ACL DELUSER gone',
      'ACL SETUSER alice ~more* resetpass',
      'ACL SETUSER new on nopass +@all ~* &* -get (~q +set)',
      'ACL SETUSER default -debug',
      'CONFIG REWRITE',
      'ACL LIST',
    )
    const theirs = await transcript(redis.port, change)
    expect(withSortedCommands(await transcript(ktree.port, change))).toBe(
      withSortedCommands(theirs),
    )
    await redis.stop()
    await ktree.stop()
    const list = pipeline('AUTH pw', 'ACL LIST')
    const users: string[] = []
    for (const { directory } of [redis, ktree]) {
      const text = await readFile(join(directory, 'server.conf'), 'utf8')
      const lines = text.split('\n').filter((line) => /^(user|requirepass) /.test(line))
      for (const kind of ['redis', 'ktree'] as const) {
        const server = await start(kind, await folder(lines, undefined))
        users.push(withSortedCommands(await transcript(server.port, list)))
        await server.stop()
      }
    }
    expect(new Set(users).size).toBe(1)
    expect(users[0]).toContain('~a* ~more*')
    expect(users[0]).not.toContain('gone')
  })
})
