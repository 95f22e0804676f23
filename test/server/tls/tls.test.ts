import { once } from 'node:events'
import { copyFileSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join as joinPaths } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { type Logger, pino } from 'pino'
import { expect, test, vi } from 'vitest'
import { MAX_HANDSHAKES } from '../../../src/server/tls/handshake-turns.ts'
import { TlsGate } from '../../../src/server/tls/tls-gate.ts'
import { ManualClock } from '../../../src/store/clock.ts'
import { ErrorReply, eventually, join, LogLines, start } from '../raw-client.ts'
import {
  connectRaw,
  firstRecord,
  fixture,
  joinTls,
  movable,
  sessions,
  TLS,
  temporaryDirectory,
} from './tls-client.ts'

const OPEN = { ...TLS, 'tls-auth-clients': 'no' }
const log = (): { lines: LogLines; logger: Logger } => {
  const lines = new LogLines()
  return { lines, logger: pino({ level: 'debug' }, lines) }
}
/** The subject of the certificate that a client was shown. */
const shown = (socket: unknown): string =>
  String((socket as TLSSocket).getPeerCertificate().subject.CN)

test('serves requests, long ones and long replies too, and what a subscriber is owed', async () => {
  const server = await start({ tlsPort: 0, directives: OPEN })
  const client = await joinTls(server)
  const long = 'x'.repeat(5_000_000)
  expect(await client.call('SET', 'a', long)).toBe('OK')
  expect(await client.call('GET', 'a')).toBe(long)
  const plain = await join(server)
  expect(await client.call('SUBSCRIBE', '/b')).toEqual(['subscribe', '/b', 1])
  await plain.call('SET', 'b', 'v')
  const [, , event] = (await client.next()) as string[]
  expect(JSON.parse(event).node.value).toBe('v')
  const piped = await joinTls(server)
  for (let i = 0; i < 5000; i++) piped.send('ECHO', i)
  expect(await piped.take(5000)).toEqual(Array.from({ length: 5000 }, (_, i) => String(i)))
  expect(await piped.call('CLIENT', 'INFO')).toMatch(/^id=\d+ addr=127\.0\.0\.1:\d+ laddr=127/)
  piped.socket.end()
  await piped.closed
})

test('no byte of a reply is sent unencrypted', async () => {
  const server = await start({ tlsPort: 0, directives: OPEN })
  const client = await joinTls(server)
  await client.call('SET', 'a', 'CaNaRy')
  // The same connection again, with a witness in the middle.
  const { createServer, connect } = await import('node:net')
  let seen = ''
  const witness = createServer((near) => {
    const far = connect(server.tlsPort as number, '127.0.0.1')
    near.on('data', (chunk: Buffer) => {
      // The first record comes in pieces.
      const cut = seen === '' ? 3 : 0
      seen += chunk.toString('latin1')
      far.write(chunk.subarray(0, cut))
      setImmediate(() => far.write(chunk.subarray(cut)))
    })
    far.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1')
      near.write(chunk)
    })
    for (const socket of [near, far]) socket.on('error', () => {})
    near.on('close', () => far.destroy())
  })
  witness.listen(0, '127.0.0.1')
  await once(witness, 'listening')
  const { port } = witness.address() as { port: number }
  const watched = await joinTls({ tlsPort: port })
  expect(await watched.call('GET', 'a')).toBe('CaNaRy')
  expect(await watched.call('MGET', 'a', 'a')).toEqual(['CaNaRy', 'CaNaRy'])
  expect(seen.length).toBeGreaterThan(500)
  expect(seen).not.toContain('CaNaRy')
  watched.socket.destroy()
  witness.close()
})

test('a server with port 0 serves encrypted connections only', async () => {
  const { Config } = await import('../../../src/config/config.ts')
  const config = new Config()
  for (const [name, value] of Object.entries(OPEN)) config.set(name, [value])
  config.set('port', ['0'])
  config.set('durability', ['no'])
  config.set('bind', ['127.0.0.1'])
  const { startServer } = await import('../../../src/server/start.ts')
  const server = await startServer({ config, tlsPort: 0 })
  expect(server.port).toBe(undefined)
  expect(server.addresses).toEqual([`127.0.0.1:${server.tlsPort}`])
  expect(await (await joinTls(server)).call('PING')).toBe('PONG')
  await server.close()
})

test.each([
  ['yes', undefined, 'it has no certificate'],
  ['yes', 'alice', undefined],
  ['yes', 'expired', 'its certificate is not valid: CERT_HAS_EXPIRED'],
  ['yes', 'foreign', 'its certificate is not valid: UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['optional', undefined, undefined],
  ['optional', 'alice', undefined],
  ['optional', 'expired', 'its certificate is not valid: CERT_HAS_EXPIRED'],
  ['no', 'foreign', undefined],
])(
  'tls-auth-clients %s, a client with the certificate %s, in a resumed session too: %s',
  async (asks, name, refusal) => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const { lines, logger } = log()
      const directives = { ...TLS, 'tls-auth-clients': asks }
      const server = await start({ tlsPort: 0, logger, directives })
      let session: Buffer | undefined
      for (const attempt of ['new', 'resumed']) {
        const client = await joinTls(server, name, { maxVersion, ...(session && { session }) })
        const socket = client.socket as TLSSocket
        client.send('PING')
        const reply = await client.next()
        expect(reply).toEqual(
          refusal === undefined ? 'PONG' : new ErrorReply(`ERR client refused: ${refusal}`),
        )
        expect(socket.isSessionReused()).toBe(attempt === 'resumed')
        if (attempt === 'new') await eventually(() => sessions.has(socket))
        session = sessions.get(socket)
        if (refusal !== undefined) await client.closed
      }
      if (refusal === undefined) continue
      // The second is told with those that come within a minute.
      await server.close()
      expect(
        lines.lines.filter((line) => line.includes(`client refused: ${refusal}`)),
      ).toHaveLength(2)
    }
  },
)

test('a certificate that names a user logs its client in, whatever its password', async () => {
  const file = joinPaths(temporaryDirectory(), 'audit.log')
  const directives = { ...TLS, 'tls-auth-clients-user': 'CN', 'audit-log': file }
  const server = await start({ tlsPort: 0, directives })
  const admin = await join(server)
  await admin.call('ACL', 'SETUSER', 'alice', 'on', '+@all', '~a/*')
  await admin.call('ACL', 'SETUSER', 'default', 'off')
  const alice = await joinTls(server, 'alice')
  expect(await alice.call('ACL', 'WHOAMI')).toBe('alice')
  expect(await alice.call('SET', 'a/b', '1')).toBe('OK')
  expect(String((await alice.call('GET', 'b')) instanceof ErrorReply)).toBe('true')
  // There is no user bob: this client is one that has not logged in.
  const bob = await joinTls(server, 'bob')
  expect(await bob.call('GET', 'a/b')).toEqual(new ErrorReply('NOAUTH Authentication required.'))
  await alice.call('ACL', 'SETUSER', 'alice', 'off')
  const late = await joinTls(server, 'alice')
  expect(await late.call('GET', 'a/b')).toEqual(new ErrorReply('NOAUTH Authentication required.'))
  const entries = (await alice.call('ACL', 'LOG')) as unknown[][]
  expect(entries.map((entry) => [entry[3], entry[7], entry[9]])).toEqual([
    ['auth', 'tls', 'alice'],
    ['auth', 'tls', 'bob'],
    ['key', 'b', 'alice'],
  ])
})

test('a valid certificate that is not asked for names nobody', async () => {
  const directives = { ...TLS, 'tls-auth-clients': 'no', 'tls-auth-clients-user': 'CN' }
  const server = await start({ tlsPort: 0, directives })
  const admin = await join(server)
  await admin.call('ACL', 'SETUSER', 'alice', 'on', '+@all')
  expect(await (await joinTls(server, 'alice')).call('ACL', 'WHOAMI')).toBe('default')
})

test('CONFIG SET to the same name, and reloadCertificates, show new clients the new certificate', async () => {
  const own = movable('server')
  const directives = { ...OPEN, 'tls-cert-file': own.cert, 'tls-key-file': own.key }
  const server = await start({
    tlsPort: 0,
    directives: { ...directives, 'enable-protected-configs': 'yes' },
  })
  const first = await joinTls(server)
  expect(shown(first.socket)).toBe('localhost')
  own.become('renewed')
  const set = ['CONFIG', 'SET', 'tls-cert-file', own.cert, 'tls-key-file', own.key]
  expect(await first.call(...set)).toBe('OK')
  const more = { checkServerIdentity: () => undefined }
  expect(shown((await joinTls(server, undefined, more)).socket)).toBe('renewed')
  own.become('server')
  server.reloadCertificates()
  expect(shown((await joinTls(server)).socket)).toBe('localhost')
  expect(await first.call('PING')).toBe('PONG')
})

test('files that cannot be used change nothing, and the log says why', async () => {
  const own = movable('server')
  const { lines, logger } = log()
  const directives = { ...OPEN, 'tls-cert-file': own.cert, 'tls-key-file': own.key }
  const server = await start({
    tlsPort: 0,
    logger,
    directives: { ...directives, 'enable-protected-configs': 'yes' },
  })
  const client = await joinTls(server)
  const refused = async (name: string, value: string): Promise<void> => {
    expect(await client.call('CONFIG', 'SET', name, value)).toEqual(
      new ErrorReply(
        `ERR CONFIG SET failed (possibly related to argument '${name}') - Unable to update TLS configuration. Check server logs.`,
      ),
    )
    expect(((await client.call('CONFIG', 'GET', name)) as string[])[1]).not.toBe(value)
  }
  await refused('tls-cert-file', fixture('alice.crt'))
  await refused('tls-key-file', '/nowhere')
  await refused('tls-protocols', 'SSLv3')
  await refused('tls-ciphers', 'NONE-SUCH')
  expect(lines.holds('Invalid tls-protocols specified')).toBe(true)
  copyFileSync(fixture('alice.key'), own.key)
  expect(() => server.reloadCertificates()).toThrow(/key values mismatch/)
  expect(shown((await joinTls(server)).socket)).toBe('localhost')
})

test('an authority that is taken away lets nobody in, with a ticket of a former connection neither', async () => {
  const directory = temporaryDirectory()
  const authority = joinPaths(directory, 'one')
  copyFileSync(fixture('authority.crt'), authority)
  copyFileSync(fixture('stranger.crt'), joinPaths(directory, 'another'))
  const directives = { ...TLS, 'tls-ca-cert-file': '', 'tls-ca-cert-dir': directory }
  const server = await start({ tlsPort: 0, directives })
  const alice = await joinTls(server, 'alice')
  const ticket = (async () => (await once(alice.socket, 'session'))[0] as Buffer)()
  expect(await alice.call('PING')).toBe('PONG')
  const session = await ticket
  const again = await joinTls(server, 'alice', { session })
  expect(await again.call('PING')).toBe('PONG')
  expect((again.socket as TLSSocket).isSessionReused()).toBe(true)
  expect(await (await joinTls(server, 'foreign')).call('PING')).toBe('PONG')
  rmSync(authority)
  server.reloadCertificates()
  for (const more of [{}, { session }]) {
    const late = await joinTls(server, 'alice', more)
    expect(String(((await late.next()) as ErrorReply).text)).toContain(
      'its certificate is not valid',
    )
    await late.closed
  }
  // Who is connected stays.
  expect(await again.call('PING')).toBe('PONG')
})

test('certificates are read anew under load, and no connection is dropped', async () => {
  const own = movable('server')
  const directives = { ...OPEN, 'tls-cert-file': own.cert, 'tls-key-file': own.key }
  const server = await start({ tlsPort: 0, directives })
  const more = { checkServerIdentity: () => undefined }
  let going = true
  let requests = 0
  let connections = 0
  const talk = async (): Promise<void> => {
    const client = await joinTls(server, undefined, more)
    while (going) {
      expect(await client.call('INCR', 'n')).toBeTypeOf('number')
      requests++
    }
  }
  const comeAndGo = async (): Promise<void> => {
    while (going) {
      const client = await joinTls(server, undefined, more)
      expect(await client.call('PING')).toBe('PONG')
      client.socket.destroy()
      connections++
    }
  }
  const clients = [...Array.from({ length: 10 }, talk), comeAndGo(), comeAndGo()]
  for (let i = 0; i < 20; i++) {
    own.become(i % 2 === 0 ? 'renewed' : 'server')
    server.reloadCertificates()
    const [asked, come] = [requests, connections]
    await eventually(() => requests > asked + 20 && connections > come)
  }
  going = false
  await Promise.all(clients)
})

test('a key with a passphrase is read with it', async () => {
  const directives = { ...OPEN, 'tls-key-file': fixture('server-encrypted.key') }
  const server = await start({
    tlsPort: 0,
    directives: { ...directives, 'tls-key-file-pass': 'secret' },
  })
  expect(await (await joinTls(server)).call('PING')).toBe('PONG')
  await expect(start({ tlsPort: 0, directives })).rejects.toThrow(/tls-port/)
})

test('tls-protocols, tls-ciphers and tls-ciphersuites say what is spoken', async () => {
  const suite = 'TLS_AES_128_GCM_SHA256'
  const cipher = 'ECDHE-ECDSA-AES256-GCM-SHA384'
  const directives = { ...OPEN, 'tls-ciphersuites': suite, 'tls-ciphers': cipher }
  const server = await start({ tlsPort: 0, directives })
  const spoken = async (maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<string | undefined> =>
    ((await joinTls(server, undefined, { maxVersion })).socket as TLSSocket).getCipher()?.name
  expect(await spoken('TLSv1.3')).toBe(suite)
  expect(await spoken('TLSv1.2')).toBe(cipher)
  const { lines, logger } = log()
  const strict = await start({
    tlsPort: 0,
    logger,
    directives: { ...OPEN, 'tls-protocols': 'TLSv1.3' },
  })
  await (await joinTls(strict, undefined, { maxVersion: 'TLSv1.2' })).closed
  await eventually(() => lines.holds('its TLS handshake failed'))
})

test('a plain client on the TLS port, and the other way round, gets one clear line in the log', async () => {
  const { lines, logger } = log()
  const server = await start({ tlsPort: 0, logger, directives: OPEN })
  const plain = await connectRaw(server.tlsPort)
  plain.write('PING\r\n')
  await once(plain.resume(), 'close')
  expect(lines.lines.filter((line) => line.includes('it does not speak TLS'))).toHaveLength(1)
  await (await joinTls({ tlsPort: server.port })).closed
  expect(
    lines.lines.filter((line) => line.includes('it speaks TLS, on a port that does not')),
  ).toHaveLength(1)
  expect(lines.lines.filter((line) => line.includes('"level":40'))).toHaveLength(2)
})

test('a thousand clients that fall silent in their handshake are cut off, and count like others', async () => {
  const clock = new ManualClock()
  const { lines, logger } = log()
  const server = await start({
    tlsPort: 0,
    clock,
    logger,
    directives: { ...OPEN, maxclients: '1001' },
  })
  const client = await joinTls(server)
  expect(await client.call('PING')).toBe('PONG')
  const silent = await Promise.all(Array.from({ length: 1010 }, () => connectRaw(server.tlsPort)))
  const open = (): Socket[] => silent.filter((socket) => !socket.resume().destroyed)
  // Some begin, with the first bytes of a record.
  for (const socket of silent.slice(0, 500)) socket.write('\x16\x03\x01')
  await eventually(() => open().length === 1000)
  const another = await connectRaw(server.port)
  const [reply] = (await once(another, 'data')) as [Buffer]
  expect(reply.toString()).toBe('-ERR max number of clients reached\r\n')
  expect(await client.call('PING')).toBe('PONG')
  clock.advance(9_000)
  expect(await client.call('PING')).toBe('PONG')
  expect(open()).toHaveLength(1000)
  clock.advance(3_000)
  await eventually(() => open().length === 0)
  expect(lines.lines.filter((line) => line.includes('TLS handshakes took too long'))).toHaveLength(
    1,
  )
  expect(await client.call('PING')).toBe('PONG')
  expect(await (await joinTls(server)).call('PING')).toBe('PONG')
})

test('a client whose records hold almost no data is disconnected, one that sends single bytes is not', async () => {
  const clock = new ManualClock()
  const { lines, logger } = log()
  const server = await start({ tlsPort: 0, clock, logger, directives: OPEN })
  const client = await joinTls(server)
  // Each line feed is an empty request, in a record of its own.
  for (let i = 0; i < 20_000; i++) client.socket.write('\n')
  expect(await client.call('PING')).toBe('PONG')
  clock.advance(1000)
  expect(await client.call('PING')).toBe('PONG')
  const accepted = vi.spyOn(TlsGate.prototype, 'accept')
  const talker = await joinTls(server)
  expect(await talker.call('PING')).toBe('PONG')
  Object.defineProperty(accepted.mock.calls[0][0], 'bytesRead', { value: 300_000 })
  clock.advance(1000)
  await talker.closed
  expect(lines.lines.join('')).toContain('its TLS records hold no data')
})

test('clients that fall silent after their first record take turns, and keep nobody out', async () => {
  const clock = new ManualClock()
  const { lines, logger } = log()
  const server = await start({ tlsPort: 0, clock, logger, directives: OPEN })
  const hello = await firstRecord()
  const silent = await Promise.all(
    Array.from({ length: MAX_HANDSHAKES + 100 }, () => connectRaw(server.tlsPort)),
  )
  let answered = 0
  for (const socket of silent) {
    socket.once('data', () => answered++)
    socket.write(hello)
  }
  await eventually(() => answered === MAX_HANDSHAKES)
  const plain = await join(server)
  let joined = false
  const joining = joinTls(server).then((client) => {
    joined = true
    return client
  })
  // One turn later than the server has read its first record, which may take it some time.
  for (let i = 0; i < 6 && !joined; i++) {
    clock.advance(1_400)
    for (let k = 0; k < 300; k++) expect(await plain.call('PING')).toBe('PONG')
  }
  const client = await joining
  expect(await client.call('PING')).toBe('PONG')
  const closed = (): number => silent.filter((socket) => socket.destroyed).length
  expect(closed()).toBeGreaterThan(0)
  // No more than those whose turn others waited for.
  expect(closed()).toBeLessThanOrEqual(101)
  clock.advance(11_000)
  await eventually(() => closed() === silent.length)
  expect(lines.lines.some((line) => line.includes('TLS handshakes took too long'))).toBe(true)
  expect(await client.call('PING')).toBe('PONG')
})

test.each([
  ['No tls-cert-file configured!', {}],
  ['No tls-key-file configured!', { 'tls-cert-file': TLS['tls-cert-file'] }],
  ['must name a certificate', { ...TLS, 'tls-ca-cert-file': '' }],
  ['ENOENT', { ...TLS, 'tls-key-file': '/nowhere' }],
  ['key values mismatch', { ...TLS, 'tls-key-file': fixture('alice.key') }],
])('the server does not start, and says why: %s', async (reason, directives) => {
  await expect(start({ tlsPort: 0, directives })).rejects.toThrow(reason)
})

test('many clients shake hands at once, with certificates', async () => {
  const server = await start({ tlsPort: 0, directives: TLS })
  const clients = await Promise.all(Array.from({ length: 60 }, () => joinTls(server, 'alice')))
  const replies = await Promise.all(clients.map((client) => client.call('PING')))
  expect(replies).toEqual(Array(60).fill('PONG'))
})
