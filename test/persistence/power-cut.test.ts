import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { MemoryDisk } from '../log/memory-disk.ts'
import { eventually } from '../server/raw-client.ts'
import { SeededRandom, seedOfRun } from './seeded-random.ts'
import { type Kept, keep, temporaryDirectory } from './support.ts'

const ROUNDS = Number(process.env.KTREE_POWER_ROUNDS ?? 20)
const MAX_LOSS_MS = 1000

const seed = seedOfRun()

/** A moment at which clients got their replies. */
interface Moment {
  readonly time: number
  readonly state: string
}

/** A store whose journal is on a disk that can lose power. Its checkpoints are on a real one. */
class Machine {
  readonly clock = new ManualClock()
  readonly files = new MemoryDisk()
  readonly directory = temporaryDirectory()
  readonly moments: Moment[] = []
  /** The number of records that are kept as `always` promises. */
  kept = 0
  mustWait = false
  readonly #random: SeededRandom
  #store: Kept | undefined

  constructor(random: SeededRandom) {
    this.#random = random
  }

  get running(): Kept {
    return this.#store as Kept
  }

  async start(durability: 'always' | 'everysec'): Promise<void> {
    const { clock, files, directory } = this
    this.#store = await keep({
      ...{ clock, files, directory, durability },
      onKept: (number) => {
        this.kept = number
      },
      onMustWait: (mustWait) => {
        this.mustWait = mustWait
      },
    })
    this.#note()
  }

  #note(): void {
    this.moments.push({ time: this.clock.now(), state: this.running.store.saveNoCopy() })
  }

  /** One turn of the event loop: some writes, then their replies. */
  async turn(): Promise<void> {
    const random = this.#random
    const { store } = this.running
    if (!this.mustWait) {
      for (let n = random.between(1, 5); n > 0; n--) {
        const expireTime = random.next() < 0.2 ? this.clock.now() + 500 : undefined
        const value = 'x'.repeat(random.between(0, 60))
        store.set(`/d${random.between(0, 3)}/${random.between(0, 9)}`, value, { expireTime })
      }
      const from = `/d${random.between(0, 3)}`
      const moves = random.next() < 0.1 && store.lookup(from) !== undefined
      if (moves) store.rename(from, `/e${store.index}`)
    }
    await settled()
    this.#note()
    this.clock.advance(random.between(0, 120))
    await settled()
  }

  /** What the next start finds after the power has failed. */
  cut(): { directory: string; files: MemoryDisk } {
    const directory = temporaryDirectory()
    cpSync(this.directory, directory, { recursive: true })
    const marker = join(directory, 'tree', 'KTREE')
    const content = JSON.parse(readFileSync(marker, 'utf8'))
    writeFileSync(marker, JSON.stringify({ ...content, boot: 'another' }))
    return { directory, files: this.files.afterPowerCut(() => this.#random.next()) }
  }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
}

for (const durability of ['everysec', 'always'] as const) {
  test(`a power cut with ${durability} leaves what was there at one moment (seed ${seed})`, {
    timeout: 60_000 + 2000 * ROUNDS,
  }, async () => {
    const random = new SeededRandom(seed)
    for (let round = 0; round < ROUNDS; round++) {
      const machine = new Machine(random)
      await machine.start(durability)
      let release = (): void => {}
      for (let turns = random.between(1, 60); turns > 0; turns--) {
        // Some syncs take long: under everysec writers have to wait then.
        if (random.next() < 0.05 && machine.files.gate === undefined) {
          machine.files.gate = new Promise((resolve) => {
            release = resolve
          })
        } else if (random.next() < 0.2) {
          machine.files.gate = undefined
          release()
        }
        if (random.next() < 0.05) void machine.running.persistence.save().catch(() => {})
        await machine.turn()
      }
      await eventually(() => !machine.running.persistence.status.checkpoints.isRunning)
      const { kept, clock, moments } = machine
      const image = machine.cut()
      const again = await keep({ ...image, clock: new ManualClock(clock.now()), durability })
      const state = again.store.saveNoCopy()
      const found = moments.findLastIndex((moment) => moment.state === state)
      expect(found, 'it is the state of one moment').toBeGreaterThanOrEqual(0)
      const promised =
        durability === 'always'
          ? kept
          : moments.findLastIndex(({ time }) => time <= lastWrite(moments) - MAX_LOSS_MS)
      if (durability === 'everysec') expect(found).toBeGreaterThanOrEqual(promised)
      else expect(again.store.index).toBeGreaterThanOrEqual(indexAfter(moments, kept))
      machine.files.gate = undefined
      release()
      await machine.running.persistence.close(false)
      await again.persistence.close(false)
    }
  })
}

/** When the last write was acknowledged; a slow disk lets none through after that. */
function lastWrite(moments: readonly Moment[]): number {
  const { state } = moments[moments.length - 1]
  return moments.find((moment) => moment.state === state)?.time ?? 0
}

/** The store's index after so many records: each moment with another state is one. */
function indexAfter(moments: readonly Moment[], records: number): number {
  const states = moments.filter(({ state }, i) => i === 0 || state !== moments[i - 1].state)
  const { state } = states[Math.min(records, states.length - 1)]
  return JSON.parse(state).CurrentIndex
}
