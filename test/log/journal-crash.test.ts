import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Journal } from '../../src/log/journal.ts'
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from '../../src/log/segment.ts'
import { SeededRandom } from '../persistence/seeded-random.ts'
import { MemoryDisk, systemError } from './memory-disk.ts'
import { openJournal, payloadOf } from './support.ts'

/** What a run does next. */
type Step =
  | { readonly kind: 'append'; readonly length: number }
  | {
      readonly kind:
        | 'sync'
        | 'sync now'
        | 'wait'
        | 'turn'
        | 'checkpoint'
        | 'late checkpoint'
        | 'kill'
        | 'power cut'
        | 'failing sync'
    }
  | { readonly kind: 'full disk'; readonly room: number; readonly length: number }

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        length: fc.integer({ min: 1, max: 120 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constantFrom('sync' as const, 'sync now', 'wait', 'turn') }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constantFrom(
          ...(['checkpoint', 'late checkpoint', 'kill', 'power cut', 'failing sync'] as const),
        ),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('full disk' as const),
        room: fc.nat(60),
        length: fc.integer({ min: 1, max: 120 }),
      }),
    },
  ),
  { minLength: 5, maxLength: 60 },
)

/** Small enough that segments begin and end all the time. */
const SMALL_SEGMENTS = { segmentBytes: 300, maxSyncBehindWriterBytes: 100 }

/** A journal, and what a reader of it must find. */
class Run {
  #disk = new MemoryDisk()
  #journal!: Journal
  /** Everything appended and not lost, with the positions after it. */
  #records: { payload: Buffer; end: number }[] = []
  /** The position that a checkpoint, which is on the disk, has everything up to. */
  #checkpoint = 0
  /** The segment that this checkpoint has noted. */
  #segment: number | undefined
  #syncing: Promise<unknown> = Promise.resolve()
  #next = 0
  readonly #random: SeededRandom

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
  }

  /** @param least the position that must not be lost */
  async open(least: number): Promise<void> {
    const { journal, payloads, ends } = await openJournal('/', {
      files: this.#disk,
      from: this.#checkpoint,
      segment: this.#segment,
      ...SMALL_SEGMENTS,
    })
    this.#journal = journal
    const due = this.#records.filter(({ end }) => end > this.#checkpoint)
    const kept = due.slice(0, ends.length)
    expect(payloads).toEqual(kept.map(({ payload }) => payload))
    expect(ends).toEqual(kept.map(({ end }) => end))
    expect(journal.written).toBeGreaterThanOrEqual(least)
    const end = Math.max(this.#checkpoint, ends.at(-1) ?? 0)
    // A journal that has begun anew begins with an empty record.
    const isAnew = ends.length === 0 && journal.written === end + RECORD_HEADER_BYTES
    expect(journal.written).toBe(isAnew ? end + RECORD_HEADER_BYTES : end)
    this.#records = kept
  }

  async step(step: Step): Promise<void> {
    switch (step.kind) {
      case 'append':
        return this.#append(step.length)
      case 'full disk':
        this.#disk.room = step.room
        if (this.#random.next() < 0.3) this.#disk.errors.truncate.push(systemError('EIO'))
        try {
          this.#append(step.length)
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/ENOSPC|EIO/) })
        }
        this.#disk.room = Number.POSITIVE_INFINITY
        this.#disk.errors.truncate.length = 0
        return
      case 'sync': {
        const end = this.#journal.written
        const journal = this.#journal
        this.#syncing = journal
          .sync()
          .then(() => expect(journal.synced).toBeGreaterThanOrEqual(end))
        return
      }
      case 'sync now': {
        const journal = this.#journal
        if (journal.isSyncing) return
        journal.syncNow()
        expect(journal.synced).toBe(journal.written)
        return
      }
      case 'wait':
        await this.#syncing
        return
      case 'turn':
        return new Promise(setImmediate)
      case 'checkpoint':
        this.#noteCheckpoint()
        return this.#journal.drop(this.#journal.segment)
      case 'late checkpoint':
        // It ends later than it begins: the journal goes on meanwhile.
        this.#noteCheckpoint()
        return
      case 'kill': {
        const { written } = this.#journal
        this.#disk = this.#disk.afterKill()
        return this.open(written)
      }
      case 'power cut': {
        const { synced } = this.#journal
        this.#disk = this.#disk.afterPowerCut(() => this.#random.next())
        return this.open(Math.max(synced, this.#checkpoint))
      }
      case 'failing sync':
        return this.#failSync()
    }
  }

  #noteCheckpoint(): void {
    this.#checkpoint = this.#journal.written
    this.#segment = this.#journal.segment
  }

  #append(length: number): void {
    // A refused record differs from the next one in every byte, so that no power cut can mix the two.
    const payload = payloadOf(this.#next++, length)
    const end = this.#journal.append([payload])
    this.#records.push({ payload, end })
  }

  async #failSync(): Promise<void> {
    await this.#syncing
    const { written, synced } = this.#journal
    if (written === synced) return
    this.#disk.errors.sync.push(systemError('EIO'))
    await expect(this.#journal.sync()).rejects.toThrow('EIO')
    expect(this.#journal.synced).toBe(synced)
    expect(() => this.#journal.append([Buffer.from('x')])).toThrow('EIO')
    if (this.#random.next() < 0.5) {
      this.#noteCheckpoint()
      await this.#journal.reset(written)
    } else {
      this.#disk = this.#disk.afterPowerCut(() => this.#random.next())
      await this.open(synced)
    }
  }
}

test('whatever happens, a start finds a prefix of what was appended with everything synced in it', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.integer(), async (all, seed) => {
      const run = new Run(seed)
      await run.open(0)
      for (const step of all) await run.step(step)
    }),
    { numRuns: 1500 },
  )
})

test('a segment that was cut off with a torn end does not come back with the next power cut', async () => {
  let disk = new MemoryDisk()
  const first = await openJournal('/', { files: disk, ...SMALL_SEGMENTS })
  await new Promise(setImmediate)
  // The disk never has the first segment's record, but that of the second one.
  disk.gate = new Promise(() => {})
  first.journal.append([payloadOf(1, 150)])
  void first.journal.sync()
  first.journal.append([Buffer.from('unsynced')])
  const [one, two] = disk.names
  const cut = new MemoryDisk()
  cut.put(one, disk.content(one).subarray(0, SEGMENT_HEADER_BYTES))
  cut.put(two, disk.content(two))
  disk = cut

  // The next record is as long as the lost one; no new segment takes the second one's name.
  disk.errors.create.push(systemError('EMFILE'))
  const second = await openJournal('/', { files: disk, ...SMALL_SEGMENTS })
  expect(second.payloads).toEqual([])
  second.journal.append([payloadOf(2, 150)])
  const syncing = second.journal.sync()
  disk.errors.create.push(systemError('EMFILE'))
  await syncing
  const third = await openJournal('/', { files: disk.afterPowerCut(() => 0.4) })
  expect(third.payloads).toEqual([payloadOf(2, 150)])
})
