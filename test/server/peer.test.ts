import { execFileSync } from 'node:child_process'
import type { Socket } from 'node:net'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { Config } from '../../src/config/config.ts'
import { peerOf } from '../../src/server/peer.ts'
import { RepeatedWarnings } from '../../src/server/repeated-warnings.ts'
import { TlsGate } from '../../src/server/tls/tls-gate.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { frame, join, start } from './raw-client.ts'
import { TLS } from './tls/tls-client.ts'

const socketOf = (fields: Partial<Socket>): Socket => fields as Socket

test.each([
  ['127.0.0.1', true, '127.0.0.1:5'],
  ['127.9.9.9', true, '127.9.9.9:5'],
  ['::1', true, '[::1]:5'],
  ['::ffff:127.0.0.1', true, '[::ffff:127.0.0.1]:5'],
  ['10.0.0.1', false, '10.0.0.1:5'],
  ['fe80::1', false, '[fe80::1]:5'],
])('the client at %s is local: %s', (remoteAddress, isLocal, address) => {
  const peer = peerOf(socketOf({ remoteAddress, remotePort: 5 }), undefined)
  expect(peer).toMatchObject({ isLocal, isUnixSocket: false, address })
})

test('a port of 0 makes no Unix socket', () => {
  const peer = peerOf(socketOf({ remoteAddress: '10.0.0.1', remotePort: 0 }), undefined)
  expect(peer).toMatchObject({ isLocal: false, isUnixSocket: false })
})

test('a client of a Unix socket is local', () => {
  const peer = peerOf(socketOf({}), '/tmp/socket')
  expect(peer).toMatchObject({ isLocal: true, isUnixSocket: true, address: '/tmp/socket:0' })
})

test('a TCP connection without an address has no peer', () => {
  expect(peerOf(socketOf({}), undefined)).toBeUndefined()
})

/** Sends `argv[3]` to port `argv[1]`, `argv[2]` times, each over a connection that it resets at once. */
const SEND_AND_RESET = `const [port, count, request] = process.argv.slice(1)
for (let i = 0; i < count; i++) {
  const socket = require('node:net').connect(port, '127.0.0.1', () => {
    socket.write(request)
    socket.resetAndDestroy()
  })
}`

test('no request is served of a connection that was reset before it was accepted', async () => {
  const server = await start({ directives: { 'enable-debug-command': 'local' } })
  const observer = await join(server)
  const info = async (field: string): Promise<number> => {
    const text = (await observer.call('INFO')) as string
    return Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(text)?.[1])
  }
  const before = await info('total_connections_received')
  const request = frame('ECHO', 'from the dead') + frame('DEBUG', 'LOG', 'from the dead')
  // The server runs in this process, so it accepts none before all are reset.
  execFileSync(process.execPath, ['-e', SEND_AND_RESET, String(server.port), '100', request])
  await expect.poll(() => info('total_connections_received')).toBe(before + 100)
  await expect.poll(() => info('connected_clients')).toBe(1)
  const stats = (await observer.call('INFO', 'commandstats')) as string
  expect(stats).not.toMatch(/cmdstat_(echo|debug)/)
})

test('the gate for TLS ends such a connection', () => {
  const config = new Config()
  config.setMany(Object.entries(TLS))
  const logger = pino({ enabled: false })
  const gate = new TlsGate({
    config,
    logger,
    warnings: new RepeatedWarnings(new ManualClock(), logger),
    elapsed: () => 0,
    now: () => Date.now(),
    onClient: () => {},
  })
  let destroyed = 0
  const on = (): void => {}
  const destroy = (): void => void destroyed++
  gate.accept(socketOf({ on, once: on, destroy } as never))
  expect([destroyed, gate.size]).toEqual([1, 0])
})
