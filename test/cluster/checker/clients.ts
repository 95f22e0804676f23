import { Redis } from 'ioredis'
import type { SeededRandom } from '../../persistence/seeded-random.ts'
import type { Operation } from './linearizable.ts'
import type { BankInput, Hold, RegisterInput, RegisterOutput } from './models.ts'

/** A client that hears nothing for this long does not know what has happened, in milliseconds. */
const PATIENCE_MS = 12_000
/** After a failure a client waits this long before it asks again, in milliseconds. */
const PAUSE_MS = 20

/** What the clients of one run were told. */
export class History {
  readonly registers = new Map<string, Operation<RegisterInput, RegisterOutput>[]>()
  readonly bank: Operation<BankInput, readonly number[] | true>[] = []
  readonly holds: Hold[] = []
  /** How many operations have a known outcome, were refused, and are in doubt. */
  readonly counts = { known: 0, refused: 0, unknown: 0 }
  readonly #waiting = new Set<() => void>()

  /** Resolves when so many further operations have a known outcome. */
  grows(count: number): Promise<void> {
    const goal = this.counts.known + count
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.counts.known < goal) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
    })
  }

  /** Counts an operation with a known outcome. */
  tell(): void {
    this.counts.known++
    for (const look of this.#waiting) look()
  }

  ofRegister(key: string): Operation<RegisterInput, RegisterOutput>[] {
    const operations = this.registers.get(key) ?? []
    this.registers.set(key, operations)
    return operations
  }
}

export interface ClientOptions {
  readonly ports: readonly number[]
  readonly random: SeededRandom
  readonly history: History
  readonly accounts: number
  readonly registers: number
  /** Of the lock, in milliseconds. */
  readonly ttl: number
  /** A number of its own. */
  readonly id: number
}

type Outcome<T> = { told: T } | 'refused' | 'unknown'

/** A client that asks one thing after the other, at one node until that fails, then at another. */
export class TestClient {
  readonly #options: ClientOptions
  #redis: Redis | undefined
  #count = 0
  #isOver = false

  constructor(options: ClientOptions) {
    this.#options = options
  }

  /** Asks until {@link stop}. */
  async run(): Promise<void> {
    const { random } = this.#options
    while (!this.#isOver) {
      const kind = random.between(0, 9)
      if (kind < 6) await this.#useRegister()
      else if (kind < 9) await this.#useBank()
      else await this.#useLock()
      if (random.between(0, 30) === 0) this.#leave()
    }
    this.#leave()
  }

  stop(): void {
    this.#isOver = true
  }

  async #useRegister(): Promise<void> {
    const { random, registers, history, id } = this.#options
    const key = `r${random.between(0, registers - 1)}`
    const operations = history.ofRegister(key)
    const value = `${id}.${this.#count++}`
    const kind = random.between(0, 2)
    if (kind === 0) {
      const input = { kind: 'write', value } as const
      await this.#record(operations, input, async (redis) => (await redis.set(key, value)) === 'OK')
    } else if (kind === 1) {
      await this.#record(operations, { kind: 'read' }, (redis) => readOf(redis, key))
    } else {
      const from = await this.#ask((redis) => redis.get(key))
      if (typeof from === 'string' || from.told === null) return
      const input = { kind: 'swap', from: from.told, to: value } as const
      await this.#record(operations, input, (redis) => swapOf(redis, key, input.from, value))
    }
  }

  async #useBank(): Promise<void> {
    const { random, accounts, history } = this.#options
    const keys = Array.from({ length: accounts }, (_, i) => `account${i}`)
    if (random.between(0, 2) === 0) {
      const read = async (redis: Redis): Promise<number[]> => {
        await redis.call('KSYNC')
        return (await redis.mget(keys)).map(Number)
      }
      await this.#record(history.bank, { kind: 'read' }, read)
      return
    }
    const from = random.between(0, accounts - 1)
    const to = (from + random.between(1, accounts - 1)) % accounts
    const by = keys.map((_, i) => (i === to ? 1 : 0) - (i === from ? 1 : 0))
    await this.#record(history.bank, { kind: 'transfer', by }, async (redis) => {
      const replies = await redis.multi().decr(keys[from]).incr(keys[to]).exec()
      for (const [error] of replies ?? []) if (error !== null) throw error
      return true as const
    })
  }

  async #useLock(): Promise<void> {
    const { ttl, history, random, id } = this.#options
    const token = `${id}.${this.#count++}`
    const call = performance.now()
    const got = await this.#ask(async (redis) => {
      const reply = redis.call('KCREATE', '/lock', token, 'PX', String(ttl))
      return reply.then(indexOf, (error: Error) =>
        /exists/i.test(error.message) ? 0 : refuse(error),
      )
    })
    if (typeof got === 'string' || got.told === 0) return
    const end = performance.now()
    if (random.between(0, 1) === 0) {
      history.holds.push({ call, end, index: got.told, release: Number.POSITIVE_INFINITY })
      return
    }
    history.holds.push({ call, end, index: got.told, release: performance.now() })
    await this.#ask((redis) =>
      redis.call('KCAD', '/lock', 'PREVVALUE', token).catch(refuseUnlessTest),
    )
  }

  async #record<Input extends { kind: string }, Output>(
    operations: Operation<Input, Output>[],
    input: Input,
    act: (redis: Redis) => Promise<Output>,
  ): Promise<void> {
    const { counts } = this.#options.history
    const call = performance.now()
    const outcome = await this.#ask(act)
    const end = performance.now()
    if (outcome === 'refused') counts.refused++
    else if (outcome === 'unknown') {
      counts.unknown++
      // A read that told nothing explains nothing.
      if (input.kind !== 'read') operations.push({ input, output: undefined, call, end })
    } else {
      this.#options.history.tell()
      operations.push({ input, output: outcome.told, call, end })
    }
  }

  async #ask<T>(act: (redis: Redis) => Promise<T>): Promise<Outcome<T>> {
    let redis: Redis
    try {
      redis = await this.#connected()
    } catch {
      this.#leave()
      await pause()
      return 'refused'
    }
    try {
      return { told: await act(redis) }
    } catch (error) {
      const { message } = error as Error
      this.#leave()
      await pause()
      return message.startsWith('CLUSTERDOWN') ? 'refused' : 'unknown'
    }
  }

  async #connected(): Promise<Redis> {
    if (this.#redis !== undefined) return this.#redis
    const { ports, random } = this.#options
    const redis = new Redis({
      port: ports[random.between(0, ports.length - 1)],
      host: '127.0.0.1',
      lazyConnect: true,
      retryStrategy: () => null,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: PATIENCE_MS,
      connectTimeout: 1000,
    })
    redis.on('error', () => {})
    await redis.connect()
    this.#redis = redis
    return redis
  }

  #leave(): void {
    this.#redis?.disconnect()
    this.#redis = undefined
  }
}

async function readOf(redis: Redis, key: string): Promise<string | null> {
  // Session consistency is less than linearizable, so the read waits for all that was committed before it.
  await redis.call('KSYNC')
  return redis.get(key)
}

async function swapOf(redis: Redis, key: string, from: string, to: string): Promise<boolean> {
  try {
    await redis.call('KCAS', key, to, 'PREVVALUE', from)
    return true
  } catch (error) {
    refuseUnlessTest(error as Error)
    return false
  }
}

/** @returns nothing if a condition did not hold, or nothing is there */
function refuseUnlessTest(error: Error): void {
  if (!/compare failed|not found/i.test(error.message)) throw error
}

function refuse(error: Error): never {
  throw error
}

function indexOf(event: unknown): number {
  const fields = event as unknown[]
  return Number(fields[fields.indexOf('index') + 1])
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}
