import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createLog, pinoLevel, withoutControls } from '../../src/cli/logger.ts'

test('every loglevel logs the same messages as in Redis', () => {
  const levels = (['debug', 'verbose', 'notice', 'warning', 'nothing'] as const).map(pinoLevel)
  expect(levels).toEqual(['trace', 'debug', 'info', 'warn', 'silent'])
})

test('a log file gets one object a line at its end', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ktree-log-'))
  try {
    const file = join(directory, 'a.log')
    for (const msg of ['one', 'two']) {
      const { logger } = createLog({ level: 'notice', file, umask: 0o022 })
      logger.debug('not this')
      logger.info({ port: 1 }, msg)
    }
    const logged = readFileSync(file, 'utf8').trim().split('\n')
    expect(logged.map((line) => JSON.parse(line).msg)).toEqual(['one', 'two'])
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a log file that cannot be opened is explained in one line', () => {
  const options = { level: 'notice', file: '/nonexistent/a.log', umask: 0o022 } as const
  expect(() => createLog(options)).toThrow(/^cannot open the log file: ENOENT[^\n]*$/)
})

test.each([
  ['plain "quoted" \\ text', 'plain "quoted" \\ text'],
  ['a\nb\tc', 'a\nb\tc'],
  ['\x1b[31m\x07\0', '\\x1b[31m\\x07\\x00'],
  ['\\x1b \\u001b', '\\x1b \\u001b'],
  ['\r\b\f', '\\u{d}\\u{8}\\u{c}'],
  ['\x9b31m\x7f', '\\u{9b}31m\\u{7f}'],
  ['\u202egnp.exe\u2028', '\\u{202e}gnp.exe\\u{2028}'],
])('%j is logged as %j', (given, logged) => {
  const line = withoutControls(JSON.stringify({ msg: given }))
  expect(JSON.parse(line).msg).toBe(logged)
})
