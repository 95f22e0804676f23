import { cpSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { DamagedDataError } from '../../src/persistence/errors.ts'
import { ServerClock } from '../../src/request/clock.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'
import { repairTree } from '../../src/transfer/repair.ts'
import { MemoryDisk, systemError } from '../log/memory-disk.ts'
import {
  ErrorReply,
  eventually,
  type Reply,
  start,
  join as visitServer,
} from '../server/raw-client.ts'
import { Recorder } from '../transfer/recorder.ts'
import { contentOf, keep, temporaryDirectory, useDisk } from './support.ts'

const turns = async (count = 3): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** The first segment of a journal. */
function segmentIn(directory: string): string {
  const journal = join(directory, 'tree', 'journal')
  return join(journal, readdirSync(journal).sort()[0])
}

/** A directory as a process leaves it that is killed: with ten records after the checkpoint. */
async function killed(): Promise<{ directory: string; ends: number[] }> {
  const { store, clock, persistence, directory } = await keep()
  const ends: number[] = []
  for (let i = 0; i < 10; i++) {
    store.set(`/a/${i}`, `value ${i}`)
    await turns()
    // Each record says that the disk has the one before.
    clock.advance(500)
    await eventually(() => persistence.status.unsyncedBytes === 0)
    ends.push(statSync(segmentIn(directory)).size)
  }
  const copy = temporaryDirectory()
  cpSync(directory, copy, { recursive: true })
  return { directory: copy, ends }
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] ^= 0x20
  writeFileSync(path, bytes)
}

describe('a start', () => {
  test('cuts off a journal that ends in the middle of a record, and says so', async () => {
    const { directory, ends } = await killed()
    truncateSync(segmentIn(directory), ends[9] - 3)
    const lines: string[] = []
    const logger = pino({}, { write: (line: string) => lines.push(JSON.parse(line).msg) })
    const { store, persistence } = await keep({ directory, logger })
    expect(store.index).toBe(9)
    expect(lines.join('\n')).toMatch(/the journal ended in the middle of a write: \d+ bytes/)
    store.set('/b', '1')
    await persistence.close(false)
    expect((await keep({ directory })).store.index).toBe(10)
  })

  test('refuses a journal that is damaged before its end; a repair saves what comes before', async () => {
    const { directory, ends } = await killed()
    flip(segmentIn(directory), ends[4] + 40)
    const before = readFileSync(segmentIn(directory))
    await expect(keep({ directory })).rejects.toThrow(DamagedDataError)
    await expect(keep({ directory })).rejects.toThrow(/ktree repair --dir/)
    expect(readFileSync(segmentIn(directory))).toEqual(before)
    const stderr = new Recorder()
    const clock = new ServerClock(new ManualClock())
    await repairTree(new Store({ clock }), { dir: directory, stderr })
    expect(stderr.text).toMatch(/damaged: .*\.journal at byte \d+/)
    const { store } = await keep({ directory })
    expect(store.index).toBe(5)
    expect(store.get('/a/4').node.value).toBe('value 4')
  })

  test('refuses a tree whose journal is missing, or that of another tree', async () => {
    const [one, other] = [await killed(), await killed()]
    const journal = join(one.directory, 'tree', 'journal')
    cpSync(join(other.directory, 'tree', 'journal'), journal, { recursive: true })
    await expect(keep({ directory: one.directory })).rejects.toThrow(/belongs to another journal/)
    for (const name of readdirSync(journal)) truncateSync(join(journal, name))
    await expect(keep({ directory: one.directory })).rejects.toThrow(DamagedDataError)
  })

  test('tells of its progress through the journal', async () => {
    const { directory } = await killed()
    const lines: string[] = []
    const logger = pino({}, { write: (line: string) => lines.push(JSON.parse(line).msg) })
    await keep({ directory, logger })
    expect(lines).toContain('applied 10 records of the journal')
    expect(lines).toContain('loaded 10 files up to index 10')
  })
})

describe('a journal whose fsync fails', () => {
  test('takes nothing until a checkpoint has everything, and then goes on in a new file', async () => {
    const files = new MemoryDisk()
    const clock = new ManualClock()
    const { store, persistence, directory } = await keep({ files, clock, durability: 'always' })
    store.set('/before', '1')
    await eventually(() => !persistence.holding)
    const names = [...files.names]
    files.errors.sync.push(systemError('EIO'))
    store.set('/unsure', '1')
    await eventually(() => persistence.failure !== undefined)
    store.set('/meanwhile', '1')
    await turns()
    clock.advance(1000)
    await eventually(() => persistence.failure === undefined)
    expect(files.names.some((name) => !names.includes(name))).toBe(true)
    store.set('/after', '1')
    await eventually(() => !persistence.holding)
    await persistence.close(false)
    const again = await keep({ directory, files: files.afterPowerCut(() => 0.99) })
    expect(contentOf(again.store)).toEqual(contentOf(store))
  })

  test('answers under everysec, too: writes are refused until then', async () => {
    const clock = new ManualClock()
    const directives = { dir: temporaryDirectory() }
    const server = await start({ clock, directives })
    const client = await visitServer(server)
    const disk = useDisk()
    await client.call('SET', 'a', '1')
    disk.failure = new Error('input/output error')
    clock.advance(500)
    await expect.poll(() => client.call('SET', 'b', '1')).toBeInstanceOf(ErrorReply)
    expect(await client.call('GET', 'a')).toBe('1')
    disk.failure = undefined
    const retry = async (): Promise<Reply> => {
      clock.advance(1000)
      return await client.call('SET', 'c', '1')
    }
    await expect.poll(retry).toBe('OK')
  })
})

test('while the disk is too slow for everysec, writers wait and readers do not', async () => {
  const clock = new ManualClock()
  const server = await start({ clock, directives: { dir: temporaryDirectory() } })
  const [client, reader] = [await visitServer(server), await visitServer(server)]
  const disk = useDisk()
  await client.call('SET', 'a', '1')
  disk.hold()
  clock.advance(500)
  await eventually(() => disk.waiting === 1)
  expect(await client.call('SET', 'a', '2')).toBe('OK')
  clock.advance(500)
  client.send('SET', 'a', '3')
  expect(await reader.call('GET', 'a')).toBe('2')
  // CLIENT PAUSE and the disk are two gates: either holds writes.
  expect(await reader.call('CLIENT', 'PAUSE', '100000', 'WRITE')).toBe('OK')
  disk.release()
  await eventually(() => disk.syncs > 0)
  expect(await reader.call('GET', 'a')).toBe('2')
  expect(await reader.call('CLIENT', 'UNPAUSE')).toBe('OK')
  expect(await client.next()).toBe('OK')
  expect(await reader.call('GET', 'a')).toBe('3')
  const info = String(await reader.call('INFO', 'persistence'))
  expect(info).toContain('aof_delayed_fsync:1\r\n')
})

test('what a program does with the store of its server is kept', async () => {
  const directory = temporaryDirectory()
  const server = await start({ directives: { dir: directory, durability: 'always' } })
  onTestFinished(() => server.close())
  const { store } = server
  store.set('/a/b', '1')
  store.create('/jobs', 'x', { unique: true })
  store.compareAndSwap('/a/b', { prevValue: '1' }, '2')
  store.rename('/a', '/c')
  store.delete('/jobs', { recursive: true })
  const expected = contentOf(store)
  await turns(5)
  const copy = temporaryDirectory()
  cpSync(directory, copy, { recursive: true })
  expect(contentOf((await keep({ directory: copy })).store)).toEqual(expected)
})
