import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { systemFiles } from '../../src/log/journal-files.ts'
import { treeOf } from '../../src/persistence/data-directory.ts'
import { Engine } from '../../src/persistence/level.ts'
import { tablesIn } from '../../src/persistence/manifest.ts'
import { preserve } from '../../src/persistence/preserve.ts'
import { ServerClock } from '../../src/request/clock.ts'
import { startServer } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'
import { exportTree } from '../../src/transfer/export.ts'
import { importTree } from '../../src/transfer/import.ts'
import { repairTree } from '../../src/transfer/repair.ts'
import { Recorder } from './recorder.ts'
import { useTemporaryDirectory } from './temporary-directory.ts'

const path = useTemporaryDirectory()
const FILES = 48
/** LevelDB begins a new log after 8 MB. */
const VALUE_BYTES = 500_000
/** Where records of the MANIFEST end. */
const ends: number[] = []
let base = ''

const emptyStore = () => new Store({ clock: new ServerClock(new ManualClock()) })

/** A tree of several logs and tables of LevelDB, in four checkpoints. */
beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'ktree-untouched-'))
  const server = await startServer({ directives: { dir: base, 'watch-history': '10' } })
  for (let i = 0; i < FILES; i++) {
    server.store.set(`/big/${i}`, randomBytes(VALUE_BYTES).toString('latin1'))
    if (i % 12 !== 11) continue
    const socket = connect(server.port ?? 0, '127.0.0.1', () => socket.end('SAVE\r\n'))
    await once(socket.resume(), 'close')
  }
  await server.close()
  const manifest = readFileSync(manifestIn(base))
  for (let at = 0; at + 7 <= manifest.length; ends.push(at)) at += 7 + manifest.readUInt16LE(at + 4)
}, 60_000)

afterAll(() => rmSync(base, { recursive: true, force: true }))

function manifestIn(dir: string): string {
  const name = readdirSync(treeOf(dir)).find((each) => each.startsWith('MANIFEST-'))
  return join(treeOf(dir), name ?? '')
}

/** What is in a directory, byte for byte. */
function filesIn(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true }).map(String).sort()
  return Object.fromEntries(
    names.map((name) => {
      const file = join(directory, name)
      if (statSync(file).isDirectory()) return [name, 'directory']
      return [name, createHash('sha1').update(readFileSync(file)).digest('hex')]
    }),
  )
}

/** Ways to damage a tree, one for each end of a record of the MANIFEST that is near its end. */
const damages: Readonly<Record<string, (dir: string) => void>> = {
  nothing: () => {},
  'a MANIFEST without its last record': (dir) => truncateSync(manifestIn(dir), ends.at(-2)),
  'a MANIFEST without its last two': (dir) => truncateSync(manifestIn(dir), ends.at(-3)),
  'a MANIFEST that ends in a record': (dir) =>
    truncateSync(manifestIn(dir), (ends.at(-2) ?? 0) + 9),
  'a MANIFEST of its first record': (dir) => truncateSync(manifestIn(dir), ends[0]),
  'an empty MANIFEST': (dir) => truncateSync(manifestIn(dir), 0),
  'an empty CURRENT': (dir) => truncateSync(join(treeOf(dir), 'CURRENT'), 0),
  'no CURRENT': (dir) => rmSync(join(treeOf(dir), 'CURRENT')),
  'a journal cut short': (dir) => {
    const journal = join(treeOf(dir), 'journal')
    const last = join(journal, readdirSync(journal).sort().at(-1) ?? '')
    truncateSync(last, statSync(last).size >> 1)
  },
  'no journal': (dir) => rmSync(join(treeOf(dir), 'journal'), { recursive: true }),
}

function damaged(what: string): string {
  const dir = path('data')
  cpSync(treeOf(base), treeOf(dir), { recursive: true })
  damages[what](dir)
  return dir
}

async function bringIn(dir: string, replace: boolean): Promise<void> {
  const file = path('new.json')
  const store = new Store()
  store.set('/new', '1')
  writeFileSync(file, store.saveNoCopy())
  const stderr = new Recorder()
  await importTree(emptyStore(), { file, dir, replace, stdin: process.stdin, stderr })
}

async function bringOut(dir: string): Promise<void> {
  const [stdout, stderr] = [{ write: (_: unknown, done?: () => void) => done?.() }, new Recorder()]
  await exportTree(emptyStore(), {
    file: '-',
    dir,
    replace: false,
    stdout: stdout as unknown as Recorder,
    stderr,
  })
}

async function repair(dir: string, store = emptyStore()): Promise<string> {
  const stderr = new Recorder()
  await repairTree(store, { dir, stderr })
  return stderr.text
}

/** Where the former tree is now. */
function formerIn(dir: string): string {
  const aside = readdirSync(dir).find((name) => /^tree\.(replaced|damaged)-/.test(name))
  return aside === undefined ? treeOf(dir) : join(dir, aside)
}

describe.each(Object.keys(damages))('a tree with %s', (what) => {
  test.each([
    ['export', bringOut],
    ['import', (dir: string) => bringIn(dir, false)],
    ['import --replace', (dir: string) => bringIn(dir, true)],
    ['CONFIG SET dir', moveTo],
    ['repair', repair],
  ])('keeps its bytes: %s', async (tool, use) => {
    const dir = damaged(what)
    const before = filesIn(treeOf(dir))
    const done = await use(dir).then(
      () => true,
      () => false,
    )
    if (what === 'nothing') expect(done).toBe(tool !== 'import')
    expect(filesIn(formerIn(dir))).toEqual(before)
    const made = tool.startsWith('import --') || tool === 'repair' ? [formerIn(dir)] : []
    const names = ['tree', 'tree.lock', ...made.map((each) => each.slice(dir.length + 1))]
    expect(readdirSync(dir).sort()).toEqual([...new Set(names)].sort())
  })

  test("is repaired as well as by LevelDB's own repair of an untouched copy", async () => {
    const dir = damaged(what)
    const own = path('own')
    cpSync(treeOf(dir), treeOf(own), { recursive: true })
    await Engine.repair(treeOf(own))
    const [store, other] = [emptyStore(), emptyStore()]
    await repair(dir, store)
    await repair(own, other)
    expect(store.files).toBe(other.files)
    expect(store.files).toBe(FILES)
  })
})

/** Asks a server to move to a directory. */
async function moveTo(dir: string): Promise<void> {
  const server = await startServer({
    directives: { dir: path('other'), 'enable-protected-configs': 'yes' },
  })
  const socket = connect(server.port ?? 0, '127.0.0.1')
  socket.write(`CONFIG SET dir ${dir}\r\n`)
  const [reply] = await once(socket, 'data')
  socket.destroy()
  await server.close()
  expect(String(reply)).toMatch(/^-ERR/)
}

test('a tree that a former ktree uses, which knows only its lock, is refused', async () => {
  const dir = damaged('nothing')
  const level = createRequire(import.meta.url).resolve('classic-level')
  const program = `const{ClassicLevel:L}=require(${JSON.stringify(level)});new L(${JSON.stringify(treeOf(dir))}).open().then(()=>console.log('open'));setInterval(()=>{},1000)`
  const other = spawn(process.execPath, ['-e', program])
  const ended = once(other, 'exit')
  try {
    await once(other.stdout, 'data')
    for (const use of [bringOut, repair, (to: string) => bringIn(to, true)])
      await expect(use(dir)).rejects.toThrow(`${treeOf(dir)} is in use by another process`)
    expect(readdirSync(dir).sort()).toEqual(['tree', 'tree.lock'])
  } finally {
    // Before the directory is removed, in which it may still be writing.
    other.kill('SIGKILL')
    await ended
  }
})

test('the tables that a MANIFEST names are found, and of what is no MANIFEST none or some', () => {
  const manifest = readFileSync(manifestIn(base))
  const all = tablesIn(manifest) ?? new Set()
  const tables = readdirSync(treeOf(base)).filter((name) => name.endsWith('.ldb'))
  expect(tables.length).toBeGreaterThan(1)
  expect(tables.some((name) => all.has(Number.parseInt(name, 10)))).toBe(true)
  for (let cut = 0; cut < manifest.length; cut++) {
    const some = tablesIn(manifest.subarray(0, cut)) ?? new Set()
    expect([...some].every((number) => all.has(number))).toBe(true)
  }
  for (let i = 0; i < 1000; i++) {
    const garbage = Buffer.from(manifest)
    randomBytes(8).copy(garbage, (i * 7) % (manifest.length - 8))
    expect((tablesIn(garbage)?.size ?? 0) < manifest.length).toBe(true)
  }
})

test.each(Object.keys(damages))(
  'a start that is killed while it has a tree with %s open leaves it to the next ones',
  async (what) => {
    const dir = damaged(what)
    const withoutLock = (tree: string) => ({ ...filesIn(tree), LOCK: '' })
    const before = withoutLock(treeOf(dir))
    const kept = await preserve(treeOf(dir)).catch(() => undefined)
    if (kept === undefined) return
    await Engine.open(treeOf(dir)).then(
      (engine) => engine.close(),
      () => {},
    )
    for (let starts = 0; starts < 2; starts++) {
      const outcome = await startServer({ directives: { dir } }).then(
        (server) => server.close(),
        ({ message }: Error) => message,
      )
      if (outcome === undefined) expect(existsSync(kept)).toBe(false)
      else {
        expect(outcome).toContain(`left the tree as it found it: ${kept}. `)
        expect(withoutLock(kept)).toEqual(before)
      }
    }
  },
)

test('starts that are killed over and over leave the tree three times, as the first ones found it', async () => {
  const dir = damaged('nothing')
  const kept: (string | undefined)[] = []
  for (let starts = 0; starts < 6; starts++) {
    kept.push(await preserve(treeOf(dir)))
    utimesSync(kept.at(-1) ?? '', starts, starts)
  }
  const left = readdirSync(dir).filter((name) => name.includes('before-start'))
  // That of the last is its own.
  const expected = [...kept.slice(0, 3), kept.at(-1)].map((each) => basename(each ?? ''))
  expect(left.sort()).toEqual(expected.sort())
  await (await startServer({ directives: { dir } })).close()
  expect(readdirSync(dir).filter((name) => name.includes('before-start'))).toEqual([])
})

test('an export writes nothing of the journal, which may be on a disk that cannot be written', async () => {
  const dir = damaged('nothing')
  const spies = (['open', 'write', 'truncate', 'create', 'sync', 'remove'] as const).map((name) =>
    vi.spyOn(systemFiles, name).mockImplementation(() => {
      throw new Error('read-only file system')
    }),
  )
  await bringOut(dir).finally(() => {
    for (const spy of spies) spy.mockRestore()
  })
})

describe('a run that was killed between its two renames', () => {
  const start = (dir: string) => startServer({ directives: { dir } })

  /** What a killed import or repair leaves. */
  async function interrupted(made: string, aside: string): Promise<string> {
    const [dir, other] = [path('data'), path('other')]
    await bringIn(dir, false)
    await bringIn(other, false)
    renameSync(treeOf(dir), join(dir, aside))
    renameSync(treeOf(other), join(dir, made))
    return dir
  }

  test.each([
    ['tree.importing', 'tree.replaced-2026-01-01'],
    ['tree.repaired', 'tree.damaged-2026-01-01'],
    ['tree.before-start-1', 'tree.before-start-1.opened'],
  ])('%s: everybody is told what to do, and nothing is removed', async (made, aside) => {
    const dir = await interrupted(made, aside)
    const line = `${dir} holds no tree, but ${join(dir, made)}, because`
    const before = filesIn(dir)
    const uses = [bringOut, repair, (to: string) => bringIn(to, true), moveTo]
    if (!made.includes('start')) uses.push(start as never)
    for (const use of uses.filter((each) => each !== moveTo))
      await expect(use(dir)).rejects.toThrow(line)
    await moveTo(dir)
    const after = filesIn(dir)
    for (const name of Object.keys(before).filter((each) => !each.startsWith('tree.lock')))
      expect(after[name]).toBe(before[name])
    if (!made.includes('start')) {
      await expect(start(dir)).rejects.toThrow(
        `Nothing has been changed. To finish it: mv ${join(dir, made)} ${treeOf(dir)}. To take the former tree again: mv ${join(dir, aside)} ${treeOf(dir)}`,
      )
      renameSync(join(dir, made), treeOf(dir))
    }
    const server = await start(dir)
    expect(server.store.get('/new').node.value).toBe('1')
    await server.close()
  })

  test('the next import removes what one has left that had not finished, where there is a tree', async () => {
    const dir = path('data')
    await bringIn(dir, false)
    cpSync(treeOf(dir), join(dir, 'tree.importing'), { recursive: true })
    await bringIn(dir, true)
    expect(existsSync(join(dir, 'tree.importing'))).toBe(false)
  })

  test('a start beside trees that were moved aside is empty', async () => {
    const dir = path('data')
    await bringIn(dir, false)
    renameSync(treeOf(dir), join(dir, 'tree.damaged-2026-01-01'))
    const server = await start(dir)
    expect(server.store.files).toBe(0)
    await server.close()
  })
})
