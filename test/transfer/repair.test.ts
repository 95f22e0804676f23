import { once } from 'node:events'
import { cpSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { DamagedDataError } from '../../src/persistence/errors.ts'
import { directoryKey } from '../../src/persistence/keys.ts'
import { Engine } from '../../src/persistence/level.ts'
import { encodeDirectory } from '../../src/persistence/node-record.ts'
import { ServerClock } from '../../src/request/clock.ts'
import { type RunningServer, startServer } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'
import { type DirectoryNode, nodesBelow } from '../../src/store/tree/node.ts'
import { exportTree } from '../../src/transfer/export.ts'
import { repairTree } from '../../src/transfer/repair.ts'
import { countOf, keep, recordsOf } from '../persistence/support.ts'
import { Recorder } from './recorder.ts'
import { useTemporaryDirectory } from './temporary-directory.ts'

const path = useTemporaryDirectory()
/** The default of `crash-index-gap`. */
const GAP = 1_000_000

const start = (dir: string) => startServer({ directives: { dir, durability: 'always' } })

async function repair(dir: string): Promise<string> {
  const stderr = new Recorder()
  const clock = new ServerClock(new ManualClock())
  await repairTree(new Store({ clock }), { dir, stderr })
  return stderr.text
}

/** Writes a checkpoint. */
async function save({ port = 0 }: RunningServer): Promise<void> {
  const socket = connect(port, '127.0.0.1', () => socket.end('SAVE\r\n'))
  await once(socket.resume(), 'close')
}

/** Makes a tree of `files` files, each in its own checkpoint. */
async function makeTree(dir: string, files: number): Promise<void> {
  const server = await start(dir)
  for (let i = 0; i < files; i++) {
    server.store.set(`/a/${i}`, String(i))
    await save(server)
  }
  await server.close()
}

function damageLog(dir: string): void {
  const tree = join(dir, 'tree')
  const name = readdirSync(tree).find((each) => each.endsWith('.log')) ?? ''
  const log = readFileSync(join(tree, name))
  log[log.length >> 1] ^= 0x40
  writeFileSync(join(tree, name), log)
}

test('the readable part of a damaged tree replaces it, and the damaged tree is kept', async () => {
  const dir = path('data')
  await makeTree(dir, 40)
  damageLog(dir)
  cpSync(join(dir, 'tree'), path('copy'), { recursive: true })
  await expect(start(dir)).rejects.toThrow(DamagedDataError)
  // A refused start changes nothing.
  for (const name of readdirSync(path('copy'), { recursive: true }).map(String)) {
    if (name === 'LOCK' || name === 'journal') continue
    expect(readFileSync(join(dir, 'tree', name))).toEqual(readFileSync(path(`copy/${name}`)))
  }
  const said = await repair(dir)
  expect(said).toMatch(/damaged: it ends at checkpoint \d+, before \d+\n/)
  // The journal goes on from an older checkpoint, too.
  expect(said).toMatch(/repaired .* 1 directory/)
  expect(readdirSync(dir).some((name) => name.startsWith('tree.damaged-'))).toBe(true)
  const server = await start(dir)
  onTestFinished(() => server.close())
  const { files, index } = server.store
  // Clients have seen lost events, so their indexes must not name other events.
  expect(index).toBe(files + GAP)
  expect(files).toBe(40)
  // New directories get new ids.
  server.store.set('/b/c', 'x')
  await server.close()
  const again = await start(dir)
  expect(again.store.get('/b/c').node.value).toBe('x')
  await again.close()
})

/** Changes records of a server's data that has ended. */
async function changeRecords(
  dir: string,
  change: (engine: Engine) => Promise<unknown>,
): Promise<void> {
  const engine = await Engine.open(join(dir, 'tree'))
  await change(engine)
  await engine.close()
}

/** Deletes the record of a directory, as damage can. */
function loseDirectory(dir: string, id: number): Promise<void> {
  return changeRecords(dir, (engine) =>
    engine.clear({ gte: directoryKey(id), lt: directoryKey(id + 1) }),
  )
}

test('nodes that have lost their directory are moved to /lost+found', async () => {
  const dir = path('data')
  const server = await start(dir)
  const { store } = server
  const expireTime = Date.now() + 3_600_000
  store.set('/stays', '0')
  store.set('/a/file', '1', { expireTime })
  store.set('/a/below/deep/file', '2')
  store.set('/lost+found', 'the name is taken')
  await server.close()
  const a = store.root.children.get('a') as DirectoryNode
  await loseDirectory(dir, a.id)
  await expect(start(dir)).rejects.toThrow(DamagedDataError)
  expect(await repair(dir)).toMatch(
    /damaged: what has lost its directory is in \/lost\+found-2 now/,
  )
  const repaired = await start(dir)
  onTestFinished(() => repaired.close())
  const place = `/lost+found-2/${a.id}`
  expect(repaired.store.get('/stays').node.value).toBe('0')
  expect(repaired.store.get('/lost+found').node.value).toBe('the name is taken')
  expect(repaired.store.get(`${place}/file`).node).toMatchObject({
    value: '1',
    expiration: expireTime,
  })
  expect(repaired.store.get(`${place}/below/deep/file`).node.value).toBe('2')
})

test('an undamaged tree stays the same, without the rest of removed nodes', async () => {
  const { store, persistence, directory } = await keep({ durability: 'always' })
  store.set('/a/file', '1')
  for (let i = 0; i < 2000; i++) store.set(`/removed/${i}/file`, '2')
  await persistence.save()
  store.delete('/removed', { recursive: true })
  await persistence.save()
  // Removed nodes are deleted from the disk bit by bit: most are still there.
  cpSync(join(directory, 'tree'), path('copy/tree'), { recursive: true })
  const records = await recordsOf(path('copy'))
  expect(countOf(records, 'file')).toBeGreaterThan(1000)
  const said = await repair(path('copy'))
  expect(said).toContain('nothing is missing')
  expect(said).toContain(': 2 nodes (1 file, 1 directory)')
  const repaired = await start(path('copy'))
  onTestFinished(() => repaired.close())
  expect(repaired.store.index).toBe(store.index)
})

test('a tree in use is not changed', async () => {
  const server = await start(path('data'))
  onTestFinished(() => server.close())
  await expect(repair(path('data'))).rejects.toThrow(/is in use/)
  expect(readdirSync(path('data')).sort()).toEqual(['tree', 'tree.lock'])
})

test('without a tree nothing is made', async () => {
  await expect(repair(path('none'))).rejects.toThrow(/holds no tree/)
  expect(existsSync(path('none'))).toBe(false)
})

test('a torn end of the journal is told, with how much is left out', async () => {
  const dir = path('data')
  const server = await start(dir)
  server.store.set('/kept', 'x')
  await save(server)
  const socket = connect(server.port ?? 0, '127.0.0.1', () => socket.end('SET torn 1\r\n'))
  await once(socket.resume(), 'close')
  // What a killed process leaves.
  cpSync(join(dir, 'tree'), path('killed', 'tree'), { recursive: true })
  await server.close()
  const journal = path('killed', 'tree', 'journal')
  const segment = readdirSync(journal)
    .sort()
    .map((name) => join(journal, name))
    .findLast((file) => readFileSync(file).includes('torn'))
  truncateSync(segment ?? '', readFileSync(segment ?? '').indexOf('torn'))
  const output = new Recorder()
  const options = { file: path('out.json'), dir: path('killed'), replace: false }
  const store = new Store({ clock: new ServerClock(new ManualClock()) })
  await exportTree(store, { ...options, stdout: output, stderr: output })
  const told =
    /the journal ends in the middle of a write: [1-9]\d* bytes after byte \d+ of \d+\.journal are left out/
  expect(output.text).toMatch(told)
  const report = await repair(path('killed'))
  expect(report).toMatch(told)
  expect(report).not.toContain('nothing is missing')
})

/** Puts a directory below one that is below it, as a copy of a record in the wrong place can. */
function makeCircle(dir: string, top: DirectoryNode, below: DirectoryNode): Promise<void> {
  return changeRecords(dir, (engine) => {
    const key = directoryKey(top.id)
    const batch = engine.batch()
    batch.put(key, encodeDirectory(top, key, below.id))
    return engine.write(batch, true)
  })
}

test('a circle of directories is refused, and comes to /lost+found with all below it', async () => {
  const dir = path('data')
  const server = await start(dir)
  const { store } = server
  const expireTime = Date.now() + 3_600_000
  store.set('/stays', '0')
  store.set('/a/file', '1', { expireTime })
  store.set('/a/b/c/file', '2', { expireTime })
  store.set('/a/other/file', '3')
  store.createDirectory('/self', {})
  await server.close()
  const a = store.root.children.get('a') as DirectoryNode
  const b = a.children.get('b') as DirectoryNode
  const c = b.children.get('c') as DirectoryNode
  const self = store.root.children.get('self') as DirectoryNode
  await makeCircle(dir, a, c)
  await makeCircle(dir, self, self)
  await expect(start(dir)).rejects.toThrow(/5 directories lie below themselves.*ktree repair/s)
  const said = await repair(dir)
  expect(said).toContain('damaged: 5 directories lie below themselves, and so not in the tree\n')
  expect(said).toContain('damaged: the directories below themselves are in /lost+found now\n')
  const repaired = await start(dir)
  onTestFinished(() => repaired.close())
  const found = [...nodesBelow(repaired.store.root)]
  const files = found.flatMap((node) => (node.dir ? [] : [[node.parent?.name, node.value]]))
  expect(files.sort()).toEqual([
    ['', '0'],
    ['a', '1'],
    ['c', '2'],
    ['other', '3'],
  ])
  // With /lost+found, and in it a directory for each circle.
  expect(found.filter(({ dir }) => dir)).toHaveLength(5 + 3)
  expect(repaired.store.leases).toBe(2)
  expect(repaired.store.files).toBe(4)
})
