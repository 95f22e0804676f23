import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lockOf, treeOf } from '../../src/persistence/data-directory.ts'
import { DirectoryLock, withLock } from '../../src/persistence/directory-lock.ts'
import { DirectoryPlace } from '../../src/persistence/directory-place.ts'
import { Store } from '../../src/store/store.ts'
import { useProgram } from '../clients/program.ts'
import { ErrorReply } from '../server/raw-client.ts'
import { kill, refusedStart, startOn, visitPort } from './data-server.ts'
import { keep, temporaryDirectory } from './support.ts'

const program = useProgram()

test('a directory is locked by one at a time, by whatever name, until it is released', async () => {
  const directory = temporaryDirectory()
  const lock = await DirectoryLock.take(directory)
  await expect(DirectoryLock.take(`${directory}/.`)).rejects.toThrow(
    `${treeOf(directory)} is in use by another process`,
  )
  const link = join(temporaryDirectory(), 'link')
  symlinkSync(directory, link)
  await expect(DirectoryLock.take(link)).rejects.toThrow('is in use')
  await lock.release()
  expect(await withLock(directory, async () => 1)).toBe(1)
})

const manifestOf = (lock: string): string =>
  join(lock, readdirSync(lock).find((name) => name.startsWith('MANIFEST')) ?? '')

test.each<[string, (lock: string) => void]>([
  ['an empty CURRENT', (lock) => writeFileSync(join(lock, 'CURRENT'), '')],
  ['no CURRENT', (lock) => rmSync(join(lock, 'CURRENT'))],
  ['a CURRENT that names nothing', (lock) => writeFileSync(join(lock, 'CURRENT'), 'MANIFEST-9\n')],
  ['no MANIFEST', (lock) => rmSync(manifestOf(lock))],
  ['an empty MANIFEST', (lock) => writeFileSync(manifestOf(lock), '')],
])('a lock that has %s is made anew', async (_, damage) => {
  const directory = temporaryDirectory()
  await withLock(directory, async () => {})
  damage(lockOf(directory))
  await withLock(directory, async () => {})
})

test.each<[string, (lock: string) => void]>([
  ['a file', (lock) => writeFileSync(lock, '')],
  ['a link that leads nowhere', (lock) => symlinkSync(`${lock}.gone`, lock)],
  [
    'a directory with another one in it',
    (lock) => mkdirSync(join(lock, 'LOCK'), { recursive: true }),
  ],
])(
  'what is no lock is left alone, and the error says that it may be removed: %s',
  async (_, make) => {
    const directory = temporaryDirectory()
    const lock = lockOf(directory)
    make(lock)
    const taking = withLock(directory, async () => {})
    await expect(taking).rejects.toThrow(`Nothing is kept in ${lock}: it may be removed`)
    rmSync(lock, { recursive: true })
    await withLock(directory, async () => {})
  },
)

test('a server that has ended holds no lock, however it has ended', async () => {
  const directory = temporaryDirectory()
  const first = await startOn(program, directory)
  expect(await refusedStart(program, directory)).toEqual({
    code: 1,
    lines: [expect.stringContaining('is in use by another process')],
  })
  await kill(first)
  await startOn(program, directory)
})

test('a server keeps its lock while its tree is moved away', async () => {
  const { directory, persistence } = await keep()
  renameSync(treeOf(directory), `${treeOf(directory)}.moved`)
  await expect(DirectoryLock.take(directory)).rejects.toThrow('is in use')
  renameSync(`${treeOf(directory)}.moved`, treeOf(directory))
  await persistence.close(false)
  await withLock(directory, async () => {})
})

test('a server whose directory was removed locks the new one', async () => {
  const { directory, persistence, store } = await keep()
  rmSync(directory, { recursive: true })
  store.set('/a', '1')
  await persistence.save()
  // Without its tree, only the lock beside it is there to be asked, by another process.
  renameSync(treeOf(directory), `${treeOf(directory)}.moved`)
  const state = join(temporaryDirectory(), 'state.json')
  writeFileSync(state, new Store().saveNoCopy())
  const main = join(program.dist, 'main.js')
  const other = program.start(main, ['import', state, '--dir', directory])
  expect(await other.ended).toBe(1)
  expect(other.err).toContain('is in use by another process')
  renameSync(`${treeOf(directory)}.moved`, treeOf(directory))
})

test('a directory knows its place, though its number may be used again', () => {
  const path = join(temporaryDirectory(), 'a')
  mkdirSync(path)
  const { ino } = statSync(path)
  const place = new DirectoryPlace(path)
  expect([place.isGone, place.isTaken]).toEqual([false, false])
  rmSync(path, { recursive: true })
  expect([place.isGone, place.isTaken]).toEqual([true, false])
  mkdirSync(path)
  expect(statSync(path).ino).not.toBe(ino)
  expect([place.isGone, place.isTaken]).toEqual([true, false])
  writeFileSync(join(path, 'CURRENT'), '')
  expect([place.isGone, place.isTaken]).toEqual([false, true])
  place.close()
})

test('a server refuses writes while another tree is in its place, and leaves that tree alone', async () => {
  const directory = temporaryDirectory()
  const tree = treeOf(directory)
  const server = await startOn(program, directory, ['--durability', 'always'])
  const client = await visitPort(server.port)
  expect(await client.call('SET', 'a', '1')).toBe('OK')
  // What a former ktree, or somebody by hand, would do.
  renameSync(tree, `${tree}.moved`)
  mkdirSync(tree)
  writeFileSync(join(tree, 'CURRENT'), 'MANIFEST-000009\n')
  const refused = async (): Promise<boolean> =>
    (await client.call('SET', 'b', '1')) instanceof ErrorReply
  await expect.poll(refused, { timeout: 20_000 }).toBe(true)
  expect(await client.call('SET', 'c', '1')).toEqual({
    text: 'MISCONF Errors writing to the data directory: the directory holds another tree now',
  })
  expect(await client.call('SAVE')).toEqual({ text: expect.stringContaining('another tree') })
  expect(await client.call('GET', 'a')).toBe('1')
  expect(readdirSync(tree)).toEqual(['CURRENT'])
  rmSync(tree, { recursive: true })
  renameSync(`${tree}.moved`, tree)
  const taken = async (): Promise<boolean> => (await client.call('SET', 'd', '1')) === 'OK'
  await expect.poll(taken, { timeout: 20_000 }).toBe(true)
  await kill(server)
  const again = await visitPort((await startOn(program, directory)).port)
  expect(await again.call('MGET', 'a', 'c', 'd')).toEqual(['1', null, '1'])
})

test('looking at the place of the tree takes one look a second, and none without writes', async () => {
  const { clock, store, persistence, directory } = await keep()
  const tree = treeOf(directory)
  store.set('/a', '1')
  persistence.commit()
  renameSync(tree, `${tree}.moved`)
  mkdirSync(join(tree, 'sub'), { recursive: true })
  store.set('/a', '2')
  persistence.commit()
  expect(persistence.failure).toBeUndefined()
  clock.advance(1000)
  expect(persistence.failure).toBe('the directory holds another tree now')
  rmSync(tree, { recursive: true })
  renameSync(`${tree}.moved`, tree)
  clock.advance(1000)
  expect(persistence.failure).toBeUndefined()
  clock.advance(1000)
  renameSync(tree, `${tree}.moved`)
  mkdirSync(join(tree, 'sub'), { recursive: true })
  clock.advance(60_000)
  expect(persistence.failure).toBeUndefined()
  // At the first write, before its reply leaves.
  store.set('/a', '3')
  persistence.commit()
  expect(persistence.failure).toBe('the directory holds another tree now')
  await persistence.close(false)
  expect(existsSync(join(tree, 'KTREE'))).toBe(false)
})

test.each([
  ['removed', (tree: string) => rmSync(tree, { recursive: true })],
  ['moved away', (tree: string) => renameSync(tree, `${tree}.moved`)],
])('a tree that is %s under a server is written anew within a second of writes', async (_, end) => {
  const directory = temporaryDirectory()
  const server = await startOn(program, directory)
  const client = await visitPort(server.port)
  expect(await client.call('SET', 'a', '1')).toBe('OK')
  end(treeOf(directory))
  const isThere = async (): Promise<boolean> => {
    expect(await client.call('SET', 'b', '1')).toBe('OK')
    return existsSync(join(treeOf(directory), 'CURRENT'))
  }
  await expect.poll(isThere, { timeout: 20_000 }).toBe(true)
  expect(await client.call('SAVE')).toBe('OK')
  expect(await client.call('SET', 'c', '1')).toBe('OK')
  await kill(server)
  const again = await visitPort((await startOn(program, directory)).port)
  expect(await again.call('MGET', 'a', 'b', 'c')).toEqual(['1', '1', '1'])
})
