import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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

const requests: readonly string[] = [
  pipeline('TIME x', 'DBSIZE', 'DBSIZE x', 'MONITOR x', 'INFO nope', 'INFO nope nope2'),
  pipeline('SHUTDOWN x', 'SHUTDOWN ABORT', 'SHUTDOWN ABORT NOW', 'SHUTDOWN NOSAVE SAVE', 'PING'),
  pipeline('SHUTDOWN nosave x', 'shutdown abort abort', 'SHUTDOWN FORCE SAVE NOW NOSAVE'),
  pipeline('CONFIG', 'CONFIG NOPE', 'CONFIG GET', 'CONFIG SET', 'CONFIG SET x', 'CONFIG HELP x'),
  pipeline('CONFIG GET nope', 'CONFIG GET timeout', 'CONFIG GET TimeOut', 'CONFIG GET nope*'),
  pipeline(
    'CONFIG GET timeout TIMEOUT',
    'CONFIG GET TIMEOUT timeout t?meout',
    'CONFIG get t?MEout',
  ),
  pipeline('CONFIG GET time\\out', 'CONFIG GET [t]imeout', 'CONFIG GET [^a-s]imeout'),
  pipeline('CONFIG SET timeout', 'CONFIG SET timeout 1 maxclients', 'CONFIG SET nope 1', 'PING'),
  pipeline('CONFIG SET timeout x', 'CONFIG SET TIMEOUT -1', 'CONFIG SET timeout 1 nope 1'),
  pipeline('CONFIG SET timeout 1 TIMEOUT 2', 'CONFIG SET databases 1', 'CONFIG GET timeout'),
  pipeline('CONFIG GET save', 'CONFIG GET appendonly', 'CONFIG SET appendonly no') +
    encode('CONFIG', 'SET', 'save', ''),
  pipeline('CONFIG SET timeout 7', 'CONFIG GET timeout', 'CONFIG SET timeout 0 maxclients 9000'),
  pipeline('CONFIG GET maxclients', 'CONFIG SET maxclients 10000', 'CONFIG SET maxclients 0'),
  encode('CONFIG', 'SET', 'timeout', '') + encode('CONFIG', 'SET', 'a\r\nb', 'c'),
  encode('CONFIG', 'SET', 'maxmemory', '0\0x') +
    encode('CONFIG', 'SET', 'notify-keyspace-events', 'A\0K') +
    encode('CONFIG', 'SET', 'notify-keyspace-events', '') +
    encode('CONFIG', 'SET', 'a\0b', 'c') +
    encode('CONFIG', 'SET', 'timeout', '1\0'),
  pipeline('CONFIG SET timeout 9223372036854775808', 'CONFIG SET timeout 9223372036854775807'),
  pipeline('CONFIG SET timeout -9223372036854775809', 'CONFIG SET timeout -9223372036854775808'),
  pipeline('CONFIG REWRITE', 'CONFIG REWRITE x', 'CONFIG RESETSTAT x', 'CONFIG RESETSTAT'),
  pipeline('COMMAND COUNT x', 'COMMAND HELP x', 'COMMAND GETKEYS', 'COMMAND GETKEYS ping'),
  pipeline('COMMAND GETKEYS ping x', 'COMMAND GETKEYS nope x', 'COMMAND GETKEYS client list'),
  pipeline(
    'COMMAND GETKEYS client nope',
    'COMMAND getkeys client',
    'COMMAND INFO nope client|nope',
  ),
  pipeline('COMMAND INFO ping|x a|b|c', 'COMMAND INFO client|list|x', 'COMMAND DOCS nope'),
  pipeline('COMMAND LIST x', 'COMMAND LIST FILTERBY', 'COMMAND LIST FILTERBY x y', 'PING'),
  pipeline('COMMAND LIST FILTERBY MODULE x', 'COMMAND LIST filterby pattern ec?o'),
  pipeline('COMMAND LIST FILTERBY PATTERN PING', 'COMMAND LIST FILTERBY ACLCAT nope'),
  pipeline('COMMAND LIST FILTERBY PATTERN client|li*', 'COMMAND LIST FILTERBY PATTERN a b'),
]

/** Redis's commands that ktree has; their COMMAND INFO must agree. */
const shared = [
  ...['hello', 'auth', 'echo', 'quit', 'reset', 'select', 'time', 'monitor', 'subscribe'],
  ...['unsubscribe', 'psubscribe', 'punsubscribe', 'publish', 'config|get', 'config|set'],
  ...['config|resetstat', 'config|rewrite', 'config|help', 'client|id', 'client|getname'],
  ...['client|setname', 'client|info', 'client|list', 'client|kill', 'client|reply'],
  ...['client|no-evict', 'command|count', 'command|list', 'command|info', 'command|docs'],
  ...['command|getkeys', 'pubsub|channels', 'pubsub|numsub', 'pubsub|numpat', 'ping', 'dbsize'],
]

/** Name, arity, flags and keys; other fields of Redis's connection group differ. */
const comparable = (info: Value): Value[] => (info as Value[]).slice(0, 6)

describeWithPeer('redis-server', 'the server as a whole, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair()
  })
  afterAll(() => pair?.stop())

  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test.for(requests)(`${protocol}: %j`, async (input) => {
      const { redis, ktree } = await pair.ask(prefix + input)
      expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
    })

    test(`${protocol}: COMMAND INFO of shared commands`, async () => {
      const { redis, ktree } = await pair.ask(prefix + encode('COMMAND', 'INFO', ...shared))
      const read = (output: string): Value[] => {
        const replies = parseReplies(output)
        return (replies.at(-1) as Value[]).map(comparable)
      }
      expect(read(ktree)).toEqual(read(redis))
    })

    test(`${protocol}: COMMAND, its subcommands and TIME reply in the same shapes`, async () => {
      const lines = [
        'COMMAND INFO ping get kget',
        'COMMAND DOCS select publish',
        'COMMAND INFO config',
        'COMMAND COUNT',
        'TIME',
        'CONFIG HELP',
        'COMMAND HELP',
        'CLIENT HELP',
        'PUBSUB HELP',
        'INFO server',
        'CLIENT INFO',
      ]
      const { redis, ktree } = await pair.ask(prefix + pipeline(...lines))
      // The type of each reply, and once each type in it.
      const shape = (value: Value): unknown => {
        if (Array.isArray(value))
          return [...new Set(value.map((each) => JSON.stringify(shape(each))))]
        if (value instanceof Map)
          return [...value.keys()].filter((key) => key !== 'history').toSorted()
        return typeof value
      }
      const replies = { redis: parseReplies(redis), ktree: parseReplies(ktree) }
      expect(replies.ktree.length).toBe(replies.redis.length)
      const types = (output: string): string => output.replace(/^(.).*$/gm, '$1')
      for (const line of ['TIME', 'COMMAND COUNT', 'CLIENT INFO', 'INFO server']) {
        const single = await pair.ask(prefix + pipeline(line))
        const header = (output: string): string => types(output).split('\n')[0]
        expect(header(single.ktree)).toBe(header(single.redis))
      }
      expect(shape(replies.ktree.at(-7) ?? null)).toEqual(shape(replies.redis.at(-7) ?? null))
      for (const at of [-6, -5, -4, -3]) {
        const help = replies.ktree.at(at) as string[]
        const original = replies.redis.at(at) as string[]
        expect(help[0]).toBe(original[0])
        expect(help.at(-2)).toBe('HELP')
        expect(help.every((text) => typeof text === 'string')).toBe(true)
      }
    })

    test(`${protocol}: COMMAND DOCS describes arguments as Redis does`, async () => {
      const { redis, ktree } = await pair.ask(
        prefix +
          pipeline('COMMAND DOCS echo select publish config|resetstat client|setname info ping'),
      )
      // Summaries and versions are ktree's own.
      const args = (output: string): string[] =>
        output.split('\r\n').filter((line) => !line.startsWith('$'))
      const section = (output: string): string[] => {
        const all = args(output)
        const kept = all.filter((line) =>
          /^(arguments|type|flags|optional|multiple|string|pattern|integer|group|connection|server|pubsub)$/.test(
            line,
          ),
        )
        return kept
      }
      expect(section(ktree)).toEqual(section(redis))
    })
  }

  test('COMMAND LIST has all commands that COMMAND COUNT counts, and their subcommands', async () => {
    const { ktree } = await pair.ask(pipeline('COMMAND LIST', 'COMMAND COUNT', 'COMMAND'))
    const [names, count, all] = parseReplies(ktree) as [string[], number, Value[][]]
    expect(names.filter((name) => !name.includes('|'))).toHaveLength(count)
    expect(all).toHaveLength(count)
    expect(new Set(names).size).toBe(names.length)
    for (const name of shared) expect(names).toContain(name)
  })

  test('COMMAND GETKEYS of a tree command', async () => {
    const { ktree } = await pair.ask(
      pipeline('COMMAND GETKEYS kset /a b', 'COMMAND GETKEYS KGET /a RECURSIVE') +
        pipeline('COMMAND GETKEYS kset /a'),
    )
    expect(parseReplies(ktree)).toEqual([
      ['/a'],
      ['/a'],
      'Error: ERR Invalid number of arguments specified for command',
    ])
  })

  describe('INFO', () => {
    const sections = async (port: number, request: string): Promise<Map<string, string[]>> => {
      const talk = await Talk.open(port)
      const output = await talk.ask(pipeline(request, 'ECHO end'), '$3\r\nend\r\n')
      talk.close()
      const [text] = parseReplies(output) as string[]
      const found = new Map<string, string[]>()
      for (const section of text === '' ? [] : text.split('\r\n\r\n')) {
        const [title, ...lines] = section.trimEnd().split('\r\n')
        found.set(title, lines)
      }
      return found
    }

    test.for([
      'INFO',
      'INFO default',
      'INFO all',
      'INFO EVERYTHING',
      'INFO server clients',
      'info CPU Server cpu',
      'INFO commandstats default',
      'INFO keyspace',
    ])('%s: the same sections as in Redis, of those that ktree has', async (request) => {
      const { redis, ktree } = await pair.each((port) => sections(port, request))
      const ours = new Set((await sections(pair.ktree, 'INFO all')).keys())
      expect([...ktree.keys()]).toEqual([...redis.keys()].filter((title) => ours.has(title)))
    })

    test('the fields that clients read exist, and look the same', async () => {
      const { redis, ktree } = await pair.each((port) => sections(port, 'INFO'))
      const fields = (found: Map<string, string[]>): Map<string, string> =>
        new Map(
          [...found.values()].flat().map((line) => {
            const at = line.indexOf(':')
            return [line.slice(0, at), line.slice(at + 1)] as const
          }),
        )
      const [theirs, ours] = [fields(redis), fields(ktree)]
      for (const name of [
        'redis_version',
        'redis_mode',
        'loading',
        'role',
        'maxclients',
        'arch_bits',
      ]) {
        expect([name, ours.get(name)]).toEqual([name, theirs.get(name)])
      }
      const numeric = (value: string | undefined): boolean => /^[\d.]+$/.test(value ?? '')
      for (const [name, value] of ours) {
        if (theirs.has(name))
          expect([name, numeric(value)]).toEqual([name, numeric(theirs.get(name))])
      }
      expect(ours.get('run_id')).toMatch(/^[0-9a-f]{40}$/)
      expect(ours.get('tcp_port')).toBe(String(pair.ktree))
    })

    test('keyspace_hits, keyspace_misses and errorstats count as in Redis', async () => {
      const read = [
        ...[
          'GET k',
          'GET no',
          'MGET k no no',
          'STRLEN k',
          'STRLEN no',
          'GETRANGE k 0 1',
          'SUBSTR no 0 1',
        ],
        ...[
          'EXISTS k no k',
          'TYPE k',
          'TYPE no',
          'TTL k',
          'PTTL no',
          'EXPIRETIME k',
          'PEXPIRETIME no',
        ],
        ...['TOUCH k no', 'DUMP k', 'DUMP no', 'COPY k c', 'COPY no c', 'OBJECT ENCODING k'],
        ...[
          'OBJECT REFCOUNT no',
          'SET k v GET',
          'SET no v XX GET',
          'GETSET k v',
          'GETEX k',
          'GETEX no',
        ],
        ...['GETDEL no', 'MEMORY USAGE no', 'GETDEL k', 'GETSET k v', 'GETDEL k'],
      ]
      // Commands that only write count neither hits nor misses.
      const write = [
        'SET k v',
        'SET k v NX',
        'SETNX k v',
        'APPEND k v',
        'EXPIRE no 1',
        'PERSIST no',
      ]
      const errors = ['INCR k', 'NOPE', 'GET', 'EXEC', 'DISCARD', 'SET k v EX x', 'HELLO 9']
      const dirty = ['MULTI', 'NOPE', 'EXEC', 'AUTH default x y z', 'HELLO 3 AUTH nobody x']
      for (const lines of [read, write, errors, dirty]) {
        const asked = pipeline(
          ...['FLUSHALL', 'SET k v', 'CONFIG RESETSTAT', ...lines, 'INFO stats errorstats'],
          ...['CONFIG RESETSTAT', 'INFO stats errorstats'],
        )
        const { redis, ktree } = await pair.ask(asked)
        const counts = (output: string): string[] =>
          output
            .split('\r\n')
            .filter((line) => /^(keyspace_|errorstat_|# Errorstats)/.test(line))
            .toSorted()
        expect(counts(ktree)).toEqual(counts(redis))
        expect(counts(ktree)).toHaveLength(
          lines === read || lines === write ? 6 : counts(redis).length,
        )
      }
    })

    // Fields that monitoring programs display and plot.
    test.for([
      ...['redis_version', 'redis_mode', 'os', 'process_id', 'uptime_in_days', 'tcp_port'],
      ...['connected_clients', 'blocked_clients', 'used_memory', 'used_memory_human'],
      ...['used_memory_rss', 'used_memory_peak_human', 'used_memory_lua_human', 'maxmemory_human'],
      ...['used_memory_dataset', 'used_memory_overhead', 'used_memory_peak_perc', 'mem_allocator'],
      ...['total_connections_received', 'total_commands_processed', 'instantaneous_ops_per_sec'],
      ...['instantaneous_input_kbps', 'instantaneous_output_kbps', 'rejected_connections'],
      ...['expired_keys', 'evicted_keys', 'keyspace_hits', 'keyspace_misses', 'used_cpu_sys'],
      ...['role', 'connected_slaves', 'cluster_enabled', 'rdb_bgsave_in_progress'],
      ...['aof_rewrite_in_progress', 'aof_enabled', 'rdb_last_save_time', 'loading'],
    ])('%s has the form that it has in Redis', async (name) => {
      const { redis, ktree } = await pair.ask(pipeline('INFO'))
      const shape = (output: string): string | undefined =>
        new RegExp(`^${name}:(.*?)\\r$`, 'm')
          .exec(output)?.[1]
          .replace(/\d+/g, 'N')
          .replace(/[BKMG]$/, 'U')
      expect(shape(redis)).toBeDefined()
      const words = ['os', 'mem_allocator']
      if (words.includes(name)) expect(shape(ktree)).toMatch(/./)
      else expect(shape(ktree)?.replace('N.N', 'N')).toBe(shape(redis)?.replace('N.N', 'N'))
    })

    test('commandstats count as in Redis', async () => {
      const asked = pipeline(
        ...['CONFIG RESETSTAT', 'PING', 'PING', 'ECHO', 'SELECT 9', 'CLIENT ID', 'CLIENT SETNAME'],
        ...['CLIENT NOPE', 'NOPE', 'CLIENT LIST TYPE x', 'INFO commandstats', 'INFO stats'],
        ...['CONFIG RESETSTAT', 'PING', 'INFO commandstats'],
      )
      const { redis, ktree } = await pair.ask(asked)
      const read = (output: string): unknown => {
        const texts = parseReplies(output).filter((value) => String(value).startsWith('# '))
        return texts.map((text) =>
          String(text)
            .split('\r\n')
            .filter((line) => /^(cmdstat_|total_commands_processed|total_error_replies)/.test(line))
            .map((line) => line.replace(/usec=\d+,usec_per_call=\d+\.\d\d/, 'TIME'))
            .toSorted(),
        )
      }
      expect(read(ktree)).toEqual(read(redis))
    })
  })

  describe('MONITOR', () => {
    const shown = (output: string): string =>
      withoutNumbers(output).replace(/^\+\d+\.\d{6} /gm, '+TIME ')

    const watched: readonly string[] = [
      pipeline('PING', 'ECHO hello', 'NOPE', 'ECHO', 'SELECT 9', 'CLIENT ID', 'client setname me'),
      pipeline('CONFIG GET x', 'CLIENT LIST', 'AUTH secret', 'AUTH default secret', 'INFO nope'),
      pipeline('HELLO 2 AUTH default secret SETNAME x', 'hello 2', 'HELLO 2 auth', 'HELLO x y z'),
      encode('ECHO', 'a b"\\\r\n\t\b\x07\0\x7f\xff\'') + encode('ECHO', ''),
      pipeline(
        'SUBSCRIBE a',
        'PSUBSCRIBE b',
        'UNSUBSCRIBE',
        'PUNSUBSCRIBE',
        'PUBLISH a b',
        'PUBSUB NUMPAT',
      ),
      pipeline('RESET', 'COMMAND COUNT', 'DBSIZE', 'QUIT'),
    ]
    test.for(watched)('shows %j', async (input) => {
      const { redis, ktree } = await pair.each(async (port) => {
        const monitor = await Talk.open(port)
        await monitor.ask(pipeline('MONITOR'), '+OK\r\n')
        const talk = await Talk.open(port)
        talk.send(input)
        await talk.ask(input.includes('QUIT') ? '' : pipeline('ECHO end'), '\r\nend\r\n')
        talk.send(pipeline('ECHO end'))
        const last = await Talk.open(port)
        last.send(pipeline('ECHO last'))
        const output = await monitor.until('"ECHO" "last"\r\n')
        for (const each of [monitor, talk, last]) each.close()
        return shown(output).replace(/^.*"ECHO" "end"\r\n/gm, '')
      })
      expect(ktree).toBe(redis)
    })

    for (const [protocol, prefix] of Object.entries(PREFIXES)) {
      const own = [
        pipeline('MONITOR', 'PING', 'MONITOR', 'ECHO x', 'NOPE', 'RESET', 'PING'),
        pipeline('MONITOR', 'CLIENT REPLY OFF', 'ECHO x', 'CLIENT REPLY ON', 'ECHO y'),
        pipeline('MONITOR', 'CLIENT REPLY SKIP', 'ECHO x', 'ECHO y', 'QUIT'),
      ]
      test.for(own)(`${protocol}: shows a client its own requests: %j`, async (input) => {
        const { redis, ktree } = await pair.ask(prefix + input)
        expect(shown(ktree)).toBe(shown(redis))
      })
    }
  })

  test.for(['SHUTDOWN', 'shutdown nosave now', 'SHUTDOWN SAVE FORCE'])(
    '%s ends the connection without a reply',
    async (request) => {
      const doomed = await startPair()
      try {
        const { redis, ktree } = await doomed.ask(pipeline(request, 'PING'))
        expect([redis, ktree]).toEqual(['', ''])
      } finally {
        await doomed.stop()
      }
    },
  )
})
