import { pino } from 'pino'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { LatencyMonitor } from '../../src/metrics/latency-monitor.ts'
import { Subscriptions } from '../../src/pubsub/subscriptions.ts'
import { Pause } from '../../src/request/pause.ts'
import { ReplyWriter } from '../../src/resp/reply-writer.ts'
import { RequestReader } from '../../src/resp/request-reader.ts'
import { Admission } from '../../src/server/admission.ts'
import { ClientMemory } from '../../src/server/client-memory.ts'
import { ExpiryTimer } from '../../src/server/expiry-timer.ts'
import { Output } from '../../src/server/output.ts'
import { PartEncoder } from '../../src/server/part-encoder.ts'
import type { RunningServer } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'
import { temporaryDirectory, useDisk } from '../persistence/support.ts'
import { eventually, frame, join, LogLines, type RawClient, start, visit } from './raw-client.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** Has the next call of a method throw an error; later calls do what they always do. */
// biome-ignore lint/suspicious/noExplicitAny: spies on methods of any class
function throwOnce(prototype: any, method: string): void {
  const original = prototype[method]
  let thrown = false
  vi.spyOn(prototype, method).mockImplementation(function (this: unknown, ...args: unknown[]) {
    if (thrown) return original.apply(this, args)
    thrown = true
    throw new Error(`injected into ${method}`)
  })
}

interface Scene {
  readonly server: RunningServer
  readonly clock: ManualClock
  readonly log: LogLines
  /** The client whose connection meets the error. */
  readonly victim: RawClient
  readonly other: RawClient
}

/** Brings about a call of the method for the victim; the next call of it throws. */
type Act = (scene: Scene) => Promise<void> | void

const longValue = Buffer.alloc(300_000, 'x').toString('latin1')

async function setScene(): Promise<Scene> {
  const log = new LogLines()
  const clock = new ManualClock(Date.now())
  const directives = {
    'enable-debug-command': 'local',
    durability: 'always',
    dir: temporaryDirectory(),
    'watch-history-memory': '64mb',
  }
  const server = await start({ clock, logger: pino({ level: 'error' }, log), directives })
  const [victim, other] = [await visit(server), await join(server)]
  await victim.call('PING')
  await other.call('SET', 'long', longValue)
  return { server, clock, log, victim, other }
}

/** The server serves a client as ever, and has counted and logged one error. */
async function expectServes({ server, log }: Scene): Promise<void> {
  const client = await join(server)
  expect(await client.call('SET', 'key', 'value')).toBe('OK')
  expect(await client.call('GET', 'key')).toBe('value')
  expect(await client.call('INFO', 'STATS')).toContain('unexpected_error_replies:1\r\n')
  expect(log.lines.filter((line) => line.includes('injected into'))).toHaveLength(1)
}

describe('an error ends the one connection that it comes from', () => {
  const cases: [where: string, prototype: object, method: string, act: Act][] = [
    ['as input is taken', RequestReader.prototype, 'take', ({ victim }) => victim.send('PING')],
    [
      'as requests are served',
      RequestReader.prototype,
      'deliver',
      ({ victim }) => victim.send('PING'),
    ],
    ['as replies are sent', Output.prototype, 'flush', ({ victim }) => victim.send('PING')],
    [
      'in a reply in pieces',
      PartEncoder.prototype,
      'next',
      // More than what is sent in one call.
      ({ victim }) => victim.send('MGET', ...new Array(40).fill('long')),
    ],
    [
      'when a blocked client goes on',
      RequestReader.prototype,
      'resume',
      async ({ server, victim, other }) => {
        victim.send('KWAIT', '/go')
        await eventually(() => server.store.hub.count === 1)
        await other.call('KSET', '/go', '1')
      },
    ],
    [
      'when a client that has yielded goes on',
      RequestReader.prototype,
      'resume',
      ({ victim }) => victim.write(frame('DEBUG', 'SLEEP', '0.02') + frame('PING')),
    ],
    [
      'when a postponed client goes on',
      RequestReader.prototype,
      'resume',
      async ({ victim, other, clock }) => {
        await other.call('CLIENT', 'PAUSE', '1000', 'WRITE')
        victim.send('SET', 'a', '1')
        while (!((await other.call('CLIENT', 'LIST')) as string).includes('flags=b')) {}
        clock.advance(1000)
      },
    ],
    [
      'when the timeout of KWAIT ends',
      ReplyWriter.prototype,
      'nullArray',
      async ({ server, victim, clock }) => {
        victim.send('KWAIT', '/go', 'TIMEOUT', '1000')
        await eventually(() => server.store.hub.count === 1)
        clock.advance(1000)
      },
    ],
    [
      'when KWAIT gets its event',
      ReplyWriter.prototype,
      'room',
      async ({ server, victim }) => {
        victim.send('KWAIT', '/go')
        await eventually(() => server.store.hub.count === 1)
        server.store.set('/go', '1')
      },
    ],
    [
      'when the timeout of WAIT ends',
      ReplyWriter.prototype,
      'integer',
      async ({ victim, other, clock }) => {
        victim.send('WAIT', '1', '1000')
        while (!((await other.call('CLIENT', 'LIST')) as string).includes('cmd=wait')) {}
        clock.advance(1000)
      },
    ],
    [
      'when a promise is fulfilled',
      ReplyWriter.prototype,
      'ok',
      ({ victim }) => victim.send('SAVE'),
    ],
    [
      'when an fsync releases replies',
      Output.prototype,
      'release',
      ({ victim }) => {
        useDisk()
        victim.send('SET', 'a', '1')
      },
    ],
    [
      'when an fsync fails',
      Output.prototype,
      'releaseUnsaved',
      async ({ victim, other, clock }) => {
        const disk = useDisk()
        disk.hold()
        victim.send('SET', 'a', '1')
        await eventually(() => disk.waiting > 0)
        disk.failure = new Error('no space left')
        disk.release()
        await victim.closed
        disk.failure = undefined
        while ((await other.call('SET', 'a', '1')) !== 'OK') clock.advance(1000)
      },
    ],
    [
      'when its output has been read',
      Store.prototype,
      'findEvent',
      async ({ server, victim, other }) => {
        for (let i = 0; i < 40; i++) server.store.set('/watched', longValue)
        vi.restoreAllMocks()
        await victim.call('CLIENT', 'SETNAME', 'victim')
        victim.socket.pause()
        victim.send('KWATCH', '/watched?since=1')
        for (let unread = ''; !/ omem=[1-9]/.test(unread); ) {
          const list = (await other.call('CLIENT', 'LIST')) as string
          unread = list.split('\n').find((line) => line.includes('name=victim')) ?? ''
        }
        throwOnce(Store.prototype, 'findEvent')
        victim.socket.resume()
      },
    ],
    [
      'when it half-closes the connection',
      RequestReader.prototype,
      'destroy',
      ({ victim }) => void victim.socket.end(),
    ],
    [
      'when it leaves, and is blocked',
      Subscriptions.prototype,
      'drop',
      ({ victim }) => void victim.socket.end(),
    ],
    ['when it has gone', Output.prototype, 'close', ({ victim }) => victim.vanish()],
    [
      'in a survey',
      Output.prototype,
      'check',
      async ({ clock, victim, other }) => {
        await other.call('PING')
        clock.advance(1000)
        await victim.closed
        // The next survey comes all the same.
        clock.advance(1000)
      },
    ],
  ]

  test.each(cases)('%s', async (_, prototype, method, act) => {
    const scene = await setScene()
    const { server, victim, other } = scene
    throwOnce(prototype, method)
    await act(scene)
    await victim.closed
    expect(await other.call('PING')).toBe('PONG')
    // Nothing of the victim is left.
    for (let clients = 0; clients !== 1; ) {
      clients = ((await other.call('CLIENT', 'LIST')) as string).trim().split('\n').length
    }
    expect(server.store.hub.count).toBe(0)
    await expectServes(scene)
  })
})

describe('an error in one client does not keep the others of its turn waiting', () => {
  test.each([
    ['take', RequestReader.prototype],
    ['deliver', RequestReader.prototype],
    ['flush', Output.prototype],
  ])('in %s', async (method, prototype) => {
    const scene = await setScene()
    const clients: RawClient[] = []
    for (let i = 0; i < 5; i++) clients.push(await visit(scene.server))
    throwOnce(prototype, method)
    for (const client of clients) client.write(frame('PING'))
    const replies = await Promise.all(clients.map((client) => client.next().catch(() => 'ended')))
    expect(replies.sort()).toEqual(['PONG', 'PONG', 'PONG', 'PONG', 'ended'])
    vi.restoreAllMocks()
    await expectServes(scene)
    for (const client of clients) await client.vanish()
  })
})

describe('an error that is no client’s is logged, and the server goes on', () => {
  const cases: [where: string, prototype: object, method: string, act: Act][] = [
    [
      'as a socket is accepted',
      Admission.prototype,
      'accept',
      async ({ server }) => await (await visit(server)).closed,
    ],
    [
      'as requests are looked up ahead',
      Store.prototype,
      'lookAhead',
      async ({ other }) => expect(await other.call('PING')).toBe('PONG'),
    ],
    [
      'as messages are sent',
      Subscriptions.prototype,
      'flush',
      async ({ other }) => expect(await other.call('PING')).toBe('PONG'),
    ],
    [
      'after requests have been served',
      ExpiryTimer.prototype,
      'arm',
      async ({ other }) => expect(await other.call('PING')).toBe('PONG'),
    ],
    [
      'as keys expire',
      Store.prototype,
      'deleteExpiredKeys',
      async ({ server, other, clock }) => {
        await other.call('SET', 'mortal', '1', 'PX', '500')
        clock.advance(500)
        expect(server.store.stats.expireCount).toBe(0)
        clock.advance(1000)
        expect(server.store.stats.expireCount).toBe(1)
      },
    ],
    [
      'as a pause ends',
      Pause.prototype,
      'finish',
      async ({ other, clock }) => {
        await other.call('CLIENT', 'PAUSE', '500', 'WRITE')
        clock.advance(500)
        await other.call('CLIENT', 'UNPAUSE')
      },
    ],
    [
      'as a checkpoint ends',
      LatencyMonitor.prototype,
      'add',
      async ({ other }) => {
        expect(await other.call('SET', 'a', '1')).toBe('OK')
        expect(await other.call('SAVE')).toBe('OK')
      },
    ],
    [
      'in a survey',
      ClientMemory.prototype,
      'evict',
      ({ clock }) => {
        clock.advance(2000)
      },
    ],
  ]

  test.each(cases)('%s', async (_, prototype, method, act) => {
    const scene = await setScene()
    throwOnce(prototype, method)
    await act(scene)
    vi.restoreAllMocks()
    expect(await scene.other.call('PING')).toBe('PONG')
    expect(await scene.victim.call('PING')).toBe('PONG')
    await expectServes(scene)
    await scene.victim.vanish()
  })
})
