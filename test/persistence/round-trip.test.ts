import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeEvents } from '../../src/persistence/event-record.ts'
import { KIND, numberOf } from '../../src/persistence/keys.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { StoreError } from '../../src/store/errors.ts'
import { Store } from '../../src/store/store.ts'
import { toValue } from '../../src/store/value.ts'
import { eventually } from '../server/raw-client.ts'
import { type Write, write } from '../store/random-writes.ts'
import {
  contentOf,
  countNodes,
  countOf,
  type Disk,
  type Kept,
  keep,
  recordsOf,
  useDisk,
} from './support.ts'

/** The first event that a watcher gets, for each path and each index to resume from. */
type Told = readonly string[]

const PLACES = ['/', '/a', '/ab', '/b', '/_h', '/a/b', '/a/_h', '/a/ab/b', '/a/_h/b', '/dir', '/x']

function toldBy(store: Store): Told {
  const told: string[] = []
  for (const path of PLACES) {
    for (const recursive of [false, true]) {
      for (let since = 1; since <= store.index + 1; since++) {
        told.push(tell(store, path, recursive, since))
      }
    }
  }
  return told
}

function tell(store: Store, path: string, recursive: boolean, since: number): string {
  try {
    return String(store.findEvent(path, recursive, since)?.index)
  } catch (error) {
    if (error instanceof StoreError) return String(error.code)
    throw error
  }
}

/** A series of stores on the same directories: each must find what the one before has left. */
class Scenario {
  readonly #base = mkdtempSync(join(tmpdir(), 'ktree-round-trip-'))
  readonly #disk: Disk
  readonly #watchHistory: number
  readonly #clock = new ManualClock()
  #kept: Kept | undefined
  #directories = 0
  #directory = ''
  /** A state to recover. */
  #state: string | undefined

  constructor(disk: Disk, watchHistory: number) {
    this.#disk = disk
    this.#watchHistory = watchHistory
    this.#directory = this.#newDirectory()
  }

  get kept(): Kept {
    if (this.#kept === undefined) throw new Error('not open')
    return this.#kept
  }

  get store(): Store {
    return this.kept.store
  }

  #newDirectory(): string {
    return join(this.#base, String(this.#directories++))
  }

  async open(): Promise<void> {
    const directory = this.#directory
    const options = { clock: this.#clock, watchHistory: this.#watchHistory, directory }
    this.#kept = await keep(options)
  }

  async save(): Promise<void> {
    await this.kept.persistence.save()
  }

  /** Lets time pass, so that the journal is synced, and tried again after a failure. */
  async wait(ms: number): Promise<void> {
    const { persistence } = this.kept
    this.#clock.advance(ms)
    await eventually(() => !persistence.status.checkpoints.isRunning)
  }

  /** @param save whether there is a checkpoint at the end, or the journal has the last writes */
  async reopen(save: boolean): Promise<void> {
    const before = this.store
    await this.kept.persistence.close(save)
    await this.open()
    expect(contentOf(this.store)).toEqual(contentOf(before))
    expect(this.store.leases).toBe(countNodes(this.store).countedLeases)
    expect(toldBy(this.store)).toEqual(toldBy(before))
  }

  async failToSave(late: boolean): Promise<void> {
    this.#disk.failure = new Error('no space left')
    this.#disk.failsLate = late
    await expect(this.kept.persistence.save()).rejects.toThrow('no space left')
    this.#disk.failure = undefined
  }

  /** Replaces the tree, and changes the new one, while a commit is being written. */
  async recoverDuringCommit(then: Write): Promise<void> {
    this.#disk.hold()
    const saved = this.kept.persistence.save()
    await eventually(() => this.#disk.waiting > 0)
    this.recover()
    then(this.store)
    this.#disk.release()
    await saved
    await this.save()
  }

  remember(): void {
    this.#state = this.store.save()
  }

  recover(): void {
    this.store.recovery(this.#state ?? new Store().save())
  }

  /** The tree as it is, by a state that has no events. */
  recoverWithoutEvents(): void {
    const state = JSON.parse(Buffer.from(this.store.save(), 'latin1').toString('utf8'))
    state.WatcherHub = JSON.parse(new Store().save()).WatcherHub
    this.store.recovery(Buffer.from(JSON.stringify(state)).toString('latin1'))
    expect(this.store.history.size).toBe(0)
  }

  async move(): Promise<void> {
    this.#directory = this.#newDirectory()
    await this.kept.persistence.change(this.#directory, 'everysec')
  }

  async moveBack(): Promise<void> {
    const former = this.#directory
    await this.move()
    then(this.store)
    this.#directory = former
    await this.kept.persistence.change(former, 'everysec')
  }

  /** Sets durability to no for a while. */
  async pause(then: Write): Promise<void> {
    await this.kept.persistence.change(this.#directory, 'no')
    then(this.store)
    await this.kept.persistence.change(this.#directory, 'everysec')
  }

  async expire(ms: number): Promise<void> {
    await this.wait(ms)
    this.store.deleteExpiredKeys(this.#clock.now())
  }

  /** Checks that the disk holds only the tree once all removed nodes have been reclaimed. */
  async checkRecords(): Promise<void> {
    const { store, persistence } = this.kept
    store.reclaim(Number.POSITIVE_INFINITY)
    await persistence.close(true)
    const records = await recordsOf(this.#directory)
    const { countedFiles, countedDirectories } = countNodes(store)
    expect(countOf(records, 'file')).toBe(countedFiles)
    expect(countOf(records, 'directory')).toBe(countedDirectories)
    expect(countOf(records, 'meta')).toBe(1)
    expect(countOf(records, 'places')).toBeLessThanOrEqual(1)
    const runs = records.filter(([key]) => key[0] === KIND.events)
    const kept = new Set<number>()
    for (const [key, value] of runs) {
      const indexes = decodeEvents(value).map(({ index }) => index)
      expect(indexes[0]).toBe(numberOf(key))
      expect(indexes.at(-1)).toBeGreaterThanOrEqual(store.history.startIndex)
      for (const index of indexes) kept.add(index)
    }
    for (const { index } of store.history) expect(kept).toContain(index)
    await this.open()
  }

  async end(): Promise<void> {
    this.#disk.failure = undefined
    this.#disk.release()
    await this.#kept?.persistence.close(false)
    rmSync(this.#base, { recursive: true, force: true })
  }
}

const then: Write = (store) => {
  store.setDirectory(`/dir${store.index}`)
  store.set(`/x/${store.index}/y`, 'new')
}

/** Makes and removes more nodes than one operation reclaims in passing. */
const fill: Write = (store) => {
  for (let i = 0; i < 90; i++) store.set(`/dir/${i % 9 === 0 ? `${i}/x` : i}`, String(i))
  store.delete('/dir', { recursive: true })
}

/** Few paths, so that a removed path is often there again by the next commit. */
const fewPaths = fc.constantFrom('/a', '/b', '/a/b', '/a/_h', '/a/b/a', '/b/a')

const often = fc
  .tuple(fewPaths, fc.nat({ max: 7 }), fc.option(fc.integer({ min: 1, max: 300 })))
  .map(([path, kind, ttl]): Write => {
    const run: Write = (store) => {
      const options = ttl === null ? {} : { expireTime: store.clock.now() + ttl }
      try {
        if (kind === 0) store.delete(path, { recursive: true })
        else if (kind === 1) store.setDirectory(path, options)
        else if (kind === 2) store.update(path, '', options)
        else if (kind === 3) store.set(path, '', { ...options, refresh: true })
        // Long enough for a record of its own.
        else if (kind === 4) store.set(path, toValue(`${store.index} `.repeat(10_000)), options)
        else store.set(path, `at ${store.index}`, options)
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
      }
    }
    return Object.assign(run, { [fc.toStringMethod]: () => `often ${kind} ${path} ${ttl}` })
  })

type Step = (scenario: Scenario) => Promise<void> | void

const named = (name: string, step: Step): Step =>
  Object.assign(step, { [fc.toStringMethod]: () => name })

const steps: fc.Arbitrary<Step>[] = [
  often.map((run) => named(fc.stringify(run), (scenario) => run(scenario.store))),
  write.map((run) => named(fc.stringify(run), (scenario) => run(scenario.store))),
  fc.integer({ min: 1, max: 60 }).map((ms) => named(`expire ${ms}`, (one) => one.expire(ms))),
  ...(
    [
      ['fill', (one) => fill(one.store)],
      ['reclaim', (one) => void one.store.reclaim(40)],
      ['save', (one) => one.save()],
      ['wait', (one) => one.wait(1000)],
      ['reopen', (one) => one.reopen(true)],
      ['crash', (one) => one.reopen(false)],
      ['fail', (one) => one.failToSave(false)],
      ['fail late', (one) => one.failToSave(true)],
      ['remember', (one) => one.remember()],
      ['recover', (one) => one.recover()],
      ['recover without events', (one) => one.recoverWithoutEvents()],
      ['recover during a checkpoint', (one) => one.recoverDuringCommit(then)],
      ['move', (one) => one.move()],
      ['move and back', (one) => one.moveBack()],
      ['pause', (one) => one.pause(then)],
      ['check records', (one) => one.checkRecords()],
    ] as [string, Step][]
  ).map(([name, step]) => fc.constant(named(name, step))),
]

const weights = [40, 20, 4, 2, 2, 4, 4, 4, 4, 2, 2, 1, 2, 2, 2, 1, 1, 1, 1]

const step = fc.oneof(...steps.map((arbitrary, i) => ({ arbitrary, weight: weights[i] })))

test('a history without events ends at the index after a start, too', async () => {
  const scenario = new Scenario(useDisk(), 30)
  try {
    await scenario.open()
    then(scenario.store)
    scenario.recoverWithoutEvents()
    await scenario.save()
    await scenario.reopen(false)
    expect(scenario.store.history.lastIndex).toBe(2)
  } finally {
    await scenario.end()
  }
})

test('any sequence of writes, checkpoints, failures and restarts keeps the tree', async () => {
  const disk = useDisk()
  const sequences = fc.array(step, { minLength: 5, maxLength: 60, size: 'max' })
  await fc.assert(
    fc.asyncProperty(sequences, fc.integer({ min: 1, max: 30 }), async (sequence, kept) => {
      const scenario = new Scenario(disk, kept)
      try {
        await scenario.open()
        for (const run of sequence) await run(scenario)
        await scenario.checkRecords()
        await scenario.reopen(true)
      } finally {
        await scenario.end()
      }
    }),
    { numRuns: Number(process.env.KTREE_PERSISTENCE_RUNS ?? 20) },
  )
})
