import { readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { treeOf } from '../../src/persistence/data-directory.ts'
import { decodeEvents } from '../../src/persistence/event-record.ts'
import { fileName, numberOf } from '../../src/persistence/keys.ts'
import { decodeDirectory, decodeNode } from '../../src/persistence/node-record.ts'
import { Pace } from '../../src/persistence/pace.ts'
import type { Persistence } from '../../src/persistence/persistence.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { INDEX_CEILING } from '../../src/store/index-ceiling.ts'
import { Store } from '../../src/store/store.ts'
import { eventually } from '../server/raw-client.ts'
import {
  contentOf,
  countOf,
  type Disk,
  keep,
  type Operation,
  recordsOf,
  temporaryDirectory,
  useDisk,
} from './support.ts'

const fileNames = (operations: readonly Operation[]): string[] =>
  operations.map(({ key }) => fileName(key)).sort()

const directoryNames = (operations: readonly Operation[]): string[] =>
  operations.map(({ value = Buffer.alloc(0) }) => nameOf(value)).sort()

const nameOf = (value: Buffer): string => decodeDirectory(value, decodeNode(value).bodyAt).name

/** Lets everything happen that does not wait for the disk. */
async function nextTurns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a checkpoint writes', () => {
  test('only changed nodes, each once however often it changed', async () => {
    const { store, persistence } = await keep()
    const disk = useDisk()
    for (let i = 0; i < 40; i++) store.set(`/d${i % 4}/${i}`, 'first')
    await persistence.save()
    expect(disk.puts('file').length).toBe(40)
    // `/` was written with the empty tree.
    expect(directoryNames(disk.puts('directory'))).toEqual(['d0', 'd1', 'd2', 'd3'])
    for (let i = 0; i < 10; i++) {
      store.set('/d1/1', `set ${i}`)
      store.update('/d2/2', `updated ${i}`)
      store.compareAndSwap('/d3/3', {}, `swapped ${i}`)
      store.update('/d0', '', { expireTime: store.clock.now() + 1000 + i })
      store.set('/d1/new', 'again')
      store.set('/e/f/g', 'again')
    }
    store.delete('/d1/5')
    await persistence.save()
    expect(fileNames(disk.puts('file'))).toEqual(['1', '2', '3', 'g', 'new'])
    expect(directoryNames(disk.puts('directory'))).toEqual(['d0', 'e', 'f'])
    expect(fileNames(disk.deletions('file'))).toEqual(['5'])
    expect(disk.deletions('directory')).toEqual([])
  })

  test('refreshed and expired nodes', async () => {
    const { store, clock, persistence } = await keep()
    const disk = useDisk()
    store.set('/a', '1', { expireTime: clock.now() + 10 })
    store.set('/b', '1', { expireTime: clock.now() + 10 })
    await persistence.save()
    store.set('/b', '', { expireTime: clock.now() + 500, refresh: true })
    clock.advance(15)
    store.deleteExpiredKeys(clock.now())
    await persistence.save()
    expect(fileNames(disk.puts('file'))).toEqual(['b'])
    expect(fileNames(disk.deletions('file'))).toEqual(['a'])
  })

  test('nothing for a node that was created and removed since the last commit', async () => {
    const { store, persistence } = await keep()
    const disk = useDisk()
    store.set('/a/b/c', '1')
    store.delete('/a', { recursive: true })
    store.set('/x', '1')
    store.delete('/x')
    await persistence.save()
    expect([...disk.puts('file'), ...disk.puts('directory')]).toEqual([])
  })

  test('a node in the place of a removed one', async () => {
    const { store, persistence, directory } = await keep()
    store.set('/file-file', '1')
    store.set('/file-directory', '1')
    store.set('/directory-file/x/y', '1')
    store.set('/directory-directory/x/y', '1')
    store.set('/twice', '1')
    await persistence.save()
    for (const name of ['file-file', 'file-directory', 'twice']) store.delete(`/${name}`)
    for (const name of ['directory-file', 'directory-directory']) {
      store.delete(`/${name}`, { recursive: true })
    }
    store.set('/file-file', '2')
    store.set('/file-directory/x/y', '2')
    store.set('/directory-file', '2')
    store.set('/directory-directory/x/y', '2')
    store.set('/twice', '2')
    store.delete('/twice')
    await persistence.close(true)
    const again = await keep({ directory })
    expect(contentOf(again.store)).toEqual(contentOf(store))
  })

  test('no node and no event if nothing has changed', async () => {
    const { store, persistence } = await keep()
    const disk = useDisk()
    store.set('/a', '1')
    await persistence.save()
    await persistence.save()
    expect(disk.writes.at(-1)?.map(({ kind }) => String.fromCharCode(kind))).toEqual(['m'])
  })

  test('each event once, and deletes events that the history has dropped', async () => {
    const { store, persistence, directory } = await keep({ watchHistory: 10 })
    const disk = useDisk()
    const written: number[] = []
    for (let i = 0; i < 30; i++) {
      store.set(`/${i}`, '1')
      if (i % 3 !== 0) continue
      await persistence.save()
      for (const { value = Buffer.alloc(0) } of disk.puts('events')) {
        for (const { index } of decodeEvents(value)) written.push(index)
      }
    }
    expect(written).toEqual(Array.from({ length: 28 }, (_, i) => i + 1))
    await persistence.close(true)
    // The history is 21 to 30. The first record has 20 to 22, the last has 29 and 30.
    expect(countOf(await recordsOf(directory), 'events')).toBe(4)
  })

  test('the whole tree once after it was replaced, and deletes the former tree', async () => {
    const { store, persistence, directory } = await keep()
    for (let i = 0; i < 20; i++) store.set(`/old${i}/a`, '1')
    await persistence.save()
    const other = new Store({ clock: store.clock })
    for (let i = 0; i < 5; i++) other.set(`/new/${i}`, '1')
    store.recovery(other.save())
    const disk = useDisk()
    store.set('/new/4', '2')
    await persistence.save()
    expect(new Set(fileNames(disk.puts('file')))).toEqual(new Set(['0', '1', '2', '3', '4']))
    expect(new Set(directoryNames(disk.puts('directory')))).toEqual(new Set(['', 'new']))
    await persistence.close(false)
    const records = await recordsOf(directory)
    expect([countOf(records, 'file'), countOf(records, 'directory')]).toEqual([5, 2])
  })

  test('one moment of the tree, although it changes while the commit is encoded', async () => {
    const { store, persistence, directory } = await keep({ watchHistory: 20 })
    const keys = 20_000
    for (let i = 0; i < keys; i++) store.set(`/d${i % 50}/${i}`, '0')
    const lastWrite = new Map<number, string>()
    const saved = persistence.save()
    let running = true
    void saved.finally(() => {
      running = false
    })
    while (running) {
      for (let n = 0; n < 5; n++) {
        const key = `/d${(store.index * 7) % 50}/${(store.index * 31) % 100}`
        const index = store.index + 1
        store.set(key, String(index))
        lastWrite.set(index, key)
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    await persistence.close(false)
    const { store: read } = await keep({ directory, watchHistory: 20 })
    expect(read.index).toBeGreaterThanOrEqual(keys)
    const expected = new Map<string, string>()
    for (const [index, key] of lastWrite) if (index <= read.index) expected.set(key, String(index))
    for (const [key, value] of expected) expect(read.get(key).node.value).toBe(value)
    const later = [...lastWrite].filter(([index]) => index > read.index)
    for (const [index, key] of later) {
      try {
        expect(read.get(key).node.value).not.toBe(String(index))
      } catch (error) {
        expect(error).toMatchObject({ code: 100 })
      }
    }
    expect(read.history.lastIndex).toBe(read.index)
  })
})

describe('a checkpoint that fails', () => {
  /** The directory of each id, including ids in failed writes. */
  function namesOfIds(disk: Disk): Map<number, Set<string>> {
    const names = new Map<number, Set<string>>()
    for (const { kind, key, value } of disk.writes.flat()) {
      if (kind !== 0x64 || value === undefined) continue
      const known = names.get(numberOf(key)) ?? new Set()
      names.set(numberOf(key), known.add(nameOf(value)))
    }
    return names
  }

  test.each([false, true])('is tried again with the changes since (late: %s)', async (late) => {
    const { store, clock, persistence, directory } = await keep()
    const disk = useDisk()
    store.set('/a/b', '1')
    store.set('/gone/b', '1')
    store.set('/e', '1', { expireTime: clock.now() + 50 })
    await persistence.save()
    store.set('/first/x', '1')
    store.set('/a/b', '2')
    store.delete('/gone', { recursive: true })
    disk.failure = new Error('no space left')
    disk.failsLate = late
    await expect(persistence.save()).rejects.toThrow('no space left')
    expect(persistence.status.checkpoints.failure).toBe('no space left')
    store.delete('/first', { recursive: true })
    store.set('/second/x', '1')
    clock.advance(60)
    store.deleteExpiredKeys(clock.now())
    await expect(persistence.save()).rejects.toThrow('no space left')
    store.set('/third/x', '1')
    disk.failure = undefined
    await persistence.save()
    expect([persistence.failure, persistence.status.checkpoints.failure]).toEqual([
      undefined,
      undefined,
    ])
    store.set('/fourth/x', '1')
    await persistence.close(true)
    for (const [id, names] of namesOfIds(disk)) expect([id, names.size]).toEqual([id, 1])
    const records = await recordsOf(directory)
    expect([countOf(records, 'file'), countOf(records, 'directory')]).toEqual([4, 5])
    const again = await keep({ directory })
    expect(contentOf(again.store)).toEqual(contentOf(store))
  })

  test('leaves the last committed state on the disk', async () => {
    const { store, persistence, directory } = await keep()
    const disk = useDisk()
    store.set('/a/b', '1')
    await persistence.save()
    const before = contentOf(store)
    store.set('/a/b', '2')
    store.set('/c/d', '2')
    disk.failure = new Error('no space left')
    await expect(persistence.save()).rejects.toThrow('no space left')
    await persistence.close(false)
    disk.failure = undefined
    const again = await keep({ directory })
    expect(contentOf(again.store)).toEqual(before)
  })

  test('is tried again by itself after a second', async () => {
    const { store, clock, persistence } = await keep()
    const disk = useDisk()
    store.set('/a', '1')
    await nextTurns()
    clock.advance(500)
    await eventually(() => disk.syncs > 0)
    disk.failure = new Error('no space left')
    await expect(persistence.save()).rejects.toThrow('no space left')
    const { count } = persistence.status.checkpoints
    clock.advance(999)
    await nextTurns()
    expect(persistence.status.checkpoints.count).toBe(count)
    clock.advance(1)
    await eventually(() => persistence.status.checkpoints.count === count + 1)
    await eventually(() => !persistence.status.checkpoints.isRunning)
    expect([persistence.failure, persistence.status.checkpoints.failure]).toEqual([
      undefined,
      'no space left',
    ])
    disk.failure = undefined
    clock.advance(2000)
    await eventually(() => persistence.status.checkpoints.failure === undefined)
    expect(fileNames(disk.puts('file'))).toEqual(['a'])
  })

  test('with a whole tree is tried again with the whole tree', async () => {
    const { store, persistence, directory } = await keep()
    const disk = useDisk()
    store.set('/old/a', '1')
    await persistence.save()
    const other = new Store({ clock: store.clock })
    other.set('/new/a', '1')
    store.recovery(other.save())
    disk.failure = new Error('no space left')
    await expect(persistence.save()).rejects.toThrow('no space left')
    disk.failure = undefined
    store.set('/new/b', '1')
    await persistence.close(true)
    const again = await keep({ directory })
    expect(contentOf(again.store)).toEqual(contentOf(store))
  })

  test('leaves no events behind that were dropped before the next attempt', async () => {
    const { store, persistence, directory } = await keep({ watchHistory: 2 })
    const disk = useDisk()
    store.set('/a', '1')
    await persistence.save()
    store.set('/b', '1')
    disk.failure = new Error('no space left')
    disk.failsLate = true
    await expect(persistence.save()).rejects.toThrow('no space left')
    disk.failure = undefined
    for (let i = 0; i < 5; i++) store.set('/c', String(i))
    await persistence.close(true)
    expect(countOf(await recordsOf(directory), 'events')).toBe(1)
    const again = await keep({ directory, watchHistory: 2 })
    expect(contentOf(again.store)).toEqual(contentOf(store))
  })

  test('is not tried again over another tree', async () => {
    const other = await keep()
    for (const value of ['1', '2', '3', '4']) {
      other.store.set('/other', value)
      await other.persistence.save()
    }
    await other.persistence.close(true)
    const { store, persistence, directory } = await keep()
    const disk = useDisk()
    disk.failure = new Error('no such file')
    store.set('/a', '1')
    await expect(persistence.save()).rejects.toThrow('no such file')
    disk.failure = undefined
    rmSync(treeOf(directory), { recursive: true })
    renameSync(treeOf(other.directory), treeOf(directory))
    await expect(persistence.save()).rejects.toThrow('another tree')
    await persistence.close(false)
    const again = await keep({ directory })
    expect(again.store.get('/other').node.value).toBe('4')
  })

  test('because the directory is gone is tried again with the whole tree', async () => {
    const { store, persistence, directory } = await keep()
    const disk = useDisk()
    store.set('/a/x', '1')
    await persistence.save()
    disk.failure = new Error('no such file')
    rmSync(treeOf(directory), { recursive: true })
    store.set('/b/y', '1')
    await expect(persistence.save()).rejects.toThrow('no such file')
    disk.failure = undefined
    await persistence.close(true)
    const again = await keep({ directory })
    expect(contentOf(again.store)).toEqual(contentOf(store))
  })
})

describe('closing', () => {
  test('without a checkpoint leaves the writes since the last one in the journal', async () => {
    const { store, persistence, directory } = await keep()
    store.set('/a', '1')
    await persistence.save()
    store.set('/a', '2')
    store.set('/b/c', '2')
    await persistence.close(false)
    const again = await keep({ directory })
    expect(contentOf(again.store)).toEqual(contentOf(store))
  })

  test('ends although the running commit and the next one fail', async () => {
    const { store, persistence, directory } = await keep()
    const disk = useDisk()
    disk.hold()
    store.set('/a', '1')
    const saved = expect(persistence.save()).rejects.toThrow('no space left')
    await eventually(() => disk.waiting === 1)
    const closed = persistence.close(true)
    disk.failure = new Error('no space left')
    disk.release()
    await saved
    await closed
    disk.failure = undefined
    const again = await keep({ directory })
    // The journal has taken the write before the disk failed.
    expect(again.store.index).toBe(1)
  })

  test('rejects a save whose commit will not run', async () => {
    const { store, persistence } = await keep()
    const disk = useDisk()
    disk.hold()
    store.set('/a', '1')
    const first = persistence.save()
    await eventually(() => disk.waiting === 1)
    const second = expect(persistence.save()).rejects.toThrow()
    const closed = persistence.close(false)
    disk.release()
    await first
    await second
    await closed
  })

  test('leaves no timer', async () => {
    const { store, clock, persistence } = await keep()
    const disk = useDisk()
    store.set('/a', '1')
    await persistence.close(false)
    store.set('/b', '1')
    clock.advance(10_000)
    await expect(persistence.save()).rejects.toThrow('durability is no')
    expect(disk.writes).toEqual([])
  })
})

describe('starting', () => {
  test('writes an empty tree at once, and unlocks the directory if that fails', async () => {
    const directory = temporaryDirectory()
    const clock = new ManualClock()
    const disk = useDisk()
    disk.failure = new Error('no space left')
    await expect(keep({ clock, directory })).rejects.toThrow('no space left')
    disk.failure = undefined
    clock.advance(10_000)
    // This would fail if the directory were still locked.
    const { persistence } = await keep({ directory })
    expect(persistence.failure).toBeUndefined()
  })

  test.each([/^CURRENT$/, /^MANIFEST-\d+$/])('names a missing file (%s)', async (pattern) => {
    const { persistence, directory } = await keep()
    await persistence.close(true)
    const names = readdirSync(treeOf(directory)).filter((name) => pattern.test(name))
    rmSync(join(treeOf(directory), names[0]))
    await expect(keep({ directory })).rejects.toThrow(`damaged: its file ${names[0]} is missing.`)
  })

  test('is refused for a directory in use', async () => {
    const { directory } = await keep()
    await expect(keep({ directory })).rejects.toThrow(`${treeOf(directory)} is in use`)
  })
})

test('the largest possible index is kept', async () => {
  const { store, persistence, directory } = await keep()
  store.set('/a/b', '1')
  // Two more writes reach the ceiling.
  const huge = INDEX_CEILING - 2
  const state = JSON.stringify(JSON.parse(store.save()), (name, value) =>
    /index$/i.test(name) && value === 1 ? huge : value,
  )
  store.recovery(state)
  expect(store.index).toBe(huge)
  store.set('/a/b', '2')
  store.set('/c', '3')
  await persistence.close(true)
  const again = await keep({ directory })
  expect(contentOf(again.store)).toEqual(contentOf(store))
})

test.each<[string, (persistence: Persistence, work: { ms: number }) => void]>([
  ['memory is short', (persistence) => persistence.relieve()],
  [
    'a start would be long',
    (persistence, work) => {
      work.ms = 60_000
      persistence.commit()
    },
  ],
])('a checkpoint takes more of the time if %s', async (_what, hurry) => {
  const work = { ms: 0 }
  const { store, persistence } = await keep({ writeWork: () => work.ms })
  const slices = vi.spyOn(Pace.prototype, 'nextEnd')
  onTestFinished(() => slices.mockRestore())
  for (let i = 0; i < 1000; i++) store.set(`/${i}`, '')
  hurry(persistence, work)
  await eventually(() => slices.mock.calls.length > 0)
  await eventually(() => !persistence.status.checkpoints.isRunning)
  expect(new Set(slices.mock.calls.flat())).toEqual(new Set([true]))
})
