import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { useProgram } from '../clients/program.ts'
import { ErrorReply, type RawClient } from '../server/raw-client.ts'
import {
  type DataServer,
  kill,
  saveState,
  startOn,
  temporaryDirectory,
  visitPort,
} from './data-server.ts'
import { SeededRandom, seedOfRun } from './seeded-random.ts'
import { readState, type SavedState, type TreeEvent, TreeModel } from './tree-model.ts'
import { keepWriting, randomWrite, WriteLog } from './write-load.ts'

/** How often each server is killed. */
const ROUNDS = Math.ceil(Number(process.env.KTREE_CRASH_ROUNDS ?? 4) / 4)
/** The length of the history: less than the number of events. */
const HISTORY = 4000
const OPTIONS = ['--durability', 'always', '--watch-history', String(HISTORY)]
/** Enough bytes that a whole tree is written in more than one piece. */
const FILES = 5000
const VALUE = 'x'.repeat(1000)
/** After this many bytes the first piece of a whole tree is on the disk, but not the last. */
const PART = 4_200_000

const program = useProgram()
const seed = seedOfRun()

async function fill(client: RawClient): Promise<void> {
  for (let i = 0; i < FILES; i++) client.send('KSET', `/full/${i % 100}/${i}`, VALUE)
  await client.take(FILES)
}

function someWrites(random: SeededRandom, count: number) {
  let left = count
  return () => (left-- > 0 ? randomWrite(random) : undefined)
}

/**
 * Applies to a tree the events of a state that it lacks.
 *
 * @param upTo the last event that is applied to the returned tree
 * @returns undefined if the result differs from the tree of the state
 */
function grown(base: TreeModel, state: SavedState, upTo: number): TreeModel | undefined {
  const model = base.clone()
  const later = state.events.filter(({ index }) => index > base.index)
  if (state.index - base.index !== later.length) return undefined
  let found: TreeModel | undefined
  for (const event of later) {
    if (event.index === upTo + 1) found = model.clone()
    model.apply(event)
  }
  return model.difference(state.tree) === undefined ? (found ?? model) : undefined
}

/** Expects every event that clients have heard of, as they have heard it. */
function expectKept(log: WriteLog, state: SavedState, loadedIndex: number): void {
  expect(loadedIndex).toBeGreaterThanOrEqual(log.highest)
  const there = new Map(state.events.map((event): [number, TreeEvent] => [event.index, event]))
  for (const [index, event] of log.events) expect(there.get(index)).toEqual(event)
}

/** Expects a history of full length, without gaps. */
function expectFullHistory({ events, index }: SavedState): void {
  expect(events).toHaveLength(HISTORY)
  expect(events[0].index).toBe(index - HISTORY + 1)
}

/** The size of the files in a directory, in bytes; 0 if there is none. */
function sizeOf(directory: string): number {
  if (!existsSync(directory)) return 0
  let size = 0
  for (const name of readdirSync(directory)) {
    size += statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0
  }
  return size
}

/**
 * Kills a server while it writes a whole tree. By round in turn: when a part of the tree is on the
 * disk, soon after it has replied that the whole tree is, or at any time.
 *
 * @param directory that it writes to
 */
async function killAmid(
  server: DataServer,
  directory: string,
  answer: Promise<void>,
  random: SeededRandom,
  round: number,
): Promise<void> {
  const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
  if (round % 3 === 0) {
    const before = sizeOf(join(directory, 'tree'))
    let answered = false
    void answer.then(() => {
      answered = true
    })
    while (!answered && sizeOf(join(directory, 'tree')) < before + PART) await wait(1)
  } else if (round % 3 === 1) await answer
  if (round % 3 > 0) await wait(random.between(0, 400))
  await kill(server)
}

test(`a server killed during KRECOVER keeps the former tree or the new one, whole (seed ${seed})`, {
  timeout: 60_000 + 10_000 * ROUNDS,
}, async () => {
  const random = new SeededRandom(seed)
  const directory = temporaryDirectory()
  const first = await startOn(program, directory, OPTIONS)
  await fill(await visitPort(first.port))
  const saved = await saveState(first.port)
  const bytes = Buffer.from(saved, 'utf8').toString('latin1')
  const recovered = TreeModel.ofState(readState(saved))
  await kill(first)
  let former = recovered
  for (let round = 0; round < ROUNDS; round++) {
    const server = await startOn(program, directory, OPTIONS)
    const [before, after] = [new WriteLog(), new WriteLog()]
    const client = await visitPort(server.port)
    await keepWriting(client, someWrites(random, 300), before)
    let answered = false
    const recovery = client.call('KRECOVER', bytes).then(
      (reply) => {
        answered = true
        expect(reply).toBe('OK')
        void keepWriting(client, someWrites(random, 4000), after)
      },
      () => {},
    )
    await killAmid(server, directory, recovery, random, round)
    await Promise.all([recovery, client.closed])
    const again = await startOn(program, directory, OPTIONS)
    const state = readState(await saveState(again.port))
    await kill(again)
    const old = answered ? undefined : grown(former, state, again.loadedIndex)
    const fresh = grown(recovered, state, again.loadedIndex)
    expect(old ?? fresh, 'it is one of the two').toBeDefined()
    expectFullHistory(state)
    // At the index of the recovered state, the new tree cannot be told from the former one.
    const isFresh = answered || again.loadedIndex === recovered.index
    if (old !== undefined && !isFresh) expectKept(before, state, again.loadedIndex)
    else if (answered) expectKept(after, state, again.loadedIndex)
    former = (old ?? fresh) as TreeModel
  }
})

test(`a server killed during CONFIG SET dir has the whole tree in one of both directories (seed ${seed})`, {
  timeout: 60_000 + 10_000 * ROUNDS,
}, async () => {
  const random = new SeededRandom(seed)
  const top = temporaryDirectory()
  let here = join(top, 'first')
  const first = await startOn(program, here, OPTIONS)
  await fill(await visitPort(first.port))
  let model = TreeModel.ofState(readState(await saveState(first.port)))
  await kill(first)
  for (let round = 0; round < ROUNDS; round++) {
    const server = await startOn(program, here, OPTIONS)
    const there = join(top, `round-${round}`)
    const log = new WriteLog()
    const [writer, mover] = await Promise.all([visitPort(server.port), visitPort(server.port)])
    const writing = keepWriting(writer, someWrites(random, 3000), log, 5)
    let moved = false
    const moving = mover.call('CONFIG', 'SET', 'dir', there).then(
      (reply) => {
        moved = true
        expect(reply).toBe('OK')
      },
      () => {},
    )
    await killAmid(server, there, moving, random, round)
    await Promise.all([writing, moving])
    const found: { directory: string; state: SavedState; loadedIndex: number }[] = []
    for (const directory of [here, there]) {
      const again = await startOn(program, directory, OPTIONS)
      const state = readState(await saveState(again.port))
      found.push({ directory, state, loadedIndex: again.loadedIndex })
      await kill(again)
    }
    const [old, fresh] = found
    if (fresh.loadedIndex > 0) expect(grown(model, fresh.state, fresh.loadedIndex)).toBeDefined()
    const best = moved || fresh.loadedIndex > old.loadedIndex ? fresh : old
    const next = grown(model, best.state, best.loadedIndex)
    expect(next).toBeDefined()
    expectFullHistory(best.state)
    expectKept(log, best.state, best.loadedIndex)
    model = next as TreeModel
    here = best.directory
  }
})

test('with always every write gets its reply while a whole tree is written', async () => {
  const server = await startOn(program, temporaryDirectory(), OPTIONS)
  const [writer, recoverer] = [await visitPort(server.port), await visitPort(server.port)]
  await fill(writer)
  const state = Buffer.from(await saveState(server.port), 'utf8').toString('latin1')
  for (let round = 0; round < 5; round++) {
    let recovered = false
    const recovery = recoverer.call('KRECOVER', state).then(() => {
      recovered = true
    })
    for (let i = 0; !recovered || i < 20; i++) {
      const reply = await writer.call('KSET', `/meanwhile/${i}`, 'x')
      expect(reply).not.toBeInstanceOf(ErrorReply)
    }
    await recovery
  }
})
