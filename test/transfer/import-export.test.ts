import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { writeDataDirectory } from '../../src/persistence/offline.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'
import { exportTree } from '../../src/transfer/export.ts'
import { importTree } from '../../src/transfer/import.ts'
import { write } from '../store/random-writes.ts'
import { Recorder } from './recorder.ts'
import { snapFile } from './snap-envelope.ts'
import { useTemporaryDirectory } from './temporary-directory.ts'

const path = useTemporaryDirectory()
const clock = new ManualClock()

async function importFrom(file: string, { replace = false, stdin = '', dir = path('data') } = {}) {
  const stderr = new Recorder()
  const store = new Store({ clock })
  const input = Readable.from([Buffer.from(stdin, 'latin1')])
  await importTree(store, { file, dir, replace, stdin: input, stderr })
  return stderr.lines
}

async function exportTo(file: string, { replace = false, dir = path('data') } = {}) {
  const [stdout, stderr] = [new Recorder(), new Recorder()]
  await exportTree(new Store({ clock }), { file, dir, replace, stdout, stderr })
  return { document: stdout.text, lines: stderr.lines }
}

const exported = async (): Promise<string> => (await exportTo('-')).document.trimEnd()

function sample(): Store {
  const store = new Store({ clock })
  store.set('/a/b', 'value')
  store.set('/a/_hidden', '\xff\0')
  store.set('/lease', '', { expireTime: clock.now() + 5000 })
  store.setDirectory('/due', { expireTime: clock.now() + 1 })
  clock.advance(1)
  return store
}

test('an export gives the state that was imported', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 30 }), async (writes) => {
      const store = new Store({ clock })
      for (const apply of writes) apply(store)
      await importFrom('-', { replace: true, stdin: store.saveNoCopy() })
      const copy = new Store({ clock })
      copy.recovery(await exported())
      expect(copy.get('/', { recursive: true, sorted: true })).toEqual(
        store.get('/', { recursive: true, sorted: true }),
      )
      expect([copy.index, copy.leases, copy.files]).toEqual([
        store.index,
        store.leases,
        store.files,
      ])
      expect([...copy.history]).toEqual([...store.history])
    }),
    { numRuns: 20 },
  )
})

describe('import', () => {
  test('warns if the state may take more than V8 lets old objects take', async () => {
    const value = 'x'.repeat(200_000)
    const store = new Store({ clock })
    store.set('/a', value)
    const stdin = store.saveNoCopy()
    // V8's own figure, which the option does not change in a process that runs, is far higher.
    process.execArgv.push('--max-old-space-size=1')
    try {
      expect((await importFrom('-', { stdin }))[0]).toMatch(
        /^warning: this may take \d MB of memory/,
      )
    } finally {
      process.execArgv.pop()
    }
    expect((await importFrom('-', { stdin, replace: true }))[0]).not.toContain('warning')
  })

  test('reports in one line what it has imported', async () => {
    writeFileSync(path('state'), sample().saveNoCopy(), 'latin1')
    expect(await importFrom(path('state'))).toEqual([
      `imported into ${path('data')}: 5 nodes (3 files, 2 directories), index 4, 4 events, 2 with a TTL, 1 of them already due`,
    ])
  })

  test('moves an existing tree aside only with --replace', async () => {
    const first = sample().saveNoCopy()
    await importFrom('-', { stdin: first })
    const before = await exported()
    const second = new Store({ clock })
    second.set('/second', '2')
    const state = { stdin: second.saveNoCopy() }
    await expect(importFrom('-', state)).rejects.toThrow('--replace')
    expect(await exported()).toBe(before)
    const [aside] = await importFrom('-', { ...state, replace: true })
    expect(aside).toMatch(/^the former tree is now .*data/)
    expect(existsSync(aside.replace('the former tree is now ', ''))).toBe(true)
    expect(await exported()).toContain('/second')
  })

  test.each([
    ['half a state', (state: string) => state.slice(0, -10), 'the state is not JSON'],
    ['another version', (state: string) => state.replace(/2}$/, '3}'), 'CurrentVersion is 3'],
    ['another path', (state: string) => state.replace('"/a/b"', '"/a/c"'), 'Path is'],
    ['no UTF-8', (state: string) => state.replace('value', '\xff'), 'not valid UTF-8'],
  ])('%s changes nothing', async (_, spoil, reason) => {
    const stdin = spoil(sample().saveNoCopy())
    await expect(importFrom('-', { stdin })).rejects.toThrow(reason)
    expect(existsSync(path('data'))).toBe(false)
    await importFrom('-', { stdin: sample().saveNoCopy() })
    const before = await exported()
    await expect(importFrom('-', { stdin, replace: true })).rejects.toThrow(/^standard input: .*/)
    expect(await exported()).toBe(before)
  })

  test('names the state in an error of any kind', async () => {
    writeFileSync(path('state'), sample().saveNoCopy(), 'latin1')
    const store = new Store({ clock })
    store.recovery = () => {
      throw new RangeError('Map maximum size exceeded')
    }
    const options = { file: path('state'), dir: path('data'), replace: false }
    await expect(
      importTree(store, { ...options, stdin: Readable.from([]), stderr: new Recorder() }),
    ).rejects.toThrow(`${path('state')}: Map maximum size exceeded`)
  })

  test('moves a link that leads nowhere aside, only with --replace', async () => {
    mkdirSync(path('data'))
    symlinkSync(path('nowhere'), path('data/tree'))
    const state = { stdin: sample().saveNoCopy() }
    await expect(importFrom('-', state)).rejects.toThrow(
      `${path('data/tree')} is a link that leads nowhere; --replace moves it aside`,
    )
    expect(readdirSync(path('data')).sort()).toEqual(['tree', 'tree.lock'])
    const [aside] = await importFrom('-', { ...state, replace: true })
    expect(readlinkSync(aside.replace('the former tree is now ', ''))).toBe(path('nowhere'))
    expect(readdirSync(path('data'))).toHaveLength(3)
    expect(await exported()).toContain('/lease')
  })

  test('that cannot put the tree in its place leaves nothing else behind', async () => {
    const store = new Store({ clock })
    for (let i = 0; i < 100; i++) store.set(`/${i}`, '')
    const tree = path('data/tree')
    const writing = writeDataDirectory(path('data'), store, {
      replace: true,
      // Somebody else makes a file there meanwhile.
      onProgress: () => writeFileSync(tree, 'theirs'),
    })
    await expect(writing).rejects.toThrow(`cannot write ${tree}: ENOTDIR`)
    expect(readdirSync(path('data')).sort()).toEqual(['tree', 'tree.lock'])
    expect(readFileSync(tree, 'utf8')).toBe('theirs')
  })

  test('warns of a state without keys, and imports it', async () => {
    const empty = new Store({ clock }).saveNoCopy()
    writeFileSync(path('state'), empty)
    expect(await importFrom(path('state'))).toEqual([
      `warning: ${path('state')} holds no keys; the tree will be empty`,
      `imported into ${path('data')}: 0 nodes (0 files, 0 directories), index 0, 0 events, 0 with a TTL`,
    ])
    const [warning] = await importFrom('-', { stdin: snapFile(empty).toString('latin1') })
    expect(warning).toBe(
      'warning: standard input holds no keys: etcd has no v2 data in it; the tree will be empty',
    )
  })

  test('notes for a .snap file without a log what may be missing', async () => {
    const stdin = snapFile(sample().saveNoCopy(), 25).toString('latin1')
    const [note] = await importFrom('-', { stdin })
    expect(note).toBe(
      'note: the snapshot is the state at raft index 25; later writes, if there are any, are not in it',
    )
  })
})

describe('export', () => {
  test('writes a file, and leaves no temporary file', async () => {
    await importFrom('-', { stdin: sample().saveNoCopy() })
    const { document, lines } = await exportTo(path('state'))
    expect(document).toBe('')
    expect(lines).toEqual([
      `exported to ${path('state')}: 5 nodes (3 files, 2 directories), index 4, 4 events, 2 with a TTL, 1 of them already due`,
    ])
    expect(readFileSync(path('state'), 'latin1').trimEnd()).toBe(await exported())
    expect(readdirSync(path()).sort()).toEqual(['data', 'state'])
  })

  test('overwrites a file only with --replace, also behind a link', async () => {
    await importFrom('-', { stdin: sample().saveNoCopy() })
    writeFileSync(path('state'), 'precious')
    symlinkSync('state', path('link'))
    for (const name of ['state', 'link']) {
      await expect(exportTo(path(name))).rejects.toThrow(
        `${path(name)} exists; with --replace it is overwritten`,
      )
    }
    expect(readFileSync(path('state'), 'latin1')).toBe('precious')
    await exportTo(path('link'), { replace: true })
    expect(readFileSync(path('state'), 'latin1').trimEnd()).toBe(await exported())
    expect(readdirSync(path()).sort()).toEqual(['data', 'link', 'state'])
  })

  test.each(['.', '/dev/null'])('refuses to write to %s', async (file) => {
    await expect(exportTo(file, { replace: true })).rejects.toThrow(
      `${file} is no file to write to`,
    )
  })

  test('explains a missing directory in one line', async () => {
    await importFrom('-', { stdin: sample().saveNoCopy() })
    await expect(exportTo(path('none', 'state'))).rejects.toThrow(
      `cannot write to ${path('none', 'state')}: there is no such file or directory`,
    )
  })

  test('writes no file if there is no tree', async () => {
    await expect(exportTo(path('state'))).rejects.toThrow('holds no tree')
    expect(readdirSync(path())).toEqual([])
  })

  test('fails if the output is closed', async () => {
    await importFrom('-', { stdin: sample().saveNoCopy() })
    const closed = {
      write(_: string | Uint8Array, done?: (error?: Error) => void): void {
        done?.(new Error('write EPIPE'))
      },
    }
    const options = { file: '-', dir: path('data'), replace: false, stderr: new Recorder() }
    await expect(exportTree(new Store({ clock }), { ...options, stdout: closed })).rejects.toThrow(
      'cannot write to standard output: write EPIPE',
    )
  })
})
