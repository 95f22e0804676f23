import { expect, test } from 'vitest'
import { useProgram } from '../clients/program.ts'
import { ErrorReply, type RawClient } from '../server/raw-client.ts'
import { kill, startOn, temporaryDirectory, visitPort } from './data-server.ts'
import { SeededRandom, seedOfRun } from './seeded-random.ts'

const ROUNDS = Number(process.env.KTREE_KILL_ROUNDS ?? 2)
const CLIENTS = 4

/** A length of values, and how many requests each client has in flight. */
interface Load {
  readonly length: number
  readonly depth: number
  /** A small journal makes checkpoints frequent. */
  readonly journal: string
}

const LOADS: readonly Load[] = [
  { length: 16, depth: 1, journal: '64mb' },
  { length: 16, depth: 64, journal: '1mb' },
  { length: 1000, depth: 16, journal: '1mb' },
  { length: 100_000, depth: 16, journal: '64mb' },
  { length: 100_000, depth: 1, journal: '1mb' },
  { length: 5_000_000, depth: 2, journal: '64mb' },
]

const program = useProgram()
const seed = seedOfRun()

/** What clients have been told of each key: the number of its last write that was acknowledged. */
type Acknowledged = Map<string, number>

/** A value that only this write has. */
const distinct = (number: number, length: number): string => `${number}:`.padEnd(length, 'v')

const numberIn = (value: string): number => Number.parseInt(value, 10)

/** Lets a client write until its connection ends. */
async function keepSetting(
  client: RawClient,
  name: string,
  { length, depth }: Load,
  acknowledged: Acknowledged,
  first: number,
): Promise<void> {
  const underWay: [key: string, number: number][] = []
  for (let number = first; !client.ended; number++) {
    // Few keys, so that each is written many times.
    const key = `${name}:${number % 40}`
    client.send('SET', key, distinct(number, length))
    underWay.push([key, number])
    if (underWay.length < depth) continue
    try {
      expect(await client.next()).toBe('OK')
    } catch (error) {
      if (client.ended) return
      throw error
    }
    const [done, value] = underWay.shift() as [string, number]
    acknowledged.set(done, value)
  }
}

for (const durability of ['everysec', 'always']) {
  test(`kill -9 costs no acknowledged write, with ${durability} (seed ${seed})`, {
    timeout: 60_000 + 15_000 * ROUNDS,
  }, async () => {
    const random = new SeededRandom(seed)
    const directory = temporaryDirectory()
    const acknowledged: Acknowledged = new Map()
    let first = 1
    for (let round = 0; round <= ROUNDS; round++) {
      const load = LOADS[round % LOADS.length]
      const options = ['--durability', durability, '--journal-max-size', load.journal]
      options.push('--watch-history', '20')
      const server = await startOn(program, directory, options)
      const reader = await visitPort(server.port)
      for (const [key, number] of acknowledged) {
        const value = await reader.call('GET', key)
        expect(value, key).not.toBeInstanceOf(ErrorReply)
        expect(numberIn(String(value)), key).toBeGreaterThanOrEqual(number)
      }
      const clients = await Promise.all(
        Array.from({ length: CLIENTS }, () => visitPort(server.port)),
      )
      const writing = clients.map((client, i) =>
        keepSetting(client, `c${i}`, load, acknowledged, first),
      )
      await new Promise((resolve) => setTimeout(resolve, random.between(20, 1500)))
      await kill(server)
      await Promise.all(writing)
      first += 1_000_000
      // Large values of an earlier round need not be read again in each later one.
      if (load.length > 1_000_000) acknowledged.clear()
    }
  })
}
