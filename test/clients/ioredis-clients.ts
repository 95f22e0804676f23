import { type RedisOptions as Options6, Redis as Redis6 } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { afterEach } from 'vitest'

type Arg = string | Buffer | number

/** The methods of a client, of either version, that the tests use. */
export interface IoRedis {
  status: string
  call(command: string, ...args: Arg[]): Promise<unknown>
  callBuffer(command: string, ...args: Arg[]): Promise<unknown>
  addBuiltinCommand(name: string): void
  connect(): Promise<void>
  ping(): Promise<string>
  info(): Promise<string>
  publish(channel: string, message: string): Promise<number>
  subscribe(...channels: string[]): Promise<unknown>
  unsubscribe(...channels: string[]): Promise<unknown>
  psubscribe(...patterns: string[]): Promise<unknown>
  pipeline(): IoRedisPipeline
  multi(): unknown
  monitor(): Promise<IoRedis>
  disconnect(): void
  quit(): Promise<string>
  on(event: string, listener: (...args: never[]) => void): unknown
  once(event: string, listener: (...args: never[]) => void): unknown
}

export interface IoRedisPipeline {
  call(command: string, ...args: Arg[]): IoRedisPipeline
  exec(): Promise<[error: Error | null, result: unknown][] | null>
}

/** The options that both versions have. */
export type IoRedisOptions = Pick<
  Options6,
  'host' | 'port' | 'password' | 'path' | 'autoResubscribe' | 'retryStrategy' | 'lazyConnect'
> & { maxRetriesPerRequest?: number | null }

export interface IoRedisKind {
  readonly title: string
  readonly protocol: 2 | 3
  create(options: IoRedisOptions): IoRedis
}

/** Replies are the same in all three, because ioredis 6 turns the maps of RESP3 into flat arrays. */
export const ioRedisKinds: readonly IoRedisKind[] = [
  {
    title: 'ioredis 6, RESP3',
    protocol: 3,
    create: (options) => new Redis6({ ...options, protocol: 3 }) as unknown as IoRedis,
  },
  {
    title: 'ioredis 6, RESP2',
    protocol: 2,
    create: (options) => new Redis6({ ...options, protocol: 2 }) as unknown as IoRedis,
  },
  {
    title: 'ioredis 5',
    protocol: 2,
    create: (options) => new Redis5(options) as unknown as IoRedis,
  },
]

/** Creates clients that are disconnected after the test. */
export function useIoRedis(kind: IoRedisKind, port: () => number) {
  const clients: IoRedis[] = []
  afterEach(() => {
    for (const client of clients.splice(0)) client.disconnect()
  })
  return (options: IoRedisOptions = {}): IoRedis => {
    const client = kind.create({ host: '127.0.0.1', port: port(), ...options })
    // Tests receive errors from promises. Without a listener ioredis would log error events.
    client.on('error', () => {})
    clients.push(client)
    return client
  }
}
