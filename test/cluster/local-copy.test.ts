import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { FORMAT_VERSION } from '../../src/cluster/batch-value.ts'
import { type CopyHead, DamagedCopyError, LocalCopy } from '../../src/cluster/local-copy.ts'

const HEAD: CopyHead = {
  ...{ format: FORMAT_VERSION, revision: 7, time: 1, changes: 0, recent: [] },
  ...{ log: 'a', batch: { node: 'n', number: 1 } },
  length: { cut: 3, batches: 4, bytes: 100 },
}

function newDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'ktree-copy-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  return dir
}

test('a copy takes the place of what a process has left that was killed while it wrote one', async () => {
  const dir = newDirectory()
  const copy = new LocalCopy(join(dir, 'node-copy'))
  await copy.write(HEAD, ['first'])
  const names = readdirSync(dir)
  // As it would be if the process had been killed before it gave the file its name.
  let left = ''
  const killed = copy.write(HEAD, {
    *[Symbol.iterator]() {
      left = readdirSync(dir).find((name) => !names.includes(name)) ?? ''
      yield 'second'
    },
  })
  await killed
  // It is another process that goes on.
  vi.spyOn(process, 'pid', 'get').mockReturnValue(process.pid + 1)
  onTestFinished(() => void vi.restoreAllMocks())
  writeFileSync(join(dir, left), 'x'.repeat(10_000))
  const next = new LocalCopy(join(dir, 'node-copy'))
  expect((await next.read())?.state.toString()).toBe('second')
  await next.write(HEAD, ['third'])
  expect(readdirSync(dir)).toEqual(['node-copy'])
  expect((await next.read())?.state.toString()).toBe('third')
})

/** Makes a pipe, and at last ends the wait of those who have opened it. */
function makePipe(path: string): void {
  execFileSync('mkfifo', [path])
  const { O_RDWR, O_NONBLOCK } = constants
  const late = setTimeout(() => closeSync(openSync(path, O_RDWR | O_NONBLOCK)), 2000)
  onTestFinished(() => clearTimeout(late))
}

/** Makes what is no file of its own. */
const OTHERS: Record<string, (path: string) => unknown> = {
  'a pipe': makePipe,
  'a directory': (path) => mkdirSync(path),
  'a socket': async (path) => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(path, resolve))
    onTestFinished(() => void server.close())
  },
  'a link to a pipe': (path) => {
    makePipe(`${path}.pipe`)
    symlinkSync(`${path}.pipe`, path)
  },
  'a link to a device': (path) => symlinkSync('/dev/null', path),
}

test.each(Object.entries(OTHERS))('%s is no copy', async (_, make) => {
  const path = join(newDirectory(), 'node-copy')
  await make(path)
  const read = new LocalCopy(path).read()
  await expect(read).rejects.toThrow(/^it is a \w+, and no file$|^ENXIO/)
  await expect(read).rejects.toThrow(DamagedCopyError)
})

test.each(Object.entries(OTHERS))(
  '%s in the place where a copy is written stays',
  async (_, make) => {
    const path = join(newDirectory(), 'node-copy')
    const copy = new LocalCopy(path)
    await copy.write(HEAD, ['first'])
    await make(`${path}.tmp`)
    const { ino } = lstatSync(`${path}.tmp`)
    await expect(copy.write(HEAD, ['second'])).rejects.toThrow(/node-copy\.tmp is .*: move it away/)
    expect(lstatSync(`${path}.tmp`).ino).toBe(ino)
    expect((await copy.read())?.state.toString()).toBe('first')
  },
)

test('what a link in the place of a copy leads to is not written over', async () => {
  const dir = newDirectory()
  const [path, other] = [join(dir, 'node-copy'), join(dir, 'other')]
  writeFileSync(other, 'precious')
  symlinkSync(other, `${path}.tmp`)
  const copy = new LocalCopy(path)
  await expect(copy.write(HEAD, ['x'])).rejects.toThrow('is a link')
  rmSync(`${path}.tmp`)
  symlinkSync(other, path)
  await copy.write(HEAD, ['x'])
  expect(readFileSync(other, 'latin1')).toBe('precious')
  expect((await copy.read())?.state.toString()).toBe('x')
})

test('a file that is longer than any copy is not read', async () => {
  const path = join(newDirectory(), 'node-copy')
  writeFileSync(path, '')
  truncateSync(path, 600 * 1024 * 1024)
  await expect(new LocalCopy(path).read()).rejects.toThrow('longer than any copy')
})

const WRONG: [what: string, head: unknown][] = [
  ['null', null],
  ['a list', []],
  ['a text', 'x'],
  ['no format', { ...HEAD, format: undefined }],
  ['a time as a text', { ...HEAD, time: 'x' }],
  ['a time that is null', { ...HEAD, time: null }],
  ['a time beyond all dates', { ...HEAD, time: 1e300 }],
  ['a negative revision', { ...HEAD, revision: -1 }],
  ['a broken revision', { ...HEAD, revision: 1.5 }],
  ['changes as a text', { ...HEAD, changes: '1' }],
  ['no recent changes', { ...HEAD, recent: undefined }],
  ['more recent changes than changes', { ...HEAD, recent: [{ path: '/a', removes: false }] }],
  ['a change that is null', { ...HEAD, changes: 1, recent: [null] }],
  ['a change without a path', { ...HEAD, changes: 1, recent: [{ removes: false }] }],
  ['a change that may remove', { ...HEAD, changes: 1, recent: [{ path: '/a', removes: 1 }] }],
  ['no log', { ...HEAD, log: undefined }],
  ['no batch', { ...HEAD, batch: undefined }],
  ['a batch of no node', { ...HEAD, batch: { number: 1 } }],
  ['a batch of another key', { ...HEAD, batch: { node: '../x', number: 1 } }],
  ['a batch without a number', { ...HEAD, batch: { node: 'n' } }],
  ['a length that is a number', { ...HEAD, length: 1 }],
  ['a length without bytes', { ...HEAD, length: { cut: 1, batches: 1 } }],
  ['a negative length', { ...HEAD, length: { cut: 1, batches: -1, bytes: 1 } }],
]

test.each(WRONG)('a copy whose head has %s is damaged, be its checksum right', async (_, head) => {
  const path = join(newDirectory(), 'node-copy')
  const copy = new LocalCopy(path)
  await copy.write(head as CopyHead, ['state'])
  await expect(copy.read()).rejects.toThrow(/^it has (a head|format)/)
  await expect(copy.read()).rejects.toThrow(DamagedCopyError)
})

/** What would take hundreds of megabytes if it were made. */
const HUGE: [what: string, head: unknown, why: string][] = [
  ['a text of 65 MB', { ...HEAD, more: 'x'.repeat(65 * 1024 * 1024) }, 'longer than any'],
  ['4,097 changes', { ...HEAD, changes: 5000, recent: changesOf(4097) }, 'wrong field: recent'],
  ['a million changes', { ...HEAD, changes: 1e6, recent: changesOf(1e6) }, 'more values than any'],
  ['a million lists', { ...HEAD, more: Array(1e6).fill([]) }, 'more values than any'],
  ['a million numbers', { ...HEAD, more: Array(1e6).fill(1) }, 'more values than any'],
]

function changesOf(count: number): CopyHead['recent'] {
  return Array<CopyHead['recent'][0]>(count).fill({ path: '/a', removes: true })
}

test.each(HUGE)('of a head that has %s no more is made than of any other', async (_, head, why) => {
  const path = join(newDirectory(), 'node-copy')
  const copy = new LocalCopy(path)
  await copy.write(head as CopyHead, ['state'])
  const parse = vi.spyOn(JSON, 'parse')
  onTestFinished(() => parse.mockRestore())
  await expect(copy.read()).rejects.toThrow(why)
  await expect(copy.read()).rejects.toThrow(DamagedCopyError)
  for (const [text] of parse.mock.calls) expect(text.length).toBeLessThan(200_000)
})

test('the longest head is read: 4,096 changes with 4 MB of paths of the dearest bytes', async () => {
  const copy = new LocalCopy(join(newDirectory(), 'node-copy'))
  const path = `/${'\u0001"\\,{['.repeat(170)}`
  const recent = Array<CopyHead['recent'][0]>(4096).fill({ path, removes: true })
  await copy.write({ ...HEAD, changes: 4096, recent }, ['state'])
  expect((await copy.read())?.head.recent).toEqual(recent)
})
