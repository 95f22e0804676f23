import { expect, onTestFinished, test, vi } from 'vitest'
import { MemoryGauge } from '../../src/metrics/memory-gauge.ts'
import { checkGrowth } from '../../src/request/growth.ts'
import { type ErrorReply, join, start } from '../server/raw-client.ts'

const DEEP = '/d'.repeat(1000)

/** Notes what it is asked for. @param room bytes that are left */
function gauge(room: number): { memory: MemoryGauge; asked: number[] } {
  const asked: number[] = []
  const hasRoomFor = (bytes: number): boolean => {
    asked.push(bytes)
    return bytes <= room
  }
  const memory = { heapHasRoomFor: hasRoomFor, hasRoomFor } as unknown as MemoryGauge
  return { memory, asked }
}

const check = (keys: readonly string[], room = Number.POSITIVE_INFINITY, length = 2): number[] => {
  const { memory, asked } = gauge(room)
  checkGrowth(memory, length, (visit) => keys.forEach(visit))
  return asked
}

test('few keys are not compared with memory', () => {
  expect(check(['a', 'a/b', '/a/b/c', ''], 0)).toEqual([])
})

test('a directory that many keys share, one after the other, is read once', () => {
  const keys = Array.from({ length: 100 }, (_, i) => `${DEEP}/${i}`)
  const indexOf = vi.spyOn(String.prototype, 'indexOf')
  try {
    check(keys)
    expect(indexOf.mock.calls.length).toBeLessThan(3000)
  } finally {
    indexOf.mockRestore()
  }
})

test('directories are counted once, if they are many', () => {
  const own = (i: number): string => `/${i}${DEEP}`
  const shared = (i: number): string => `${DEEP}/${i}`
  const many = Array.from({ length: 51 }, (_, i) => i)
  expect(() => check(many.map(own))).toThrow('too many directories')
  check(many.map(own), undefined, 2000)
  check(many.map(shared))
  // Where a way leaves others in the middle, only what is new counts.
  check(many.map((i) => `${DEEP.slice(0, 1000)}/${i}${DEEP.slice(0, 200)}`))
  check(many.map((i) => DEEP.slice(0, 20 * i + 2)))
  // The same directories, written otherwise.
  check(many.map((i) => `${DEEP}${'//.'.repeat(i)}/${i}`))
})

test('what needs more memory than there is gets the OOM error', () => {
  const keys = Array.from({ length: 4000 }, (_, i) => `a/b/c/d/${i}`)
  const [files] = check(['x'.repeat(3), ...keys])
  expect(files).toBeGreaterThan(1024 * 1024)
  check(keys, 2_000_000)
  expect(() => check(keys, 500_000)).toThrow(/^OOM/)
})

test('MSET, MSETNX and EXEC that make too many nodes make none', async () => {
  const server = await start()
  const client = await join(server)
  const pairs = Array.from({ length: 60 }, (_, i) => [`/${i}${DEEP}`, 'v'])
  for (const name of ['MSET', 'MSETNX']) {
    const reply = await client.call(name, ...pairs.flat())
    expect((reply as ErrorReply).text).toMatch(/^ERR too many directories/)
  }
  for (const name of ['SET', 'KSET', 'RENAME', 'COPY', 'APPEND']) {
    const plain = `${name}:from`
    await client.call('SET', plain, 'v')
    await client.call('MULTI')
    for (const [key] of pairs) {
      await client.call(name, ...(/RENAME|COPY/.test(name) ? [plain, key] : [key, 'v']))
    }
    const reply = await client.call('EXEC')
    expect((reply as ErrorReply).text).toMatch(/^EXECABORT .* too many directories/)
    expect(await client.call('DEL', plain)).toBe(1)
  }
  expect(await client.call('DBSIZE')).toBe(0)
  expect(await client.call('MSET', ...pairs.slice(0, 40).flat())).toBe('OK')
})

test('an EXEC has room for all states of its KRECOVERs together, or does nothing', async () => {
  const client = await join(await start())
  await client.call('SET', 'k', 'x'.repeat(1000))
  const state = String(await client.call('KSAVE'))
  const room = vi.spyOn(MemoryGauge.prototype, 'heapHasRoomFor')
  onTestFinished(() => room.mockRestore())
  // Each takes three times its length.
  room.mockImplementation((bytes) => bytes < 4 * 300_000)
  const long = state + ' '.repeat(300_000 - state.length)
  const recover = async (count: number): Promise<unknown> => {
    await client.call('MULTI')
    await client.call('INCR', 'n')
    for (let i = 0; i < count; i++) await client.call('KRECOVER', long)
    return await client.call('EXEC')
  }
  expect(await recover(1)).toEqual([1, 'OK'])
  expect(((await recover(2)) as ErrorReply).text).toMatch(/^EXECABORT .*OOM/)
  expect(await client.call('EXISTS', 'k', 'n')).toBe(1)
})
