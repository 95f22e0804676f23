import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  applyConfigText,
  ConfigFileError,
  loadConfigFile,
  parseConfigLines,
} from '../../src/config/conf-file.ts'
import { Config } from '../../src/config/config.ts'

const read = (text: string): Config => {
  const config = new Config()
  applyConfigText(config, text, 'ktree.conf')
  return config
}

const errorOf = (text: string): ConfigFileError => {
  try {
    read(text)
  } catch (error) {
    if (error instanceof ConfigFileError) return error
    throw error
  }
  throw new Error('no error')
}

test('comments, blank lines, quotes, case, tabs and ends of line', () => {
  const config = read(
    [
      '# a comment',
      '',
      '   # another',
      '\tPort   6390\r',
      'requirepass "a \\"b\\" \\x41"',
      "logfile '/tmp/it\\'s'",
      'timeout 1',
      'TIMEOUT 2',
      'client-output-buffer-limit pubsub 1mb 0 0',
      'client-output-buffer-limit normal 2mb 0 0',
      'bind "10.0.0.1 ::1"',
    ].join('\n'),
  )
  expect(config.get('port')).toBe(6390)
  expect(config.get('requirepass')).toBe('a "b" A')
  expect(config.get('logfile')).toBe("/tmp/it's")
  expect(config.get('timeout')).toBe(2)
  expect(config.get('client-output-buffer-limit').pubsub.hard).toBe(1024 ** 2)
  expect(config.get('client-output-buffer-limit').normal.hard).toBe(2 * 1024 ** 2)
  expect(config.get('bind')).toEqual(['10.0.0.1', '::1'])
})

test('an error names the file, the line, the reason, and a similar directive', () => {
  const error = errorOf('# one\n\n  prot 12')
  expect(error.message).toBe(
    [
      '*** FATAL CONFIG FILE ERROR ***',
      'Reading the configuration file ktree.conf, at line 3',
      ">>> 'prot 12'",
      "Bad directive or wrong number of arguments; did you mean 'port'?",
    ].join('\n'),
  )
  expect(error).toMatchObject({ file: 'ktree.conf', line: 3 })
})

test.each([
  ['port', 'wrong number of arguments'],
  ['port 1 2', 'wrong number of arguments'],
  ['port 70000', 'argument must be between 0 and 65535 inclusive'],
  ['logfile "a', 'Unbalanced quotes in configuration line'],
  ['include other.conf', 'include is not supported: give one file, and options after it'],
  ['appendfsync everysec', 'Bad directive or wrong number of arguments'],
])('%j is refused', (text, reason) => {
  expect(errorOf(text).reason).toBe(reason)
})

test.each([
  'requirepass s3cret more',
  'requirepass "s3cret',
  '"requirepass" s3cret x',
  'user a on\nuser a on >s3cret',
  'user a ">s3cret',
])('an error does not show the password: %j', (text) => {
  expect(errorOf(text).message).not.toContain('s3cret')
})

test('a password may hold any byte', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ktree-config-'))
  try {
    const path = join(directory, 'a.conf')
    writeFileSync(path, 'requirepass pässwort')
    const config = new Config()
    loadConfigFile(config, path)
    expect(config.get('requirepass')).toBe(Buffer.from('pässwort').toString('latin1'))
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('an error for an unreadable file has its name', () => {
  expect(() => loadConfigFile(new Config(), '/nonexistent/a.conf')).toThrow(
    'Reading the configuration file /nonexistent/a.conf\ncannot open it: ENOENT',
  )
})

test('a line defines a user, each once', () => {
  const config = new Config()
  applyConfigText(config, 'user a on ">a b" ~x*\nUSER b (+get ~y)\n', 'a.conf')
  expect(config.users).toEqual([
    { name: 'a', rules: ['on', '>a b', '~x*'] },
    { name: 'b', rules: ['(+get', '~y)'] },
  ])
  expect(errorOf('user').reason).toBe('wrong number of arguments')
  expect(errorOf('user a on\nuser a off').reason).toContain('Duplicate user found')
})

test('a long run of blanks in a line costs nothing', () => {
  // Steps that grow with its square would take days.
  const line = `requirepass "a${' '.repeat(5_000_000)}b"`
  expect(parseConfigLines(` ${line}\t\r\n`)[0].text).toBe(line)
})
