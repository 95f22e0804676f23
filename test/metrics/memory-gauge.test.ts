import { constants, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import { afterEach, expect, test, vi } from 'vitest'
import { MemoryGauge } from '../../src/metrics/memory-gauge.ts'
import { ErrorReply, join, type Reply, start } from '../server/raw-client.ts'

const MB = 1024 ** 2
const inUse = (): number => {
  const { used_heap_size, external_memory } = getHeapStatistics()
  return used_heap_size + external_memory
}
const isOom = (reply: Reply): boolean =>
  reply instanceof ErrorReply && reply.text.startsWith('OOM command not allowed')

afterEach(() => {
  vi.restoreAllMocks()
})

test('above maxmemory writes are refused, until memory is free again', async () => {
  new MemoryGauge().collect()
  const server = await start({ directives: { maxmemory: String(inUse() + 32 * MB) } })
  const client = await join(server)
  let written = 0
  for (; written < 2000; written++) {
    const value = `${written}:`.padEnd(64 * 1024, 'x')
    if (isOom(await client.call('KSET', `/k/${written}`, value))) break
  }
  // About 500 values of 64 KB take 32 MB.
  expect(written).toBeGreaterThan(50)
  expect(written).toBeLessThan(800)
  // Garbage may be collected at any time, and then there is room for some more.
  for (let i = 0; !isOom(await client.call('KMKDIR', `/d${i}`)); i++) {
    expect(i).toBeLessThan(100)
    while (!isOom(await client.call('KSET', `/k/${written}`, 'x'.repeat(64 * 1024)))) written++
  }
  expect(await client.call('KGET', '/k/0')).not.toBeInstanceOf(ErrorReply)
  const info = (await client.call('INFO', 'memory')) as string
  expect(info).toContain(`maxmemory:${server.config.get('maxmemory')}\r\n`)

  expect(await client.call('KDEL', '/k', 'RECURSIVE')).not.toBeInstanceOf(ErrorReply)
  // The history's events of them take memory as well.
  await client.call('CONFIG', 'SET', 'watch-history', '1')
  let reply = await client.call('KSET', '/a', '1')
  // Garbage is not collected at each request, because a client could then hold up all others.
  while (isOom(reply)) reply = await client.call('KSET', '/a', '1')
  expect(reply).not.toBeInstanceOf(ErrorReply)
})

test('MEMORY PURGE many times in a transaction collects garbage once', async () => {
  const client = await join(await start())
  await client.call('MULTI')
  for (let i = 0; i < 500; i++) await client.call('MEMORY', 'PURGE')
  const collections: string[] = []
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as unknown as { detail: { kind: number } }).detail
      if (kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections.push('full')
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  expect(await client.call('EXEC')).toEqual(new Array(500).fill('OK'))
  await new Promise((resolve) => setImmediate(resolve))
  collections.push(...observer.takeRecords().map(({ name }) => name))
  observer.disconnect()
  // Others may be V8's own.
  expect(collections.length).toBeLessThan(50)
})

test('garbage above maxmemory does not refuse a write', async () => {
  new MemoryGauge().collect()
  const server = await start({
    directives: { maxmemory: String(inUse() + 48 * MB), 'watch-history': '1' },
  })
  const client = await join(server)
  for (let i = 0; i < 3000; i++) {
    expect(await client.call('KSET', '/a', `${i}:`.padEnd(64 * 1024, 'x'))).not.toBeInstanceOf(
      ErrorReply,
    )
  }
})

test('without a limit no write is refused', () => {
  const gauge = new MemoryGauge()
  gauge.limit = 1
  expect(gauge.isExceeded([])).toBe(true)
  gauge.limit = 0
  expect(gauge.isExceeded([])).toBe(false)
})

test('the memory in use after garbage collection decides', () => {
  const gauge = new MemoryGauge()
  gauge.collect()
  const live = gauge.measure()
  gauge.limit = Math.floor(live * 0.9)
  expect(gauge.isExceeded([])).toBe(true)
  gauge.limit = Math.ceil(live * 1.5)
  expect(gauge.isExceeded([])).toBe(false)
})

test('maxmemory holds for paths of 1000 levels, which take 200 times the bytes sent', async () => {
  new MemoryGauge().collect()
  const limit = inUse() + 100 * MB
  const server = await start({ directives: { maxmemory: String(limit) } })
  const client = await join(server)
  let written = 0
  for (let at = 0; at < 3000; at += 100) {
    for (let i = at; i < at + 100; i++) client.send('SET', `/${i}${'/d'.repeat(999)}`, 'x')
    for (const reply of await client.take(100)) if (reply === 'OK') written++
  }
  // A path takes some 350 KB.
  expect(written).toBeGreaterThan(100)
  expect(written).toBeLessThan(600)
  new MemoryGauge().collect()
  expect(inUse()).toBeLessThan(1.25 * limit)
})

test('a large state is refused where the heap has no room for it', () => {
  const gauge = new MemoryGauge()
  expect(gauge.heapHasRoomFor(MB)).toBe(true)
  expect(gauge.heapHasRoomFor(gauge.heapLimit)).toBe(false)
})

test('of writes that maxmemory does not refuse, those that make room go on to the end of the heap', async () => {
  const client = await join(await start())
  vi.spyOn(MemoryGauge.prototype, 'isReserveTaken').mockReturnValue(true)
  const requests: Record<string, string[]> = {
    del: ['a'],
    unlink: ['a'],
    getdel: ['a'],
    kdel: ['/a'],
    kcad: ['/a', 'PREVVALUE', 'v'],
    flushall: [],
    flushdb: [],
    swapdb: ['0', '0'],
    move: ['a', '0'],
    getex: ['a', 'EX', '100'],
    expire: ['a', '100'],
    pexpire: ['a', '100000'],
    expireat: ['a', '9999999999'],
    pexpireat: ['a', '9999999999000'],
    persist: ['a'],
    rename: ['a', 'b'],
    renamenx: ['a', 'b'],
  }
  const commands = (await client.call('COMMAND')) as [string, number, string[]][]
  const unlimited = commands
    .filter(([, , flags]) => flags.includes('write') && !flags.includes('denyoom'))
    .map(([name]) => name)
  expect(unlimited.sort()).toEqual(Object.keys(requests).sort())
  const refused: string[] = []
  for (const [name, args] of Object.entries(requests)) {
    await client.call('SET', 'a', 'v')
    if (isOom(await client.call(name, ...args))) refused.push(name)
  }
  const take = ['getex', 'expire', 'pexpire', 'expireat', 'pexpireat', 'persist', 'rename']
  expect(refused).toEqual([...take, 'renamenx'])
})

test('a directory is not moved where the heap has no room for what is noted of its nodes', async () => {
  const client = await join(await start())
  const asked: number[] = []
  for (let i = 0; i < 3000; i++) client.send('SET', `d/${i}`, 'v', 'EX', '1000')
  await client.take(3000)
  vi.spyOn(MemoryGauge.prototype, 'heapHasRoomToRead').mockImplementation((bytes) => {
    asked.push(bytes)
    return false
  })
  expect(isOom(await client.call('RENAME', 'd', 'e'))).toBe(true)
  expect(asked[0]).toBeGreaterThan(3000 * 100)
  expect(await client.call('EXISTS', 'd/0')).toBe(1)
})
