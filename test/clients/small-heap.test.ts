import { describe, expect, test } from 'vitest'
import { info, startOn, temporaryDirectory, visitPort } from '../persistence/data-server.ts'
import { ErrorReply, frame, type RawClient, type Reply } from '../server/raw-client.ts'
import { type Program, useProgram } from './program.ts'

const program = useProgram()
const HEAP_MB = 64
const smallHeap: Program = {
  get dist() {
    return program.dist
  },
  get directory() {
    return program.directory
  },
  start: (script, args) => program.start(script, args, [`--max-old-space-size=${HEAP_MB}`]),
}

const isOom = (reply: Reply): boolean =>
  reply instanceof ErrorReply && reply.text.startsWith('OOM command not allowed')

/** What fills a heap: many small values, the longest ones that are strings, deep paths. */
const fillings = [
  { name: 'values of 300 bytes', key: (n: number) => `k${n}`, length: 300, count: 100_000 },
  { name: 'values of 8000 bytes', key: (n: number) => `k${n}`, length: 8000, count: 15_000 },
  {
    name: 'paths of 1000 levels',
    key: (n: number) => `/k${n}${'/d'.repeat(999)}`,
    length: 10,
    count: 1000,
  },
]
type Filling = (typeof fillings)[number]

/** @returns how many values were taken */
async function fill(client: RawClient, { key, length, count }: Filling): Promise<number> {
  const value = 'x'.repeat(length)
  const batch = Math.max(1, Math.min(1000, Math.floor(1_000_000 / length)))
  let taken = 0
  for (let at = 0; at < count; at += batch) {
    for (let n = at; n < at + batch; n++) client.send('SET', key(n), value)
    for (const reply of await client.take(batch)) {
      if (reply === 'OK') taken++
      else expect(isOom(reply)).toBe(true)
    }
  }
  return taken
}

describe(`a heap of ${HEAP_MB} MB, without maxmemory`, () => {
  test.each(fillings)('$name: it is full before V8 ends the process', async (filling) => {
    const { port, program: child } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    const taken = await fill(client, filling)
    expect(taken).toBeGreaterThan(0)
    expect(taken).toBeLessThan(filling.count)
    expect(child.out).toContain('the heap is almost full: writes that need memory are refused')
    expect((await info(client, 'memory')).get('heap_limit')).toBe(String(HEAP_MB * 1024 ** 2))
    // What does not need memory is served, and deleting makes room.
    expect(await client.call('GET', filling.key(0))).toBe('x'.repeat(filling.length))
    for (let n = 0; n < filling.count; n++) client.send('KDEL', `/k${n}`, 'RECURSIVE')
    await client.take(filling.count)
    while (isOom(await client.call('SET', 'a', 'b')));
    expect(await client.call('GET', 'a')).toBe('b')
    expect(await client.call('SAVE')).toBe('OK')
  })

  test('names that become longer are refused before it is full', async () => {
    const { port } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    const count = 6000
    for (let n = 0; n < count; n++) client.send('SET', `k${n}`, 'v')
    await client.take(count)
    let renamed = 0
    for (let at = 0; at < count; at += 100) {
      for (let n = at; n < at + 100; n++) client.send('RENAME', `k${n}`, 'N'.repeat(15_000) + n)
      for (const reply of await client.take(100)) {
        if (reply === 'OK') renamed++
        else expect(isOom(reply)).toBe(true)
      }
    }
    // They would take 90 MB.
    expect(renamed).toBeGreaterThan(100)
    expect(renamed).toBeLessThan(count)
    expect(await client.call('DBSIZE')).toBe(count)
  })

  test('large values lie outside of it', async () => {
    const { port } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    const filling = { name: '', key: (n: number) => `k${n}`, length: 900_000, count: 200 }
    expect(await fill(client, filling)).toBe(filling.count)
    expect(await client.call('GET', 'k0')).toBe('x'.repeat(filling.length))
  })

  test('a value is replaced without end', async () => {
    const { port } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    for (let round = 0; round < 200; round++) {
      const value = 'x'.repeat(100_000)
      for (let n = 0; n < 10; n++) client.send('SET', `k${n}`, value)
      for (const reply of await client.take(10)) expect(reply).toBe('OK')
    }
  })

  test('FLUSHALL leaves nothing of the former tree', async () => {
    const { port } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    await fill(client, fillings[0])
    const before = Number((await info(client, 'memory')).get('heap_used'))
    await client.call('FLUSHALL')
    // A checkpoint under way still writes the former tree.
    expect(await client.call('SAVE')).toBe('OK')
    await client.call('MEMORY', 'PURGE')
    const after = Number((await info(client, 'memory')).get('heap_used'))
    expect(before).toBeGreaterThan(30 * 1024 ** 2)
    expect(after).toBeLessThan(20 * 1024 ** 2)
  })

  test('listings of a tree that fills it are refused', async () => {
    const { port } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    const listings = ['KEYS *', 'KGET / RECURSIVE', 'SCAN 0 COUNT 1000000', 'KSAVE']
    const readers = await Promise.all(listings.map(() => visitPort(port)))
    for (const [i, reader] of readers.entries()) {
      reader.send('MULTI')
      // Each sees another tree, so that no two share what they copy.
      for (let n = 0; n < 40; n++) {
        reader.send('DEL', `k${40 * i + n}`)
        reader.send(...listings[i].split(' '))
      }
      await reader.take(81)
      reader.socket.pause()
    }
    let last: Reply = 'OK'
    for (let n = 0; last === 'OK'; n += 2000) {
      const keys = Array.from({ length: 2000 }, (_, i) => [`k${n + i}`, 'v'])
      last = await client.call('MSET', ...keys.flat())
    }
    expect(isOom(last)).toBe(true)
    for (const reader of readers) reader.send('EXEC')
    for (let n = 0; n < 100; n++) expect(await client.call('PING')).toBe('PONG')
    for (const reader of readers) reader.socket.destroy()
    expect(await client.call('FLUSHALL')).toBe('OK')
    while (isOom(await client.call('SET', 'a', 'b')));
  })

  test('transactions that make more than they are long are refused', async () => {
    const { port } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    const other = await visitPort(port)
    await client.call('SET', 'k', 'a'.repeat(8000))
    const payload = String(await client.call('DUMP', 'k'))
    const requests = [
      (n: number) => ['SETRANGE', `k${n}`, '8000', 'x'],
      (n: number) => ['RESTORE', `k${n}`, '0', payload],
      (n: number) => ['ACL', 'SETUSER', `u${n}`],
      (n: number) => ['SUBSCRIBE', `/channel${n}`, `/other${n}`],
    ]
    for (const request of requests) {
      client.send('MULTI')
      for (let n = 0; n < 30_000; n++) client.send(...request(n))
      await client.take(30_001)
      const reply = await client.call('EXEC')
      expect(reply).toBeInstanceOf(ErrorReply)
      expect(await other.call('PING')).toBe('PONG')
    }
  })

  test('what was taken can be loaded again', async () => {
    const directory = temporaryDirectory()
    const first = await startOn(smallHeap, directory)
    const client = await visitPort(first.port)
    const taken = await fill(client, fillings[0])
    await client.call('SHUTDOWN').catch(() => {})
    expect(await first.program.ended).toBe(0)
    const second = await startOn(smallHeap, directory)
    const reader = await visitPort(second.port)
    expect(await reader.call('DBSIZE')).toBe(taken)
    expect(await reader.call('FLUSHALL')).toBe('OK')
    while (isOom(await reader.call('SET', 'a', 'b')));
    await reader.call('SHUTDOWN').catch(() => {})
  })

  test('requests of many arguments that do not end, and long logs, do not fill it', async () => {
    const { port } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    const begun = `*1000000\r\n${'$1\r\na\r\n'.repeat(400_000)}`
    const senders = await Promise.all(Array.from({ length: 20 }, () => visitPort(port)))
    for (const sender of senders) sender.write(begun)
    while ((await info(client, 'stats')).get('evicted_clients') === '0');
    for (const sender of senders) await sender.vanish()
    await client.call('CONFIG', 'SET', 'slowlog-log-slower-than', '0', 'slowlog-max-len', '1000000')
    const requests = frame('EXISTS', ...Array<string>(31).fill('k'.repeat(128))).repeat(1000)
    for (let i = 0; i < 40; i++) {
      client.write(requests)
      await client.take(1000)
    }
    expect(await client.call('SLOWLOG', 'LEN')).toBeLessThan(1000)
  })

  test.each([
    ['900 KB', 112],
    ['60 KB', 7],
  ])('requests of %s that do not end, of many clients, do not fill it', async (_, count) => {
    const { port } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    // The tree takes half of it.
    for (let n = 0; n < 4000; n++) client.send('SET', `k${n}`, 'x'.repeat(8000))
    await client.take(4000)
    const begun = `*1000\r\n${`$8000\r\n${'x'.repeat(8000)}\r\n`.repeat(count)}`
    for (let sent = 0; sent < 80_000_000; sent += begun.length) {
      ;(await visitPort(port)).write(begun)
    }
    while ((await info(client, 'stats')).get('evicted_clients') === '0');
    expect(await client.call('GET', 'k0')).toBe('x'.repeat(8000))
  })

  test('large values that many clients queue take no more than their share', async () => {
    const { port } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    const value = 'x'.repeat(4_000_000)
    const clients = await Promise.all(Array.from({ length: 8 }, () => visitPort(port)))
    // All of them together queue 128 MB.
    for (const queuing of clients) {
      await queuing.call('MULTI')
      for (let n = 0; n < 4 && !queuing.ended; n++) await queuing.call('SET', 'k', value)
    }
    while ((await info(client, 'stats')).get('evicted_clients') === '0');
    for (const queuing of clients) await queuing.vanish()
  })

  test('clients that wait at long paths do not fill it', async () => {
    const { port } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    // The tree takes half of it.
    for (let n = 0; n < 4000; n++) client.send('SET', `k${n}`, 'x'.repeat(8000))
    await client.take(4000)
    for (let n = 0; n < 1500; n++) {
      ;(await visitPort(port)).send('KWAIT', `/${'x'.repeat(15_000)}${n}`)
    }
    expect(await client.call('MULTI')).toBe('OK')
    expect(await client.call('KWAIT', `/${'x'.repeat(15_000)}`)).toSatisfy(isOom)
  })

  test('short keys below a directory with a long name do not fill it', async () => {
    const { port } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    const keys = Array.from({ length: 4500 }, (_, n) => `k${n}`)
    const long = 'x'.repeat(15_000)
    for (let i = 0; i < 2; i++) {
      await client.call('MSET', ...keys.flatMap((key) => [`d/${key}`, '']))
      expect(await client.call('RENAME', 'd', `${long}/${i}`)).toBe('OK')
    }
    for (const listing of [
      'KEYS *',
      'KEYS *k*',
      'SCAN 0 COUNT 10000',
      'SCAN 0 MATCH *k* COUNT 10000',
    ]) {
      const reader = await visitPort(port)
      reader.socket.pause()
      reader.send(...listing.split(' '))
      const name = listing.split(' ')[0].toLowerCase()
      while (!(await info(client, 'commandstats')).has(`cmdstat_${name}`));
      for (let n = 0; n < 10; n++) expect(await client.call('PING')).toBe('PONG')
      reader.socket.destroy()
      await client.call('CONFIG', 'RESETSTAT')
    }
    expect(await client.call('DBSIZE')).toBe(9000)
  })

  test('long rules of users do not fill it when they are listed', async () => {
    const { port } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    for (let n = 0; n < 14; n++) {
      const patterns = Array.from({ length: 100 }, (_, i) => `~${'a'.repeat(16_000)}${n}-${i}`)
      expect(await client.call('ACL', 'SETUSER', 'u', 'on', 'nopass', '+@all', ...patterns)).toBe(
        'OK',
      )
    }
    expect(await client.call('ACL', 'LIST')).toSatisfy(isOom)
    expect(await client.call('ACL', 'GETUSER', 'u')).toSatisfy(isOom)
    await client.call('AUTH', 'u', '')
    expect(await client.call('PING')).toBe('PONG')
  })

  test('KRECOVER of a state that does not fit is refused', async () => {
    const { port } = await startOn(smallHeap, temporaryDirectory())
    const client = await visitPort(port)
    await client.call('SET', 'kept', '1')
    expect(await client.call('KRECOVER', `{"a":"${'x'.repeat(12_000_000)}"}`)).toSatisfy(isOom)
    expect(await client.call('GET', 'kept')).toBe('1')
  })
})
