import { Redis as Redis6 } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { createClient } from 'redis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { describeWithPeer } from '../conformance/peers.ts'
import { join, start } from '../server/raw-client.ts'
import { credentials, fixture, TLS } from '../server/tls/tls-client.ts'
import { redisCli } from './redis-cli.ts'

/** A server that refuses clients without a certificate, and takes its name as that of the user. */
async function serve(): Promise<number> {
  const server = await start({ tlsPort: 0, directives: { ...TLS, 'tls-auth-clients-user': 'CN' } })
  const admin = await join(server)
  await admin.call('ACL', 'SETUSER', 'alice', 'on', '+@all', '~a/*', '&*')
  await admin.call('ACL', 'SETUSER', 'default', 'off')
  return server.tlsPort as number
}

/** The certificates of clients that are refused, and what they are told. */
const REFUSED: readonly (readonly [string | undefined, string])[] = [
  [undefined, 'client refused: it has no certificate'],
  ['expired', 'client refused: its certificate is not valid: CERT_HAS_EXPIRED'],
  ['foreign', 'client refused: its certificate is not valid: UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
]

describeWithPeer('redis-cli', 'redis-cli --tls', () => {
  const cli = (port: number, name: string | undefined, ...command: string[]) => {
    const own = ['--cert', fixture(`${name}.crt`), '--key', fixture(`${name}.key`)]
    const certificate = name === undefined ? [] : own
    const ca = ['--cacert', fixture('authority.crt')]
    return redisCli(['-p', String(port), '--tls', ...ca, ...certificate, ...command])
  }

  test('the right certificate', async () => {
    const port = await serve()
    expect(await cli(port, 'alice', 'ACL', 'WHOAMI')).toMatchObject({ code: 0, out: 'alice' })
    expect((await cli(port, 'alice', 'SET', 'a/b', '1')).out).toBe('OK')
    expect((await cli(port, 'alice', 'GET', 'b')).out).toContain('NOPERM')
    expect((await cli(port, 'bob', 'GET', 'a/b')).out).toContain('NOAUTH')
  })

  test.each(REFUSED)('the certificate %s', async (name, told) => {
    const { code, out, err } = await cli(await serve(), name, 'PING')
    expect(out + err).toContain(told)
    expect(out).not.toContain('PONG')
    expect(code).not.toBe(null)
  })

  test('a server of another authority is not trusted', async () => {
    const port = await serve()
    const args = ['-p', String(port), '--tls', '--cacert', fixture('stranger.crt'), 'PING']
    expect((await redisCli(args)).err).toContain('certificate verify failed')
  })
})

describe.each([
  ['ioredis 5', Redis5 as unknown as typeof Redis6],
  ['ioredis 6', Redis6],
])('%s', (_, Redis) => {
  const create = (port: number, name?: string) => {
    const client = new Redis({
      host: '127.0.0.1',
      port,
      tls: credentials(name) as { ca: Buffer },
      lazyConnect: true,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
    })
    client.on('error', () => {})
    onTestFinished(() => client.disconnect())
    return client
  }

  test('the right certificate', async () => {
    const client = create(await serve(), 'alice')
    expect(await client.call('ACL', 'WHOAMI')).toBe('alice')
    expect(await client.set('a/b', '1')).toBe('OK')
    await expect(client.get('b')).rejects.toThrow('NOPERM')
    const values = await Promise.all(Array.from({ length: 500 }, () => client.incr('a/n')))
    expect(values.at(-1)).toBe(500)
  })

  test.each(REFUSED)('the certificate %s', async (name) => {
    const client = create(await serve(), name)
    await expect(client.ping()).rejects.toThrow()
  })
})

describe.each([2, 3] as const)('node-redis 6, RESP%i', (RESP) => {
  const create = (port: number, name?: string) => {
    const client = createClient({
      RESP,
      socket: {
        host: '127.0.0.1',
        port,
        tls: true,
        ...(credentials(name) as { ca: Buffer }),
        reconnectStrategy: false,
      },
    })
    client.on('error', () => {})
    onTestFinished(() => {
      if (client.isOpen) client.destroy()
    })
    return client
  }

  test('the right certificate', async () => {
    const port = await serve()
    const client = await create(port, 'alice').connect()
    expect(await client.sendCommand(['ACL', 'WHOAMI'])).toBe('alice')
    expect(await client.set('a/b', '1')).toBe('OK')
    await expect(client.get('b')).rejects.toThrow('NOPERM')
    const listener = await create(port, 'alice').connect()
    let tell: (message: string) => void = () => {}
    const message = new Promise<string>((resolve) => {
      tell = resolve
    })
    await listener.subscribe('/a/c', (text) => tell(text))
    await client.set('a/c', '2')
    expect(JSON.parse(await message).node.value).toBe('2')
  })

  test.each(REFUSED)('the certificate %s', async (name) => {
    const client = create(await serve(), name)
    await expect(client.connect().then(() => client.ping())).rejects.toThrow()
  })
})
