import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Config, ConfigError } from '../../../src/config/config.ts'
import { matchGlob } from '../../../src/text/glob.ts'
import { describeWithPeer, type RunningRedis, startRedis } from '../peers.ts'

describeWithPeer('redis-server', 'configuration, compared with Redis', () => {
  let server: RunningRedis
  let redis: Redis
  let config: Config

  beforeAll(async () => {
    server = await startRedis()
    redis = new Redis(server.port, '127.0.0.1')
    config = new Config()
  })

  afterAll(async () => {
    redis?.disconnect()
    await server?.stop()
  })

  const askRedis = async (pairs: [string, string][]): Promise<string> => {
    try {
      return String(await redis.call('CONFIG', 'SET', ...pairs.flat()))
    } catch (error) {
      return (error as Error).message
    }
  }

  const askConfig = (pairs: [string, string][]): string => {
    try {
      config.setMany(pairs)
      return 'OK'
    } catch (error) {
      if (error instanceof ConfigError) return `ERR ${error.message}`
      throw error
    }
  }

  /** Gives both sides the same values at the start of a case. */
  const reset = async (): Promise<void> => {
    const pairs: [string, string][] = [
      ['timeout', '0'],
      ['maxclients', '1000'],
      ['client-query-buffer-limit', '128mb'],
      ['loglevel', 'notice'],
      ['client-output-buffer-limit', 'normal 0 0 0 slave 1 1 1 pubsub 2 2 2'],
    ]
    expect([await askRedis(pairs), askConfig(pairs)]).toEqual(['OK', 'OK'])
  }

  // Redis 7.0 has no log level `nothing`, and counts bytes in 64 bits.
  const like = (text: string): string =>
    text
      .replace('warning, nothing', 'warning')
      .replace(String(Number.MAX_SAFE_INTEGER), '9223372036854775807')

  const value = fc.oneof(
    fc.constantFrom(
      '',
      '0',
      '1',
      '05',
      '-1',
      '+1',
      '1 ',
      'yes',
      'NO',
      'x',
      '1k',
      '2Mb',
      '1gb',
      '1t',
      'kb',
    ),
    fc.constantFrom('debug', 'Notice', 'loud', '4294967296', '2147483648', '99999999999999999999'),
    fc.constantFrom('normal 0 0 0', 'slave 1mb 1k 3', 'replica  1 1 1', 'pubsub 1 1', 'x 1 1 1'),
    fc.constantFrom('normal 1 1 -1', 'normal 1 x 1', 'normal 1 1 1 Normal 2 2 2', 'master 1 1 1'),
  )
  const name = fc.constantFrom('timeout', 'TIMEOUT', 'maxclients', 'tcp-keepalive', 'loglevel')
  const rarer = fc.constantFrom('protected-mode', 'client-query-buffer-limit', 'databases', 'nope')
  const limits = fc.constant('client-output-buffer-limit')
  const compared = ['timeout', 'maxclients', 'loglevel', 'client-output-buffer-limit'] as const

  test('CONFIG SET gives the same replies and the same values', async () => {
    const pair = fc
      .tuple(fc.oneof(name, rarer, limits), value)
      // With this many Redis would try for a long time to raise the limit of open files.
      .filter(([each, text]) => each !== 'maxclients' || text !== '2147483648')
    await fc.assert(
      fc.asyncProperty(fc.array(pair, { minLength: 1, maxLength: 3 }), async (pairs) => {
        await reset()
        expect(like(askConfig(pairs))).toBe(await askRedis(pairs))
        const shown = (await redis.call('CONFIG', 'GET', ...compared)) as string[]
        for (const each of compared) {
          expect(config.format(each)).toBe(shown[shown.indexOf(each) + 1])
        }
      }),
      { numRuns: 400 },
    )
  })

  test('globs match the same', async () => {
    const some = (letters: string) =>
      fc
        .array(fc.constantFrom(...letters), { minLength: 1, maxLength: 7 })
        .map((all) => all.join(''))
    await fc.assert(
      fc.asyncProperty(some('aab**?[]^-\\c'), some('aabc-]^\\'), async (pattern, text) => {
        // FLUSHALL would save the empty tree to the disk each time, if save points are set.
        await redis.pipeline().flushdb().set(text, '').exec()
        expect(matchGlob(pattern, text)).toBe((await redis.keys(pattern)).length === 1)
      }),
      { numRuns: 2000 },
    )
  })
})
