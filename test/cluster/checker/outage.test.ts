import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { useProgram } from '../../clients/program.ts'
import { describeWithPeer } from '../../conformance/peers.ts'
import { isLarge, note, seconds, thousands } from './figures.ts'
import { type ProcessGroup, startProcessGroup } from './process-group.ts'
import { differences } from './trial.ts'

/** How long no member of etcd is there, in milliseconds: in any case until the nodes know. */
const GONE_MS = isLarge ? 60_000 : 3000
const WRITERS_PER_NODE = isLarge ? 10 : 2
const TIMEOUT_MS = 1500
const KINDS = ['made', 'CLUSTERDOWN', 'UNCERTAIN'] as const
type Kind = (typeof KINDS)[number]

/** Adds to a queue, each value once, and notes what has become of it. */
class Writers {
  readonly outcomes = new Map<string, Kind>()
  isOver = false
  readonly #running: Promise<void>[]

  constructor(ports: readonly number[]) {
    this.#running = ports.flatMap((port) =>
      Array.from({ length: WRITERS_PER_NODE }, (_, i) => this.#write(port, i)),
    )
  }

  count(kind: Kind): number {
    return [...this.outcomes.values()].filter((each) => each === kind).length
  }

  of(kind: Kind): string[] {
    return [...this.outcomes].filter(([, each]) => each === kind).map(([value]) => value)
  }

  async end(): Promise<void> {
    this.isOver = true
    await Promise.all(this.#running)
  }

  async #write(port: number, id: number): Promise<void> {
    const redis = new Redis({ port, host: '127.0.0.1' })
    for (let n = 0; !this.isOver; n++) {
      const value = `${port}.${id}.${n}`
      try {
        await redis.call('KCREATE', '/queue', value, 'UNIQUE')
        this.outcomes.set(value, 'made')
      } catch (error) {
        const kind = KINDS.find((each) => (error as Error).message.startsWith(each))
        if (kind === undefined) throw error
        this.outcomes.set(value, kind)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    redis.disconnect()
  }
}

/** Reads a key again and again. */
class Reader {
  readonly replies = { read: 0, refused: 0 }
  longest = 0
  isOver = false
  readonly running: Promise<void>

  constructor(port: number) {
    this.running = this.#read(port)
  }

  async #read(port: number): Promise<void> {
    const redis = new Redis({ port, host: '127.0.0.1' })
    while (!this.isOver) {
      const started = performance.now()
      await redis.get('known').then(
        () => this.replies.read++,
        (error: Error) => {
          expect(error.message).toMatch(/^CLUSTERDOWN/)
          this.replies.refused++
        },
      )
      this.longest = Math.max(this.longest, performance.now() - started)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    redis.disconnect()
  }
}

describeWithPeer('etcd', 'etcd is gone for a while', () => {
  const program = useProgram()
  let group: ProcessGroup

  beforeAll(async () => {
    const args = ['--cluster-timeout', String(TIMEOUT_MS)]
    group = await startProcessGroup(join(program.dist, 'main.js'), args)
  })
  afterAll(() => group.stop())

  test('and comes back: no write is lost or doubled, and watchers miss nothing', async () => {
    const ports = group.nodes.map(({ port }) => port)
    const clients = ports.map((port) => new Redis({ port, host: '127.0.0.1' }))
    const [first, , strict] = clients
    await first.set('known', 'x')
    for (const client of clients) await client.call('KSYNC')
    const told: string[][] = await Promise.all(
      ports.map(async (port) => {
        const events: string[] = []
        const watcher = new Redis({ port, host: '127.0.0.1', retryStrategy: () => null })
        watcher.on('message', (_, message: string) => events.push(message))
        await watcher.subscribe('/queue?recursive=true')
        return events
      }),
    )
    const writers = new Writers(ports)
    while (writers.count('made') < 100) await first.ping()
    await strict.config('SET', 'read-consistency', 'linearizable')

    for (const member of group.members.members) await member.kill()
    const gone = performance.now()
    const readers = ports.map((port) => new Reader(port))
    const info = (name: string, text: string): string =>
      new RegExp(`${name}:(.*)\\r`).exec(text)?.[1] ?? ''
    for (const client of clients) {
      while (info('group_state', await client.info('cluster')) !== 'stale') {}
    }
    const stale = seconds(gone)
    while (performance.now() - gone < GONE_MS) await new Promise((done) => setTimeout(done, 50))
    const silence = Number(info('group_etcd_silence_ms', await first.info('cluster')))
    expect(silence).toBeGreaterThan(performance.now() - gone - 2000)
    while (writers.count('CLUSTERDOWN') === 0) await first.ping()
    const before = writers.count('made')
    for (const reader of readers) reader.isOver = true
    await Promise.all(readers.map(({ running }) => running))

    const back = performance.now()
    for (const member of group.members.members) member.mend()
    await Promise.all(group.members.members.map((member) => member.ready()))
    const serves = performance.now()
    while (writers.count('made') === before) await first.ping()
    const firstWrite = seconds(serves)
    while (writers.count('made') < before + 100) await first.ping()
    await writers.end()
    const whole = seconds(back)

    expect(await differences(ports)).toEqual([])
    const queue = (await first.call('KGET', '/queue', 'SORTED')) as unknown[]
    const values = JSON.stringify(queue)
      .match(/"\d+\.\d+\.\d+"/g)
      ?.map((each) => each.slice(1, -1))
    const there = new Set(values)
    expect(there.size).toBe(values?.length)
    expect(writers.of('made').filter((value) => !there.has(value))).toEqual([])
    expect(writers.of('CLUSTERDOWN').filter((value) => there.has(value))).toEqual([])
    const doubtful = writers.of('UNCERTAIN')
    const made = doubtful.filter((value) => there.has(value)).length
    for (const events of told) {
      while (events.length < there.size) await first.ping()
      expect(events.map((event) => /"value":"([\d.]+)"/.exec(event)?.[1])).toEqual(values)
    }
    expect(readers[0].replies.refused + readers[1].replies.refused).toBe(0)
    expect(readers[0].replies.read).toBeGreaterThan(0)
    expect(readers[2].replies.refused).toBeGreaterThan(0)
    for (const client of clients) {
      await client.call('KSYNC')
      expect(info('group_state', await client.info('cluster'))).toBe('ok')
      client.disconnect()
    }
    const [a, b, c] = readers
    note(
      `no member of etcd for ${GONE_MS / 1000} s, while ${3 * WRITERS_PER_NODE} clients write`,
      [
        `stale after ${stale}; INFO told ${silence} ms of silence at the end`,
        `${thousands(a.replies.read + b.replies.read)} reads under session, longest ${Math.round(Math.max(a.longest, b.longest))} ms`,
        `under linearizable ${thousands(c.replies.refused)} CLUSTERDOWN`,
        `writes: ${thousands(writers.count('CLUSTERDOWN'))} CLUSTERDOWN, none there; ${doubtful.length} UNCERTAIN, ${made} there; all ${thousands(writers.count('made'))} others there, none twice`,
        `the first write ${firstWrite} after etcd served again, all ${whole} after it was started`,
        `each watcher was told all ${thousands(there.size)} in order; KSAVE equal`,
      ].join('; '),
    )
  })
})
