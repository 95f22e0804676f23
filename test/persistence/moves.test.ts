import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Applier } from '../../src/log/apply.ts'
import { Persistence } from '../../src/persistence/persistence.ts'
import { ServerClock } from '../../src/request/clock.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { StoreError } from '../../src/store/errors.ts'
import { Store } from '../../src/store/store.ts'
import { toValue } from '../../src/store/value.ts'
import { type Write, writeOrMove } from '../store/random-writes.ts'

const clock = new ManualClock()
let base: string

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'ktree-moves-'))
})

afterEach(() => {
  vi.restoreAllMocks()
  rmSync(base, { recursive: true, force: true })
})

interface Kept {
  readonly store: Store
  readonly persistence: Persistence
}

async function open(directory: string): Promise<Kept> {
  const store = new Store({ clock: new ServerClock(clock), watchHistory: 20 })
  const applier = new Applier(store)
  const persistence = new Persistence({
    store,
    clock,
    logger: pino({ level: 'silent' }),
    applyRecord: (record) => applier.applyRecord(record),
    onKept() {},
    onFailure() {},
  })
  await persistence.start(directory, 'everysec')
  return { store, persistence }
}

/** Everything that must be the same after a restart. Children have no order. */
function contentOf(store: Store): object {
  const { watchers: _, ...stats } = JSON.parse(store.save()).Stats
  const { Root: root, WatcherHub: hub } = JSON.parse(store.save())
  const { index, files, leases, fileList } = store
  store.reclaim(Number.POSITIVE_INFINITY)
  return { root, hub, stats, index, files, leases, listed: fileList.length }
}

/**
 * Closes and reads the directory again, and expects the same content.
 *
 * @param save whether there is a last checkpoint, or the journal has the last writes
 */
async function expectKept(
  { store, persistence }: Kept,
  directory: string,
  save = true,
): Promise<Kept> {
  store.reclaim(Number.POSITIVE_INFINITY)
  const before = contentOf(store)
  await persistence.close(save)
  const again = await open(directory)
  expect(contentOf(again.store)).toEqual(before)
  return again
}

test('a moved directory is at its new place, with everything below it', async () => {
  let kept = await open(base)
  kept.store.set('/old/sub/x', '1', { expireTime: clock.now() + 5000 })
  kept.store.set('/old/y', '2')
  kept.store.set('/other/z', '3')
  kept = await expectKept(kept, base)
  kept.store.rename('/old', '/other/new')
  kept = await expectKept(kept, base)
  expect(kept.store.get('/other/new/sub/x').node.value).toBe('1')
  expect(kept.store.lookup('/old')).toBeUndefined()
  kept.store.rename('/other/new/y', '/y')
  kept.store.rename('/other', '/y')
  kept = await expectKept(kept, base)
  expect(kept.store.get('/y/new/sub/x').node.value).toBe('1')
  await kept.persistence.close(true)
})

test('nodes that take the former names and places of others', async () => {
  let kept = await open(base)
  for (const path of ['/a', '/b', '/c/x', '/d/x']) kept.store.set(path, path)
  kept = await expectKept(kept, base)
  const swap = (one: string, other: string): void => {
    kept.store.rename(one, '/swap')
    kept.store.rename(other, one)
    kept.store.rename('/swap', other)
  }
  swap('/a', '/b')
  swap('/c', '/d')
  swap('/a', '/d')
  kept = await expectKept(kept, base)
  expect(kept.store.get('/d').node.value).toBe('/b')
  expect(kept.store.get('/a/x').node.value).toBe('/c/x')
  await kept.persistence.close(true)
})

test('flushed nodes do not come back, and later nodes stay', async () => {
  let kept = await open(base)
  for (let i = 0; i < 500; i++) kept.store.set(`/d${i % 3}/k${i}`, 'x')
  kept = await expectKept(kept, base)
  kept.store.delete('/d0', { recursive: true })
  kept.store.flush()
  kept.store.set('/d1/k1', 'new')
  kept = await expectKept(kept, base)
  expect(kept.store.files).toBe(1)
  kept.store.flush()
  kept = await expectKept(kept, base)
  expect(kept.store.files).toBe(0)
  await kept.persistence.close(true)
})

/** A value that has a record of its own, and a new TTL for it. */
const large = fc.tuple(fc.constantFrom('/a', '/b/a', '/ab/_h/a'), fc.boolean()).map(
  ([path, isRefresh]): Write =>
    (store) => {
      const expireTime = store.clock.now() + 1000
      try {
        if (isRefresh) store.set(path, '', { expireTime, refresh: true })
        else store.set(path, toValue(`${store.index} `.repeat(10_000)))
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
      }
    },
)

test('any writes and moves, before and during checkpoints', async () => {
  const step = fc.oneof(
    { weight: 12, arbitrary: writeOrMove },
    { weight: 2, arbitrary: large },
    ...(['tick', 'save', 'restart', 'crash'] as const).map((word) => fc.constant(word)),
  )
  let runs = 0
  const steps = fc.array(step, { minLength: 5, maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), async (run, slow) => {
      // A checkpoint checks the clock after each step, and then its slice is always over.
      let now = 0
      if (slow) vi.spyOn(performance, 'now').mockImplementation(() => (now += 1e6))
      const directory = join(base, String(runs++))
      let kept = await open(directory)
      const saves: Promise<void>[] = []
      for (const each of run) {
        if (each === 'save') saves.push(kept.persistence.save().catch(() => {}))
        else if (each === 'tick') await new Promise<void>((resolve) => setImmediate(resolve))
        else if (each === 'restart') kept = await expectKept(kept, directory)
        else if (each === 'crash') kept = await expectKept(kept, directory, false)
        else (each as Write)(kept.store)
      }
      kept = await expectKept(kept, directory)
      await Promise.all(saves)
      await kept.persistence.close(true)
      vi.restoreAllMocks()
    }),
    { numRuns: Number(process.env.KTREE_PERSISTENCE_RUNS ?? 25) },
  )
})
