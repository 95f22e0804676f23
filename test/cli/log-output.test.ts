import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LogOutput, MAX_WAITING_BYTES } from '../../src/cli/log-output.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ktree-log-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

test.runIf(existsSync('/dev/full'))('a full disk loses lines, and throws nothing', async () => {
  const output = new LogOutput('/dev/full', 0)
  for (let line = 0; line < 1000; line++) output.write('a line\n')
  expect(output.lost).toBe(1000)
  await output.end()
})

// As it is where Vitest runs a file in a process of its own. A socket cannot be opened anew.
test.runIf(fstatSync(1).isSocket())('many logs to one socket add one listener to it', () => {
  new LogOutput('', 0)
  const one = process.stdout.listenerCount('error')
  for (let log = 0; log < 20; log++) new LogOutput('', 0)
  expect(process.stdout.listenerCount('error')).toBe(one)
})

test('a file is opened anew, with the mode of the umask that was given', () => {
  const file = join(directory, 'a.log')
  const umask = process.umask(0o077)
  try {
    const output = new LogOutput(file, 0o027)
    output.write('1\n')
    renameSync(file, `${file}.1`)
    output.write('2\n')
    output.reopen()
    output.write('3\n')
    output.reopen()
    output.write('4\n')
  } finally {
    process.umask(umask)
  }
  expect(readFileSync(`${file}.1`, 'utf8')).toBe('1\n2\n')
  expect(readFileSync(file, 'utf8')).toBe('3\n4\n')
  expect(statSync(file).mode & 0o777).toBe(0o640)
})

describe('a pipe', () => {
  let pipe: string
  let reader: number
  beforeEach(() => {
    pipe = join(directory, 'pipe')
    execFileSync('mkfifo', [pipe])
    reader = openReader()
  })

  function openReader(): number {
    return openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  }

  /** What the pipe holds, up to 64 KB. */
  function read(): string {
    const buffer = Buffer.alloc(65_536)
    try {
      return buffer.toString('latin1', 0, readSync(reader, buffer))
    } catch {
      return ''
    }
  }

  test('without a reader it is refused, and not waited for', () => {
    closeSync(reader)
    expect(() => new LogOutput(pipe, 0)).toThrow('ENXIO')
  })

  test('whose reader has stopped takes lines up to a limit, and gives them in order', async () => {
    const output = new LogOutput(pipe, 0)
    const line = (n: number): string => `${n} ${'x'.repeat(1000)}\n`
    const count = Math.ceil(MAX_WAITING_BYTES / 1000) + 200
    for (let n = 0; n < count; n++) output.write(line(n))
    const { lost } = output
    expect(lost).toBeGreaterThan(0)
    expect(lost).toBeLessThan(300)
    let received = ''
    const ending = output.end()
    for (let ended = false; !ended; ) {
      received += read()
      ended = await Promise.race([
        ending.then(() => true),
        new Promise<false>((resolve) => setImmediate(() => resolve(false))),
      ])
    }
    for (let more = read(); more !== ''; more = read()) received += more
    const whole = received.slice(0, received.lastIndexOf('\n') + 1)
    const lines = whole.match(/^\d+/gm)?.map(Number) ?? []
    expect(lines.length).toBeGreaterThan(100)
    expect(lines).toEqual(Array.from({ length: lines.length }, (_, n) => n))
    closeSync(reader)
  })

  test('whose reader never reads keeps the end waiting only for a while', async () => {
    const output = new LogOutput(pipe, 0)
    for (let n = 0; n < 100; n++) output.write(`${'x'.repeat(10_000)}\n`)
    await output.end()
    expect(output.lost).toBe(0)
    closeSync(reader)
  })

  test('whose reader has gone loses lines; a new reader gets whole ones', async () => {
    const output = new LogOutput(pipe, 0)
    output.write(`${'x'.repeat(100_000)}\n`)
    closeSync(reader)
    reader = openReader()
    closeSync(reader)
    for (let n = 0; n < 3; n++) output.write('waits behind the first\n')
    await output.end()
    expect(output.lost).toBe(4)
    reader = openReader()
    output.write('whole\n')
    // The first 64 KB are still in the pipe.
    expect(read()).toMatch(/^x+$/)
    await output.end()
    expect(read()).toBe('\nwhole\n')
    closeSync(reader)
  })
})
