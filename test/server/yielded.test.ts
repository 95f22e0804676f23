import { afterEach, describe, expect, test, vi } from 'vitest'
import type { TurnClient } from '../../src/server/turn.ts'
import { Yielded, type YieldingClient } from '../../src/server/yielded.ts'
import { turnOf } from './fake-turn.ts'
import { frame, join, start } from './raw-client.ts'

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

const LONG = Buffer.alloc(8192)
const ignore = (): void => undefined

/** A turn whose time passes only when clients are served. */
function fakeTurn(maxBytes?: number) {
  const time = { now: 1000, lastLap: 1000 }
  let immediates: (() => void)[] = []
  vi.spyOn(performance, 'now').mockImplementation(() => time.now)
  vi.stubGlobal('setImmediate', (run: () => void) => immediates.push(run))
  const clock = {
    begin: () => {
      time.lastLap = time.now
    },
    end: ignore,
    get lastLap() {
      return time.lastLap
    },
  }
  const turn = turnOf(clock, { fail: ignore })
  if (maxBytes !== undefined) Object.assign(turn, { yielded: new Yielded(clock, maxBytes) })
  const end = (): void => {
    const due = immediates
    immediates = []
    for (const run of due) run()
  }
  return { turn, time, clock, end, hasMore: () => immediates.length > 0 }
}
type FakeTurn = ReturnType<typeof fakeTurn>

/** A client whose requests take a quarter of a millisecond each. */
class FakeClient implements TurnClient, YieldingClient {
  left = 0
  served = 0
  /** What has come of a request whose end is still to come, in bytes. */
  arriving = 0
  readonly #turn: FakeTurn
  readonly #requests: number

  constructor(turn: FakeTurn, requests: number) {
    this.#turn = turn
    this.#requests = requests
  }

  get bufferedInput(): number {
    return this.arriving + (this.left > 0 ? LONG.length : 0)
  }

  take(): void {
    this.left += this.#requests
    this.arriving = 0
  }

  yieldWith(): boolean {
    this.take()
    this.#turn.turn.yielded.add(this)
    return true
  }

  serveTaken(): void {
    this.#serve()
  }

  serveSlice(): void {
    this.#turn.clock.begin()
    this.#serve()
  }

  flush(): void {}

  readOrPause(): void {}

  fail(error: unknown): void {
    throw error
  }

  #serve(): void {
    const { turn, time } = this.#turn
    const sliceEnd = turn.yielded.sliceEnd()
    while (this.left > 0) {
      time.now += 0.25
      time.lastLap = time.now
      this.left--
      this.served++
      if (time.now > sliceEnd && this.left > 0) {
        turn.yielded.add(this)
        return
      }
    }
  }
}

describe('a turn', () => {
  test.each([2, 100, 300])('serves %i clients with long input for some 20 ms together', (count) => {
    const fake = fakeTurn()
    const clients = Array.from({ length: count }, () => new FakeClient(fake, 200))
    const short = new FakeClient(fake, 1)
    for (const client of clients) fake.turn.receive(client, LONG, LONG.length)
    for (let turns = 1; fake.hasMore(); turns++) {
      const before = fake.time.now
      fake.turn.receive(short, LONG, 20)
      fake.end()
      expect(short.served).toBe(turns)
      expect(fake.time.now - before).toBeLessThan(25)
      if (turns > 10_000) throw new Error('no end')
      // All get about as much, because they take turns.
      const served = clients.map((client) => client.served)
      expect(Math.max(...served) - Math.min(...served)).toBeLessThan(50)
      if (clients.every(({ left }) => left === 0)) return
    }
    expect(clients.map(({ served }) => served)).toEqual(clients.map(() => 200))
  })

  test('that has accepted a connection serves clients with long input for a moment only, because each accepts one', () => {
    const fake = fakeTurn()
    const clients = Array.from({ length: 100 }, () => new FakeClient(fake, 2000))
    for (const client of clients) fake.turn.receive(client, LONG, LONG.length)
    fake.end()
    for (let i = 0; i < 300; i++) {
      const before = fake.time.now
      const left = clients.reduce((sum, client) => sum + client.left, 0)
      fake.turn.accepted()
      // What else comes of the poll takes long.
      fake.time.now += 11
      fake.end()
      expect(fake.time.now - before).toBeLessThan(11 + 3)
      expect(clients.reduce((sum, client) => sum + client.left, 0)).toBeLessThan(left)
    }
  })

  test('serves many clients with short input that takes long for a moment each', () => {
    const fake = fakeTurn()
    const clients = Array.from({ length: 100 }, () => new FakeClient(fake, 40))
    for (const client of clients) fake.turn.receive(client, LONG, 100)
    const before = fake.time.now
    fake.end()
    // Served for 10 ms each, these take a second.
    expect(fake.time.now - before).toBeLessThan(150)
    while (clients.some(({ left }) => left > 0)) fake.end()
    expect(clients.every(({ served }) => served === 40)).toBe(true)
  })

  test('serves those whose long requests end with a few bytes as if all came at once', () => {
    const fake = fakeTurn()
    const clients = Array.from({ length: 100 }, () => new FakeClient(fake, 200))
    for (const client of clients) client.arriving = LONG.length
    const before = fake.time.now
    for (const client of clients) fake.turn.receive(client, LONG, 100)
    fake.end()
    expect(fake.time.now - before).toBeLessThan(45)
    while (fake.hasMore()) fake.end()
    expect(clients.every(({ served }) => served === 200)).toBe(true)
  })

  test('serves a client that is alone at once', () => {
    const fake = fakeTurn()
    const client = new FakeClient(fake, 40)
    fake.turn.receive(client, LONG, LONG.length)
    expect(client.left).toBe(0)
  })

  test('lets no more input wait than a limit', () => {
    const fake = fakeTurn(5 * LONG.length)
    const clients = Array.from({ length: 100 }, () => new FakeClient(fake, 40))
    for (const client of clients) fake.turn.receive(client, LONG, LONG.length)
    expect(clients.filter(({ left }) => left > 0).length).toBeLessThan(10)
  })
})

describe('clients whose long input has to wait', () => {
  const COUNT = 10_000
  const pipeline = (key: string): string => frame('INCR', key).repeat(COUNT)
  const expected = Array.from({ length: COUNT }, (_, i) => i + 1)

  test('get their replies in order, all of them if they send no more, and with others in between', async () => {
    vi.spyOn(Yielded.prototype, 'busy', 'get').mockReturnValue(true)
    const added = vi.spyOn(Yielded.prototype, 'add')
    const server = await start()
    const clients = await Promise.all(Array.from({ length: 6 }, () => join(server)))
    const other = await join(server)
    for (const [i, client] of clients.entries()) {
      client.write(pipeline(`k${i}`))
      if (i % 2 === 0) client.socket.end()
    }
    expect(await other.call('PING')).toBe('PONG')
    for (const [i, client] of clients.entries()) {
      expect(await client.take(COUNT)).toEqual(expected)
      if (i % 2 === 0) await client.closed
      else expect(await client.call('GET', `k${i}`)).toBe(String(COUNT))
    }
    expect(added.mock.calls.length).toBeGreaterThan(clients.length)
  })

  test('wait on when they are blocked, and go on afterwards', async () => {
    vi.spyOn(Yielded.prototype, 'busy', 'get').mockReturnValue(true)
    const server = await start()
    const [client, other] = [await join(server), await join(server)]
    client.write(pipeline('a') + frame('KWAIT', '/b', 'SINCE', 1) + pipeline('a'))
    expect(await client.take(COUNT)).toEqual(expected)
    await other.call('SET', 'b', 'x')
    expect((await client.take(COUNT + 1)).at(-1)).toBe(2 * COUNT)
    await client.vanish()
    expect(await other.call('GET', 'a')).toBe(String(2 * COUNT))
  })

  test('are served before the server closes', async () => {
    vi.spyOn(Yielded.prototype, 'busy', 'get').mockReturnValue(true)
    const added = vi.spyOn(Yielded.prototype, 'add')
    const server = await start()
    const client = await join(server)
    client.write(frame('INCR', 'k').repeat(1000))
    while (added.mock.calls.length === 0) await new Promise((resolve) => setImmediate(resolve))
    const closed = server.close()
    expect(await client.take(1000)).toEqual(expected.slice(0, 1000))
    await closed
  })
})
