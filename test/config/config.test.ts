import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Config, ConfigError, pathFromBytes } from '../../src/config/config.ts'
import { formatMemory, parseMemory } from '../../src/config/directive-value.ts'
import { type DirectiveName, directiveNames, directives } from '../../src/config/directives.ts'

const reasonOf = (act: () => void): string => {
  try {
    act()
  } catch (error) {
    if (error instanceof ConfigError) return error.reason
    throw error
  }
  return 'no error'
}

describe('the table', () => {
  test('every default is valid', () => {
    for (const name of directiveNames) {
      const config = new Config()
      config.set(name, [config.format(name)])
      expect(config.get(name)).toEqual(directives[name].default)
      expect(config.isDefault(name)).toBe(true)
    }
  })

  test('every line of help fits beside its option on a terminal', () => {
    for (const name of directiveNames) expect(directives[name].help.length).toBeLessThan(46)
  })
})

describe('set', () => {
  test('gives values their types', () => {
    const config = new Config()
    const port: number = config.get('port')
    const bind: readonly string[] = config.get('bind')
    const protectedMode: boolean = config.get('protected-mode')
    const level: 'debug' | 'verbose' | 'notice' | 'warning' | 'nothing' = config.get('loglevel')
    expect([port, bind, protectedMode, level]).toEqual([
      6379,
      ['127.0.0.1', '-::1'],
      true,
      'notice',
    ])
  })

  test('takes names and words in any case', () => {
    const config = new Config()
    config.set('LogLevel', ['WARNING'])
    config.set('PROTECTED-MODE', ['No'])
    config.set('Proto-Max-Bulk-Len', ['2MB'])
    expect(config.get('loglevel')).toBe('warning')
    expect(config.get('protected-mode')).toBe(false)
    expect(config.get('proto-max-bulk-len')).toBe(2 * 1024 * 1024)
  })

  test('reads and shows a socket mode in octal', () => {
    const config = new Config()
    config.set('unixsocketperm', ['770'])
    expect(config.get('unixsocketperm')).toBe(0o770)
    expect(config.format('unixsocketperm')).toBe('770')
  })

  test('takes any number of addresses, in one argument or in several', () => {
    const config = new Config()
    config.set('bind', ['10.0.0.1', '-::1'])
    expect(config.get('bind')).toEqual(['10.0.0.1', '-::1'])
    config.set('bind', ['10.0.0.2  ::1'])
    expect(config.format('bind')).toBe('10.0.0.2 ::1')
    config.set('bind', [''])
    expect(config.get('bind')).toEqual([])
  })

  test.each<[DirectiveName | 'nope', string[], string]>([
    ['nope', ['1'], 'Bad directive or wrong number of arguments'],
    ['port', [], 'wrong number of arguments'],
    ['port', ['1', '2'], 'wrong number of arguments'],
    ['bind', [], 'wrong number of arguments'],
    ['port', ['65536'], 'argument must be between 0 and 65535 inclusive'],
    ['port', ['-1'], 'argument must be between 0 and 65535 inclusive'],
    ['port', ['abc'], "argument couldn't be parsed into an integer"],
    ['port', ['08'], "argument couldn't be parsed into an integer"],
    ['port', [''], "argument couldn't be parsed into an integer"],
    ['maxclients', ['0'], 'argument must be between 1 and 4294967295 inclusive'],
    ['unixsocketperm', ['9'], "argument couldn't be parsed as an octal number"],
    ['unixsocketperm', ['1000'], 'argument must be between 0 and 777 inclusive'],
    ['protected-mode', ['maybe'], "argument must be 'yes' or 'no'"],
    ['proto-max-bulk-len', ['1tb'], 'argument must be a memory value'],
    ['proto-max-bulk-len', ['-1'], 'argument must be a memory value'],
    ['proto-max-bulk-len', ['1k'], 'argument must be between 1048576 and 268435456 inclusive'],
    [
      'loglevel',
      ['loud'],
      'argument(s) must be one of the following: debug, verbose, notice, warning, nothing',
    ],
  ])('%s %j is refused', (name, args, reason) => {
    expect(reasonOf(() => new Config().set(name, args))).toBe(reason)
  })
})

describe('output limits', () => {
  const limits = (...args: string[]): string => {
    const config = new Config()
    config.set('client-output-buffer-limit', args)
    return config.format('client-output-buffer-limit')
  }

  test('are always shown for all classes, in bytes', () => {
    expect(limits('pubsub', '1mb', '1k', '5')).toBe(
      'normal 0 0 0 slave 268435456 67108864 60 pubsub 1048576 1000 5',
    )
    expect(limits('normal 1gb 0 0 replica 1 2 3')).toBe(
      'normal 1073741824 0 0 slave 1 2 3 pubsub 33554432 8388608 60',
    )
  })

  test.each([
    ['normal 0 0', 'Wrong number of arguments in buffer limit configuration.'],
    ['master 0 0 0', 'Invalid client class specified in buffer limit configuration.'],
    ['normal x 0 0', 'Error in hard, soft or soft_seconds setting in buffer limit configuration.'],
    ['normal 0 0 -1', 'Error in hard, soft or soft_seconds setting in buffer limit configuration.'],
  ])('%j is refused', (text, reason) => {
    expect(reasonOf(() => limits(text))).toBe(reason)
  })
})

describe('setMany', () => {
  test('fails with the errors of CONFIG SET', () => {
    const config = new Config()
    const answer = (...pairs: [string, string][]): string => {
      try {
        config.setMany(pairs)
        return 'OK'
      } catch (error) {
        return (error as ConfigError).message
      }
    }
    const failed = 'CONFIG SET failed (possibly related to argument'
    expect(answer(['Nope', '1'])).toBe(
      "Unknown option or number of arguments for CONFIG SET - 'Nope'",
    )
    expect(answer(['Databases', '1'])).toBe(`${failed} 'Databases') - can't set immutable config`)
    expect(answer(['timeout', '1'], ['TIMEOUT', '2'])).toBe(
      `${failed} 'TIMEOUT') - duplicate parameter`,
    )
    expect(answer(['MaxClients', '0'])).toBe(
      `${failed} 'maxclients') - argument must be between 1 and 4294967295 inclusive`,
    )
    expect(answer()).toBe('OK')
  })

  test('sets all, or none if one is refused', () => {
    const config = new Config()
    config.setMany(
      new Map([
        ['timeout', '5'],
        ['maxclients', '7'],
      ]),
    )
    expect([config.get('timeout'), config.get('maxclients')]).toEqual([5, 7])
    expect(() =>
      config.setMany([
        ['timeout', '6'],
        ['maxclients', 'x'],
      ]),
    ).toThrow(ConfigError)
    expect([config.get('timeout'), config.get('maxclients')]).toEqual([5, 7])
  })
})

describe('onChange', () => {
  test('passes the new and the old value, after all are set, and only for changes', () => {
    const config = new Config()
    const seen: unknown[] = []
    const end = config.onChange('timeout', (value, previous) => {
      seen.push([value, previous, config.get('maxclients')])
    })
    config.setMany([
      ['timeout', '5'],
      ['maxclients', '7'],
    ])
    config.setMany([['timeout', '5']])
    end()
    config.setMany([['timeout', '6']])
    expect(seen).toEqual([[5, 0, 7]])
  })

  test('a listener that throws undoes everything, and the other listeners are called again', () => {
    const config = new Config()
    const timeouts: number[] = []
    config.onChange('timeout', (value) => void timeouts.push(value))
    config.onChange('maxclients', () => {
      throw new Error('too many for this machine')
    })
    expect(() =>
      config.setMany([
        ['timeout', '5'],
        ['maxclients', '7'],
      ]),
    ).toThrow("related to argument 'maxclients') - too many for this machine")
    expect([config.get('timeout'), config.get('maxclients')]).toEqual([0, 10000])
    expect(timeouts).toEqual([5, 0])
  })
})

test('match finds each name once, by globs in any case', () => {
  const config = new Config()
  expect(config.match(['PROTO*', 'tim?out', 't*out'])).toEqual(['timeout', 'proto-max-bulk-len'])
  expect(config.match(['*'])).toEqual(directiveNames)
  expect(config.match(['', 'nope'])).toEqual([])
})

test('parseMemory reads the amounts that formatMemory writes', () => {
  fc.assert(fc.property(fc.maxSafeNat(), (bytes) => parseMemory(formatMemory(bytes)) === bytes))
  expect(['1k', '1kb', '1M', '1Mb', '2g', '2GB', '5b', '7'].map(parseMemory)).toEqual([
    1000,
    1024,
    1e6,
    1024 ** 2,
    2e9,
    2 * 1024 ** 3,
    5,
    7,
  ])
})

test('a path in bytes is decoded as UTF-8', () => {
  expect(pathFromBytes(Buffer.from('/tmp/ä').toString('latin1'))).toBe('/tmp/ä')
})
