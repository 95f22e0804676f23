import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Durability, SyncPolicy } from '../../src/log/sync-policy.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { MemoryDisk, systemError } from './memory-disk.ts'
import { openJournal } from './support.ts'

async function make(durability: Durability) {
  const disk = new MemoryDisk()
  const { journal } = await openJournal('/', { files: disk })
  await new Promise(setImmediate)
  const clock = new ManualClock()
  const failures: unknown[] = []
  const policy = new SyncPolicy(journal, durability, {
    clock,
    onFailure: (error) => failures.push(error),
  })
  const append = (text: string) => {
    journal.append([Buffer.from(text)])
    return policy.appended()
  }
  /** Holds every sync up until the function is called. */
  const hold = () => {
    let release = () => {}
    disk.gate = new Promise((resolve) => {
      release = resolve
    })
    return () => {
      disk.gate = undefined
      release()
    }
  }
  const settle = () => new Promise(setImmediate)
  return { disk, journal, clock, policy, failures, append, hold, settle }
}

test('always: replies wait for the disk', async () => {
  const { append, journal } = await make('always')
  const kept = append('a')
  expect(journal.synced).toBe(0)
  await kept
  expect(journal.synced).toBe(journal.written)
})

test('always: a failing sync reaches the writer', async () => {
  const { append, disk } = await make('always')
  disk.errors.sync.push(systemError('EIO'))
  await expect(append('a')).rejects.toThrow('EIO')
})

describe('always, at the end of a turn', () => {
  /** Makes each sync last as long as told. */
  const slow = (disk: MemoryDisk) => {
    let now = performance.now()
    const spy = vi.spyOn(performance, 'now').mockImplementation(() => now)
    onTestFinished(() => spy.mockRestore())
    const { syncNow } = disk
    const control = { duration: 0, pass: (duration: number) => (now += duration) }
    disk.syncNow = (file) => {
      now += control.duration
      syncNow.call(disk, file)
    }
    return control
  }

  test('the disk has everything when the call returns', async () => {
    const { journal, policy } = await make('always')
    journal.append([Buffer.from('a')])
    expect(policy.syncsAtTurnEnd).toBe(true)
    policy.syncNow()
    expect(journal.synced).toBe(journal.written)
  })

  test('a failing sync reaches the caller, and nothing more is taken', async () => {
    const { journal, policy, disk } = await make('always')
    journal.append([Buffer.from('a')])
    disk.errors.sync.push(systemError('EIO'))
    expect(() => policy.syncNow()).toThrow('EIO')
    expect(() => journal.append([Buffer.from('b')])).toThrow('EIO')
  })

  test('not while another sync is under way, and not under another rule', async () => {
    const { append, policy, hold } = await make('always')
    const release = hold()
    const kept = append('a')
    expect(policy.syncsAtTurnEnd).toBe(false)
    release()
    await kept
    expect(policy.syncsAtTurnEnd).toBe(true)
    policy.durability = 'everysec'
    expect(policy.syncsAtTurnEnd).toBe(false)
  })

  test('a slow disk does not hold up clients for long, and is tried again', async () => {
    const { journal, policy, disk } = await make('always')
    const disks = slow(disk)
    const write = () => {
      journal.append([Buffer.from('a')])
      policy.syncNow()
    }
    disks.duration = 30
    write()
    // One slow sync among fast ones does not count.
    expect(policy.syncsAtTurnEnd).toBe(true)
    for (let i = 0; i < 10 && policy.syncsAtTurnEnd; i++) write()
    expect(policy.syncsAtTurnEnd).toBe(false)
    disks.pass(1000)
    expect(policy.syncsAtTurnEnd).toBe(true)
    disks.duration = 1
    for (let i = 0; i < 100; i++) write()
    expect(policy.syncsAtTurnEnd).toBe(true)
  })
})

describe('everysec', () => {
  test('replies leave at once, and the disk has the writes within a second', async () => {
    const { append, journal, clock, policy, settle } = await make('everysec')
    expect(append('a')).toBeUndefined()
    expect(journal.synced).toBe(0)
    clock.advance(1000)
    await settle()
    expect(journal.synced).toBe(journal.written)
    expect(policy.mustWait).toBe(false)
  })

  test('writers wait while a sync takes longer than the time to the next one', async () => {
    const { append, journal, clock, policy, hold, settle } = await make('everysec')
    const release = hold()
    void append('a')
    clock.advance(500)
    void append('b')
    expect(policy.mustWait).toBe(false)
    expect(policy.ready).toBeUndefined()
    clock.advance(500)
    expect(policy.mustWait).toBe(true)
    const ready = policy.ready
    release()
    await ready
    expect(policy.mustWait).toBe(false)
    // What was written meanwhile does not wait for the timer.
    await settle()
    expect(journal.synced).toBe(journal.written)
  })

  test('nothing is synced where nothing was written', async () => {
    const { clock, disk } = await make('everysec')
    const before = disk.syncs
    clock.advance(10_000)
    expect(disk.syncs).toBe(before)
  })

  test('a failing sync is told once, and lets waiting writers go', async () => {
    const { append, clock, disk, policy, failures, hold, settle } = await make('everysec')
    const release = hold()
    disk.errors.sync.push(systemError('EIO'))
    void append('a')
    clock.advance(1000)
    const ready = policy.ready
    release()
    await ready
    expect(failures).toHaveLength(1)
    expect(policy.mustWait).toBe(false)
    expect(() => append('b')).toThrow('EIO')
    clock.advance(5000)
    await settle()
    expect(failures).toHaveLength(1)
  })
})

test('no: nothing is synced until a segment is full', async () => {
  const { append, journal, clock, disk, settle } = await make('no')
  const before = disk.syncs
  void append('a')
  clock.advance(60_000)
  expect(disk.syncs).toBe(before)
  journal.append([Buffer.alloc(65 * 1024 ** 2)])
  void append('b')
  await settle()
  expect(journal.synced).toBe(journal.written)
})

test('the rule may change while the journal is in use', async () => {
  const { append, journal, clock, policy, settle } = await make('no')
  void append('a')
  policy.durability = 'everysec'
  await settle()
  expect(journal.synced).toBe(journal.written)
  void append('b')
  clock.advance(500)
  await settle()
  expect(journal.synced).toBe(journal.written)
  policy.durability = 'always'
  expect(policy.durability).toBe('always')
  await append('c')
  policy.close()
  expect(journal.synced).toBe(journal.written)
})
