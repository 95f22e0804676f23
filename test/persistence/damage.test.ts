import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { useProgram } from '../clients/program.ts'
import { freePorts } from '../conformance/peers.ts'
import {
  type DataServer,
  kill,
  launch,
  saveState,
  startOn,
  stop,
  temporaryDirectory,
  visitPort,
} from './data-server.ts'
import { readState, type SavedState, TreeModel } from './tree-model.ts'

/** The history keeps all events, so that a tree can be built from the first one. */
const OPTIONS = [
  '--durability',
  'always',
  '--watch-history',
  '20000',
  '--watch-history-memory',
  '256mb',
]

/** How many nodes each start writes: several blocks of each of LevelDB's files, and of the journal. */
const NODES = 200

const program = useProgram()

/** The files of a tree and its journal, except LevelDB's own log and its lock. */
function filesOf(tree: string): string[] {
  const names = readdirSync(tree, { recursive: true }).map(String)
  return names.filter((name) => !/^LOG|^LOCK$|^journal$/.test(name)).sort()
}

function contentOf(tree: string): Map<string, string> {
  return new Map(
    filesOf(tree).map((name) => [name, readFileSync(join(tree, name)).toString('base64')]),
  )
}

const treeIn = (directory: string): string => join(directory, 'tree')

describe('a damaged tree', () => {
  /** Trees with tables, a log, and several versions of every node. */
  let template = ''
  /** The tree of a server that was killed, and of one that was stopped. */
  const templates: Record<string, string> = {}
  const states: Record<string, SavedState> = {}

  test('is prepared', async () => {
    template = join(program.directory, 'templates')
    for (const end of ['killed', 'stopped']) {
      const directory = join(template, end)
      mkdirSync(directory, { recursive: true })
      for (let start = 0; start < 3; start++) {
        const server = await startOn(program, directory, OPTIONS)
        const client = await visitPort(server.port)
        for (let i = 0; i < NODES; i++) {
          client.send('KSET', `/d${i % 20}/f${i}`, `${start}-${i}-${'x'.repeat(i % 3 ? 10 : 8000)}`)
        }
        await client.take(NODES)
        await client.call('SAVE')
        if (start === 2) {
          for (let i = 0; i < 40; i++) await client.call('KSET', `/late/${i}`, 'late')
          states[end] = readState(await saveState(server.port))
        }
        if (end === 'killed') await kill(server)
        else await stop(server)
      }
      templates[end] = directory
    }
    const names = readdirSync(treeIn(templates.killed))
    expect(names.filter((name) => name.endsWith('.ldb')).length).toBeGreaterThan(0)
    expect(names.filter((name) => name.endsWith('.log')).length).toBeGreaterThan(0)
  }, 60_000)

  const kinds: Record<string, RegExp> = {
    table: /\.ldb$/,
    log: /\.log$/,
    journal: /\.journal$/,
    MANIFEST: /^MANIFEST-/,
    CURRENT: /^CURRENT$/,
    KTREE: /^KTREE$/,
  }
  const damages: Record<string, (path: string) => void> = {
    'with a wrong byte at its start': (path) => flip(path, 0.01),
    'with a wrong byte in its middle': (path) => flip(path, 0.5),
    'with a wrong byte near its end': (path) => flip(path, 0.98),
    'cut in half': (path) => truncateSync(path, statSync(path).size >> 1),
    'that has lost its last bytes': (path) =>
      truncateSync(path, Math.max(0, statSync(path).size - 7)),
    emptied: (path) => truncateSync(path, 0),
    deleted: (path) => rmSync(path),
  }

  for (const end of ['killed', 'stopped']) {
    for (const [kind, pattern] of Object.entries(kinds)) {
      for (const [damage, inflict] of Object.entries(damages)) {
        if (end === 'stopped' && !['log', 'MANIFEST', 'journal'].includes(kind)) continue
        // These files have a few bytes, so the place of the damage makes no difference.
        if (/^[A-Z]+$/.test(kind) && kind !== 'MANIFEST' && /start|end|half/.test(damage)) continue
        test(`(${end}) ${kind} ${damage} is refused, or an exact earlier state is loaded`, async () => {
          const from = treeIn(templates[end])
          // The last segment of a journal has nothing in it yet.
          const names = filesOf(from).filter((name) => pattern.test(name))
          for (const name of names.slice(kind === 'journal' ? -2 : -1).slice(0, 1)) {
            const directory = temporaryDirectory()
            cpSync(templates[end], directory, { recursive: true })
            inflict(join(treeIn(directory), name))
            const before = contentOf(treeIn(directory))
            const outcome = await startDamaged(directory)
            const where = `${name} of ${from}`
            if ('lines' in outcome) {
              expect(outcome.code, where).toBe(1)
              expect(outcome.lines, where).toHaveLength(1)
              expect(outcome.lines[0], where).toMatch(
                /^ktree: .* is damaged: .*ktree repair --dir.*mv /,
              )
              expect(contentOf(treeIn(directory)), 'nothing has been changed').toEqual(before)
              continue
            }
            const { state, server } = outcome
            // The end of the journal may be lost, as after a power cut. What LevelDB's log has lost, the
            // journal has.
            const complete = states[end]
            if (state.index !== complete.index)
              expect(`${end} ${kind}`, where).toBe('killed journal')
            expect(state.index, where).toBeGreaterThan(complete.index - 41)
            const model = new TreeModel()
            for (const event of complete.events) if (event.index <= state.index) model.apply(event)
            expect(model.difference(state.tree), where).toBeUndefined()
            expect(state.events).toEqual(complete.events.slice(0, state.index))
            await stop(server)
          }
        })
      }
    }
  }

  async function startDamaged(
    directory: string,
  ): Promise<
    | { server: DataServer; state: SavedState }
    | { code: number | NodeJS.Signals | null; lines: string[] }
  > {
    const [port] = await freePorts(1)
    const running = launch(program, directory, port, OPTIONS)
    const refused = await running.says(/ready on /).then(
      () => false,
      () => true,
    )
    if (refused) {
      const lines = running.err.split('\n').filter((line) => line !== '')
      return { code: await running.ended, lines }
    }
    const server = { program: running, port, loadedIndex: 0 }
    return { server, state: readState(await saveState(port)) }
  }

  function flip(path: string, place: number): void {
    const bytes = readFileSync(path)
    const at = Math.floor(bytes.length * place)
    bytes[at] ^= 0x10
    writeFileSync(path, bytes)
  }
})
