import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { DamagedDataError } from '../../src/persistence/errors.ts'
import { startServer } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'
import { repairTree } from '../../src/transfer/repair.ts'
import { Recorder } from './recorder.ts'
import { useTemporaryDirectory } from './temporary-directory.ts'

const path = useTemporaryDirectory()

const start = (dir: string) => startServer({ directives: { dir, durability: 'always' } })

async function repair(dir: string): Promise<string> {
  const stderr = new Recorder()
  await repairTree(new Store({ clock: new ManualClock() }), { dir, stderr })
  return stderr.text
}

/** A tree of so many files, each in a commit of its own, and the last ones only in the log. */
async function makeTree(dir: string, files: number): Promise<void> {
  const server = await start(dir)
  for (let i = 0; i < files; i++) {
    server.store.set(`/a/${i}`, String(i))
    await new Promise((resolve) => setImmediate(resolve))
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

test('what can be read of a damaged tree is put in its place, and the tree kept', async () => {
  const dir = path('data')
  await makeTree(dir, 40)
  damageLog(dir)
  cpSync(join(dir, 'tree'), path('copy'), { recursive: true })
  await expect(start(dir)).rejects.toThrow(DamagedDataError)
  // A refused start leaves everything as it was.
  for (const name of readdirSync(path('copy')).filter((each) => each !== 'LOCK')) {
    expect(readFileSync(join(dir, 'tree', name))).toEqual(readFileSync(path(`copy/${name}`)))
  }
  const said = await repair(dir)
  expect(said).toMatch(/damaged: it ends at commit \d+, before \d+\n/)
  expect(said).toMatch(/repaired .* 1 directory/)
  expect(readdirSync(dir).some((name) => name.startsWith('tree.damaged-'))).toBe(true)
  const server = await start(dir)
  onTestFinished(() => server.close())
  const { files, index } = server.store
  expect(files).toBe(index)
  expect(files).toBeLessThan(40)
  // New directories get numbers of their own.
  server.store.set('/b/c', 'x')
  await server.close()
  const again = await start(dir)
  expect(again.store.get('/b/c').node.value).toBe('x')
  await again.close()
})

test('a tree in use is not touched', async () => {
  const server = await start(path('data'))
  onTestFinished(() => server.close())
  await expect(repair(path('data'))).rejects.toThrow(/is in use/)
  expect(readdirSync(path('data'))).toEqual(['tree'])
})

test('where there is no tree, nothing is made', async () => {
  await expect(repair(path('none'))).rejects.toThrow(/holds no tree/)
  expect(existsSync(path('none'))).toBe(false)
})
