import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import { useProgram } from '../clients/program.ts'
import { freePorts } from '../conformance/peers.ts'
import type { RawClient, Reply } from '../server/raw-client.ts'
import {
  type DataServer,
  kill,
  launch,
  loadedIndexOf,
  saveState,
  startOn,
  temporaryDirectory,
  visitPort,
} from './data-server.ts'
import { SeededRandom, seedOfRun } from './seeded-random.ts'
import {
  eventOfMessage,
  readState,
  type SavedState,
  type TreeEvent,
  TreeModel,
} from './tree-model.ts'
import {
  keepWatching,
  keepWriting,
  largeWrite,
  randomWrite,
  WriteLog,
  wideDirectory,
} from './write-load.ts'

/** How often each server is killed. */
const ROUNDS = Number(process.env.KTREE_CRASH_ROUNDS ?? 4)
/** A history that holds all events of a round. */
const OPTIONS = ['--watch-history', '15000']
const REQUESTS = 3000
const WRITERS = 3

const program = useProgram()
const seed = seedOfRun()

/** What a data directory must hold when the next server starts on it. */
class Expectation {
  /** The tree that the servers so far have read from the disk. */
  model = new TreeModel()
  /** The events that clients of the last server have heard of. */
  log = new WriteLog()
  /** The lowest index that the disk may hold. */
  promised = 0
  /** The history that the last server has read. */
  #history = new Map<number, TreeEvent>()

  /**
   * Notes the index that a server has read that was killed at its start. Later events that clients
   * have heard of may be lost, and expiries since then may have taken their indexes.
   */
  found(loadedIndex: number): void {
    expect(loadedIndex, 'what was promised is there').toBeGreaterThanOrEqual(this.promised)
    this.promised = loadedIndex
    this.log.forgetAfter(loadedIndex)
  }

  /** Checks the state that a new server has read. */
  check(state: SavedState, loadedIndex: number): void {
    const { events, stats } = state
    expect(loadedIndex, 'what was promised is there').toBeGreaterThanOrEqual(this.promised)
    expect(loadedIndex, 'what was there once stays').toBeGreaterThanOrEqual(this.model.index)
    for (const [i, event] of events.entries()) {
      if (event.index !== events[0].index + i)
        expect.fail(`event ${event.index} follows ${events[i - 1].index}`)
      const heard = event.index <= loadedIndex && this.log.events.get(event.index)
      if (heard && !isDeepStrictEqual(event, heard))
        expect(event, 'as clients were told').toEqual(heard)
      const before = this.#history.get(event.index)
      if (before && event.index <= this.model.index && !isDeepStrictEqual(event, before))
        expect(event, 'as before').toEqual(before)
    }
    expect(events.at(-1)?.index ?? 0).toBe(state.index)
    for (const event of events) {
      if (event.index > this.model.index && event.index <= loadedIndex) this.model.apply(event)
    }
    expect(this.model.index, 'the history reaches back to the last start').toBe(loadedIndex)
    // Nodes that fell due while no server ran have expired since the start, each with an event.
    const now = this.model.clone()
    for (const event of events.slice(events.length - (state.index - loadedIndex))) {
      expect(event.action).toBe('expire')
      now.apply(event)
    }
    expect(now.difference(state.tree), 'the tree is what the events made').toBeUndefined()
    expect(stats).toMatchObject(now.counters)
    this.#history = new Map(events.map((event) => [event.index, event]))
    this.log = new WriteLog()
    this.promised = loadedIndex
  }
}

/** Checks that a watcher that resumes gets every event since its index, once. */
async function checkReplay(port: number, state: SavedState, random: SeededRandom): Promise<void> {
  if (state.events.length === 0) return
  const since = random.oneOf(state.events).index
  const isShown = ({ index, node, refresh }: TreeEvent): boolean =>
    index >= since && !refresh && !node.key.includes('/_')
  const watcher = await visitPort(port)
  expect(await watcher.call('SUBSCRIBE', `/?recursive=true&since=${since}`)).toHaveLength(3)
  for (const event of state.events.filter(isShown)) {
    const message = (await watcher.next()) as Reply[]
    const replayed = eventOfMessage(String(message[2]))
    if (!isDeepStrictEqual(replayed, event)) expect(replayed).toEqual(event)
  }
  await watcher.vanish()
}

/**
 * Kills a server at some moment during its start.
 *
 * @returns the index that it had read; undefined if it had not yet
 */
async function killAtStart(directory: string, options: string[], random: SeededRandom) {
  const [port] = await freePorts(1)
  const running = launch(program, directory, port, options)
  await new Promise((resolve) => setTimeout(resolve, random.between(50, 400)))
  await kill({ program: running })
  return loadedIndexOf(running)
}

/** Lets clients write until the server is killed. */
async function writeUntilKilled(
  server: DataServer,
  log: WriteLog,
  random: SeededRandom,
  round: number,
  long: boolean,
): Promise<void> {
  const { port } = server
  const clients = await Promise.all(Array.from({ length: WRITERS + 1 }, () => visitPort(port)))
  const watcher = clients.pop() as RawClient
  const ended: Promise<void>[] = [keepWatching(watcher, log)]
  let left = REQUESTS
  const wide = round % 3 === 1 ? wideDirectory(random) : undefined
  for (const [i, client] of clients.entries()) {
    const next = () => {
      if (i === 0 && wide !== undefined) return wide.next().value
      if (left-- <= 0) return undefined
      return round % 6 === 2 && left % 1000 === 999 ? largeWrite(random) : randomWrite(random)
    }
    ended.push(keepWriting(client, next, log, long ? 10 : 0))
  }
  const delay = long ? random.between(1100, 1500) : random.between(5, 250)
  await new Promise((resolve) => setTimeout(resolve, delay))
  await kill(server)
  await Promise.all(ended)
}

for (const durability of ['always', 'everysec']) {
  test(`a server killed at any moment keeps every write that anybody has heard of, with ${durability} (seed ${seed})`, {
    timeout: 60_000 + 5000 * ROUNDS,
  }, async () => {
    const random = new SeededRandom(seed)
    const directory = temporaryDirectory()
    const options = [...OPTIONS, '--durability', durability]
    const expectation = new Expectation()
    for (let round = 0; round <= ROUNDS; round++) {
      if (round % 5 === 4) {
        const found = await killAtStart(directory, options, random)
        if (found !== undefined) expectation.found(found)
      }
      const server = await startOn(program, directory, options)
      const state = readState(await saveState(server.port))
      expectation.check(state, server.loadedIndex)
      await checkReplay(server.port, state, random)
      const { log } = expectation
      // Some rounds last longer than the time between two fsyncs.
      const long = durability === 'everysec' && round % 7 === 6
      await writeUntilKilled(server, log, random, round, long)
      expectation.promised = Math.max(expectation.promised, log.highest)
    }
  })
}
