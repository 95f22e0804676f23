import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SEGMENT_HEADER_BYTES } from '../../src/log/segment.ts'
import { treeOf } from '../../src/persistence/data-directory.ts'
import { withLock } from '../../src/persistence/directory-lock.ts'
import { Engine } from '../../src/persistence/level.ts'
import { ServerClock } from '../../src/request/clock.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'
import { exportTree } from '../../src/transfer/export.ts'
import { importTree } from '../../src/transfer/import.ts'
import { repairTree } from '../../src/transfer/repair.ts'
import { useProgram } from '../clients/program.ts'
import { kill, startOn, visitPort } from '../persistence/data-server.ts'
import { keep } from '../persistence/support.ts'
import { Recorder } from './recorder.ts'
import { useTemporaryDirectory } from './temporary-directory.ts'

const path = useTemporaryDirectory()
const program = useProgram()

const emptyStore = () => new Store({ clock: new ServerClock(new ManualClock()) })

/** Writes a state of some files. @returns its path */
function state(name: string, files = 1): string {
  const store = new Store()
  for (let i = 0; i < files; i++) store.set(`/${name}/${i}`, '1')
  writeFileSync(path(`${name}.json`), store.saveNoCopy())
  return path(`${name}.json`)
}

async function bringIn(file: string, dir: string, replace = false): Promise<string> {
  const stderr = new Recorder()
  await importTree(emptyStore(), { file, dir, replace, stdin: process.stdin, stderr })
  return stderr.text
}

async function bringOut(file: string, dir: string, replace = false): Promise<void> {
  const [stdout, stderr] = [new Recorder(), new Recorder()]
  await exportTree(emptyStore(), { file, dir, replace, stdout, stderr })
}

const ktree = (...args: string[]) => program.start(join(program.dist, 'main.js'), args)

test('a tree whose writes are in the journal only is no empty tree', async () => {
  const dir = path('data')
  const server = await startOn(program, dir)
  const client = await visitPort(server.port)
  expect(await client.call('SET', 'a', '1')).toBe('OK')
  await kill(server)
  await expect(bringIn(state('x'), dir)).rejects.toThrow(
    `${treeOf(dir)} holds a tree already; --replace moves it aside`,
  )
  expect(await bringIn(state('x'), dir, true)).toContain('the former tree is now')
  const [aside] = readdirSync(dir).filter((name) => name.startsWith('tree.replaced-'))
  rmSync(treeOf(dir), { recursive: true })
  renameSync(join(dir, aside), treeOf(dir))
  const again = await visitPort((await startOn(program, dir)).port)
  expect(await again.call('GET', 'a')).toBe('1')
})

test('a tree whose journal ends in the middle of a write is no empty tree', async () => {
  const dir = path('data')
  await (await keep({ directory: dir })).persistence.close(true)
  const journal = join(treeOf(dir), 'journal')
  const last = readdirSync(journal).sort()[0]
  truncateSync(join(journal, last), SEGMENT_HEADER_BYTES)
  appendFileSync(join(journal, last), 'half')
  await expect(bringIn(state('x'), dir)).rejects.toThrow('holds a tree already')
})

test('an empty tree is replaced without a question, and with --replace moved aside', async () => {
  const dir = path('data')
  const { persistence } = await keep({ directory: dir })
  await persistence.close(true)
  expect(await bringIn(state('x'), dir)).not.toContain('the former tree')
  expect(readdirSync(dir).sort()).toEqual(['tree', 'tree.lock'])
  const other = path('other')
  mkdirSync(treeOf(other), { recursive: true })
  await bringIn(state('x'), other)
  const third = path('third')
  await (await keep({ directory: third })).persistence.close(true)
  expect(await bringIn(state('x'), third, true)).toContain('the former tree is now')
})

test.each([
  ['a file', (tree: string) => writeFileSync(join(tree, 'notes.txt'), 'mine')],
  ['a directory', (tree: string) => mkdirSync(join(tree, 'sub'))],
  ['a table without CURRENT', (tree: string) => writeFileSync(join(tree, '000005.ldb'), 'x')],
  [
    'something in the journal',
    (tree: string) => mkdirSync(join(tree, 'journal/sub'), { recursive: true }),
  ],
])('a directory with %s is refused as it is, and with --replace moved aside', async (_, make) => {
  const dir = path('data')
  mkdirSync(treeOf(dir), { recursive: true })
  make(treeOf(dir))
  const before = readdirSync(treeOf(dir))
  await expect(bringIn(state('x'), dir)).rejects.toThrow(/tree/)
  expect(readdirSync(treeOf(dir)).filter((name) => !/^LO(CK|G)/.test(name))).toEqual(before)
  if (before[0].endsWith('.ldb')) return
  await bringIn(state('x'), dir, true)
  const [aside] = readdirSync(dir).filter((name) => name.startsWith('tree.replaced-'))
  expect(readdirSync(join(dir, aside))).toEqual(before)
})

test('of two imports at once one is refused, and the other is whole', async () => {
  const dir = path('data')
  const files = 3000
  const runs = ['a', 'b'].map((name) => ktree('import', state(name, files), '--dir', dir))
  const codes = await Promise.all(runs.map(({ ended }) => ended))
  expect(codes.sort()).toEqual([0, 1])
  expect(runs.map(({ err }) => err).join('')).toMatch(/is in use by another|holds a tree already/)
  const store = emptyStore()
  const [stdout, stderr] = [new Recorder(), new Recorder()]
  await exportTree(store, { file: '-', dir, replace: false, stdout, stderr })
  expect(store.files).toBe(files)
  expect(readdirSync(dir).sort()).toEqual(['tree', 'tree.lock'])
})

test('whoever has the lock keeps import, repair, export and a server out', async () => {
  const dir = path('data')
  await bringIn(state('x'), dir)
  const inUse = `${treeOf(dir)} is in use by another process`
  await withLock(dir, async () => {
    await expect(bringIn(state('y'), dir, true)).rejects.toThrow(inUse)
    await expect(repairTree(emptyStore(), { dir, stderr: new Recorder() })).rejects.toThrow(inUse)
    await expect(bringOut(path('out.json'), dir)).rejects.toThrow(inUse)
    await expect(keep({ directory: dir })).rejects.toThrow(inUse)
  })
  expect(readdirSync(dir).sort()).toEqual(['tree', 'tree.lock'])
})

test('a repair holds the lock while it reads, and is refused if a former ktree has used the tree', async () => {
  const dir = path('data')
  await bringIn(state('x', 10), dir)
  const { repair } = Engine
  const others: Promise<unknown>[] = []
  Engine.repair = async (location) => {
    others.push(keep({ directory: dir }).catch((error: Error) => error.message))
    await Promise.all(others)
    // A former ktree knows only the lock of the tree.
    await (await Engine.open(treeOf(dir))).close()
    await repair.call(Engine, location)
  }
  try {
    const stderr = new Recorder()
    await expect(repairTree(emptyStore(), { dir, stderr })).rejects.toThrow(
      `a server has used ${treeOf(dir)} meanwhile`,
    )
  } finally {
    Engine.repair = repair
  }
  expect(await others[0]).toContain('is in use by another process')
  expect(readdirSync(dir).sort()).toEqual(['tree', 'tree.lock'])
})

test('an export overwrites nothing that has come meanwhile', async () => {
  const dir = path('data')
  const file = path('out.json')
  await bringIn(state('x'), dir)
  const store = emptyStore()
  const { snapshotCopy } = store
  store.snapshotCopy = (...args: Parameters<Store['snapshotCopy']>) => {
    writeFileSync(file, 'precious')
    return snapshotCopy.apply(store, args)
  }
  const [stdout, stderr] = [new Recorder(), new Recorder()]
  await expect(exportTree(store, { file, dir, replace: false, stdout, stderr })).rejects.toThrow(
    `${file} exists; with --replace it is overwritten`,
  )
  expect(readFileSync(file, 'utf8')).toBe('precious')
  expect(readdirSync(path()).filter((name) => name.endsWith('.tmp'))).toEqual([])
  rmSync(file)
  symlinkSync(path('nowhere'), file)
  await expect(bringOut(file, dir)).rejects.toThrow(`${file} exists`)
  expect(existsSync(path('nowhere'))).toBe(false)
})
