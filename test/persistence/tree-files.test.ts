import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startServer } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'
import { exportTree } from '../../src/transfer/export.ts'
import { repairTree } from '../../src/transfer/repair.ts'
import { eventually, LogLines } from '../server/raw-client.ts'
import { Recorder } from '../transfer/recorder.ts'

/** A data directory with a tree of one file, `secret`. */
async function makeTree(): Promise<string> {
  const parent = mkdtempSync(join(tmpdir(), 'ktree-files-'))
  onTestFinished(() => rmSync(parent, { recursive: true }))
  const directory = join(parent, 'data')
  const server = await startServer({ directives: { dir: directory, durability: 'always' } })
  server.store.set('/secret', 'x')
  await server.close()
  return directory
}

const modeOf = (path: string): number => statSync(path).mode & 0o777

describe('what is no file of the tree', () => {
  const SECRET = 'not of the tree'
  /** Each puts something else in the place of a file. */
  const others: Readonly<Record<string, (path: string) => void>> = {
    pipe: (path) => execFileSync('mkfifo', [path]),
    device: (path) => symlinkSync('/dev/zero', path),
    link: (path) => {
      writeFileSync(join(path, '../../elsewhere'), SECRET)
      symlinkSync('../elsewhere', path)
    },
  }
  const users: Readonly<Record<string, (directory: string) => Promise<unknown>>> = {
    start: (dir) => startServer({ directives: { dir } }),
    repair: (dir) => repairTree(store(), { dir, stderr: new Recorder() }),
    export: (dir) => {
      const [stdout, stderr] = [new Recorder(), new Recorder()]
      return exportTree(store(), { file: '-', dir, replace: false, stdout, stderr })
    },
  }
  const store = (): Store => new Store({ clock: new ManualClock() })
  const names = ['CURRENT', 'KTREE', 'LOCK', 'LOG', 'MANIFEST-', '.log']
  const cases = Object.keys(others).flatMap((kind) =>
    Object.keys(users).flatMap((user) => names.map((name) => ({ kind, user, name }))),
  )

  test.each(cases)('a $kind as $name: $user reads nothing of it', async ({ kind, user, name }) => {
    const directory = await makeTree()
    const tree = join(directory, 'tree')
    const file = join(tree, readdirSync(tree).find((each) => each.includes(name)) ?? name)
    rmSync(file)
    others[kind](file)
    const before = readdirSync(tree)
    const error: Error = await users[user](directory).then(
      () => expect.fail('it was read'),
      (reason) => reason,
    )
    expect(error.message).toMatch(/ is a (pipe|link|device), and only files are read/)
    expect(error.message).not.toContain(SECRET)
    expect(readdirSync(tree)).toEqual(before)
  })

  test.each([['../../elsewhere\n'], ['/etc/passwd\n'], ['/etc/passwd'], ['MANIFEST-x']])(
    'a CURRENT that says %j leads nowhere, and can be repaired',
    async (text) => {
      const directory = await makeTree()
      writeFileSync(join(directory, 'elsewhere'), SECRET)
      writeFileSync(join(directory, 'tree', 'CURRENT'), text)
      const error: Error = await users.start(directory).then(
        () => expect.fail('it was read'),
        (reason) => reason,
      )
      expect(error.message).toMatch(/its file CURRENT (leads elsewhere|names no file of it)/)
      await users.repair(directory)
      const server = await startServer({ directives: { dir: directory } })
      expect(server.store.get('/secret').node.value).toBe('x')
      await server.close()
    },
  )

  /** @returns the tree, without all files whose names have one of these in them */
  async function treeWithout(
    names: readonly string[],
  ): Promise<{ directory: string; tree: string }> {
    const directory = await makeTree()
    // The second start has a table.
    await (await startServer({ directives: { dir: directory } })).close()
    const tree = join(directory, 'tree')
    for (const name of readdirSync(tree)) {
      if (names.some((each) => name.includes(each))) rmSync(join(tree, name), { recursive: true })
    }
    return { directory, tree }
  }

  test.each([
    'CURRENT',
    'CURRENT KTREE',
    'CURRENT KTREE MANIFEST-',
    'CURRENT KTREE MANIFEST- .log',
    'CURRENT KTREE MANIFEST- journal',
    'CURRENT KTREE MANIFEST- .log .ldb',
  ])('a tree without %s is refused, and keeps its other files', async (missing) => {
    const { directory, tree } = await treeWithout(missing.split(' '))
    const files = (): (string | Buffer)[] =>
      readdirSync(tree, { recursive: true }).filter((name) => !/^LO(CK|G)/.test(String(name)))
    const before = files()
    await expect(users.start(directory)).rejects.toThrow('its file CURRENT is missing')
    const other = await startServer({ directives: { dir: join(directory, 'other') } })
    other.config.set('dir', [directory])
    await eventually(() => other.config.get('dir') !== directory)
    await other.close()
    expect(files()).toEqual(before)
  })

  test.each(['CURRENT KTREE', 'CURRENT KTREE MANIFEST-'])(
    'a tree without %s can be repaired',
    async (missing) => {
      const { directory } = await treeWithout(missing.split(' '))
      await users.repair(directory)
      const server = await startServer({ directives: { dir: directory } })
      expect(server.store.get('/secret').node.value).toBe('x')
      await server.close()
    },
  )

  test('the tree itself may be a link to where it lies', async () => {
    const directory = await makeTree()
    const [tree, elsewhere] = [join(directory, 'tree'), join(directory, 'elsewhere')]
    renameSync(tree, elsewhere)
    symlinkSync(elsewhere, tree)
    await users.repair(directory)
    // What was repaired is a copy, not what the link leads to.
    expect(lstatSync(tree).isDirectory()).toBe(true)
    expect(readdirSync(elsewhere)).toContain('KTREE')
  })
})

describe('modes', () => {
  test('a new directory is for its user alone', async () => {
    const umask = process.umask(0)
    const directory = await makeTree().finally(() => process.umask(umask))
    expect([modeOf(directory), modeOf(join(directory, 'tree'))]).toEqual([0o700, 0o700])
  })

  test('a directory that others could read is tightened, and the log says so once', async () => {
    const directory = await makeTree()
    const tree = join(directory, 'tree')
    for (const path of [directory, tree]) chmodSync(path, 0o755)
    for (const name of readdirSync(tree)) chmodSync(join(tree, name), 0o644)
    const lines = new LogLines()
    for (let starts = 0; starts < 2; starts++) {
      const logger = pino({ level: 'warn' }, lines)
      const server = await startServer({ directives: { dir: directory }, logger })
      await server.close()
    }
    expect(lines.lines.filter((line) => line.includes('other users could read'))).toHaveLength(1)
    expect([modeOf(directory), modeOf(tree)]).toEqual([0o700, 0o700])
    expect(modeOf(join(tree, 'LOCK'))).toBe(0o600)
  })

  test('a directory that holds something else keeps its mode, and the tree in it is tightened', async () => {
    const directory = await makeTree()
    mkdirSync(join(directory, 'of somebody else'))
    for (const path of [directory, join(directory, 'tree')]) chmodSync(path, 0o755)
    const server = await startServer({ directives: { dir: directory } })
    await server.close()
    expect([modeOf(directory), modeOf(join(directory, 'tree'))]).toEqual([0o755, 0o700])
  })

  test('what a link in the tree leads to keeps its mode', async () => {
    const directory = await makeTree()
    const outside = join(directory, 'outside')
    writeFileSync(outside, 'of somebody else')
    chmodSync(outside, 0o644)
    symlinkSync(outside, join(directory, 'tree', 'journal', 'link'))
    chmodSync(join(directory, 'tree'), 0o755)
    const server = await startServer({ directives: { dir: directory } })
    await server.close()
    expect([modeOf(outside), modeOf(join(directory, 'tree'))]).toEqual([0o644, 0o700])
  })
})
