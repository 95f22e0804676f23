import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import KeyvRedis from '@keyv/redis'
import { RedisStore } from 'connect-redis'
import session, { type SessionData } from 'express-session'
import { Redis } from 'ioredis'
import Keyv from 'keyv'
import { RateLimiterRedisNonAtomic, RateLimiterRes } from 'rate-limiter-flexible'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startServer } from '../../src/server/start.ts'
import { findPeer, startRedis } from '../conformance/peers.ts'

declare module 'express-session' {
  interface SessionData {
    views: number
    user: string
  }
}

interface Running {
  readonly port: number
  stop(): Promise<void>
}

/** The tests must pass on both, because these libraries cannot tell ktree from Redis. */
const servers: Record<string, () => Promise<Running>> = {
  ktree: async () => {
    const server = await startServer()
    return { port: server.port ?? 0, stop: () => server.close() }
  },
  ...(findPeer('redis-server') !== undefined && { redis: () => startRedis() }),
}

describe.each(Object.entries(servers))('libraries made for Redis, on %s', (_, start) => {
  let server: Running
  beforeAll(async () => {
    server = await start()
  })
  afterAll(() => server?.stop())

  const connect = async (RESP: 2 | 3) => {
    const client = createClient({ RESP, socket: { host: '127.0.0.1', port: server.port } })
    await client.connect()
    onTestFinished(() => client.destroy())
    return client
  }

  describe.each([2, 3] as const)('connect-redis, RESP%i', (RESP) => {
    const open = async (prefix: string): Promise<RedisStore> =>
      new RedisStore({ client: await connect(RESP), prefix, ttl: 1000 })
    const data = (user: string): SessionData => ({
      cookie: { originalMaxAge: null },
      user,
      views: 0,
    })

    test('keeps, touches, lists and ends sessions', async () => {
      const store = await open(`sess${RESP}:`)
      const client = await connect(RESP)
      await store.set('one', data('anna'))
      await store.set('two', data('bob'))
      expect(await store.get('one')).toMatchObject({ user: 'anna' })
      expect(await store.get('none')).toBeNull()
      expect(await client.ttl(`sess${RESP}:one`)).toBe(1000)
      await client.expire(`sess${RESP}:one`, 10)
      await store.touch('one', data('anna'))
      expect(await client.ttl(`sess${RESP}:one`)).toBe(1000)
      expect(await store.length()).toBe(2)
      expect((await store.ids()).toSorted()).toEqual(['one', 'two'])
      expect((await store.all()).map(({ user }: SessionData) => user).toSorted()).toEqual([
        'anna',
        'bob',
      ])
      await store.destroy('one')
      expect(await store.ids()).toEqual(['two'])
      await store.clear()
      expect(await store.length()).toBe(0)
    })

    test('iterates over many sessions with SCAN', async () => {
      const store = await open(`many${RESP}:`)
      const ids = Array.from({ length: 500 }, (_, i) => `s${i}`)
      await Promise.all(ids.map((id) => store.set(id, data(id))))
      expect((await store.ids()).toSorted()).toEqual(ids.toSorted())
      await store.clear()
      expect(await store.length()).toBe(0)
    })

    test('keeps the session of a browser', async () => {
      const store = await open(`web${RESP}:`)
      const handle = session({ store, secret: 'x', resave: false, saveUninitialized: true })
      const web = createServer((request, response) => {
        handle(request as never, response as never, () => {
          const { session } = request as never as { session: SessionData }
          session.views = (session.views ?? 0) + 1
          response.end(String(session.views))
        })
      })
      web.listen(0, '127.0.0.1')
      await once(web, 'listening')
      onTestFinished(() => void web.close())
      const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}/`
      const first = await fetch(url)
      const cookie = (first.headers.get('set-cookie') ?? '').split(';')[0]
      expect(await first.text()).toBe('1')
      for (const views of ['2', '3']) {
        expect(await (await fetch(url, { headers: { cookie } })).text()).toBe(views)
      }
      expect(await (await fetch(url)).text()).toBe('1')
    })
  })

  describe('@keyv/redis', () => {
    const open = (namespace: string) => {
      const store = new KeyvRedis<unknown>(`redis://127.0.0.1:${server.port}`)
      const keyv = new Keyv<unknown>({ store, namespace })
      onTestFinished(() => keyv.disconnect())
      return { keyv, store }
    }

    test('keeps values, with and without a TTL', async () => {
      const { keyv } = open('first')
      expect(await keyv.set('a', { x: [1, 'ä'] })).toBe(true)
      expect(await keyv.get('a')).toEqual({ x: [1, 'ä'] })
      await keyv.set('b', 'soon', 60_000)
      expect(await keyv.get('b')).toBe('soon')
      expect(await keyv.has('a')).toBe(true)
      expect(await keyv.delete('a')).toBe(true)
      expect(await keyv.delete('a')).toBe(false)
      expect(await keyv.get('a')).toBeUndefined()
      const client = await connect(2)
      const [key] = await client.keys('first*:b')
      expect(await client.pTTL(key)).toBeGreaterThan(50_000)
    })

    test('writes, reads and deletes many values at once, with MULTI', async () => {
      const { keyv } = open('many')
      const entries = Array.from({ length: 50 }, (_, i) => ({ key: `k${i}`, value: i }))
      await keyv.setMany(entries)
      const keys = [...entries.map(({ key }) => key), 'none']
      expect(await keyv.getMany(keys)).toEqual([...entries.map(({ value }) => value), undefined])
      expect(await keyv.hasMany(['k0', 'none'])).toEqual([true, false])
      expect(await keyv.delete(['k0', 'k1', 'none'])).toBe(true)
      expect(await keyv.hasMany(['k0', 'k1', 'k2'])).toEqual([false, false, true])
    })

    test('iterates over a namespace and clears it, and leaves others alone', async () => {
      const { keyv } = open('ours')
      const { keyv: other } = open('theirs')
      await keyv.setMany([
        { key: 'a', value: 1 },
        { key: 'b', value: 2 },
      ])
      await other.set('a', 3)
      const seen: unknown[] = []
      for await (const [key, value] of keyv.iterator?.('ours') ?? []) seen.push([key, value])
      expect(seen).toHaveLength(2)
      expect(seen).toEqual(
        expect.arrayContaining([
          ['a', 1],
          ['b', 2],
        ]),
      )
      await keyv.clear()
      expect(await keyv.get('a')).toBeUndefined()
      expect(await other.get('a')).toBe(3)
    })
  })

  describe('rate-limiter-flexible, without Lua', () => {
    const ioredis = () => {
      const client = new Redis(server.port, '127.0.0.1')
      onTestFinished(() => client.disconnect())
      return client
    }
    const clients = {
      ioredis: async () => ({ storeClient: ioredis() as unknown }),
      'node-redis': async () => ({ storeClient: await connect(3), useRedisPackage: true }),
    }

    test.each(Object.entries(clients))('with %s', async (name, open) => {
      const limiter = new RateLimiterRedisNonAtomic({
        ...(await open()),
        keyPrefix: `limit-${name}`,
        points: 3,
        duration: 100,
        blockDuration: 200,
      })
      expect(await limiter.get('ip')).toBeNull()
      expect(await limiter.consume('ip')).toMatchObject({ consumedPoints: 1, remainingPoints: 2 })
      expect(await limiter.consume('ip', 2)).toMatchObject({ remainingPoints: 0 })
      const refused = await limiter.consume('ip').catch((reason: unknown) => reason)
      expect(refused).toBeInstanceOf(RateLimiterRes)
      expect((refused as RateLimiterRes).msBeforeNext).toBeGreaterThan(100_000)
      expect(await limiter.get('ip')).toMatchObject({ consumedPoints: 4 })
      await limiter.reward('other', 1)
      await limiter.penalty('other', 2)
      expect(await limiter.get('other')).toMatchObject({ consumedPoints: 1 })
      await limiter.block('third', 50)
      await expect(limiter.consume('third')).rejects.toBeInstanceOf(RateLimiterRes)
      expect(await limiter.delete('ip')).toBe(true)
      expect(await limiter.consume('ip')).toMatchObject({ consumedPoints: 1 })
    })
  })
})
