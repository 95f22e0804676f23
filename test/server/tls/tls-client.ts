import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, connect as connectPlain, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect } from 'node:tls'
import { onTestFinished } from 'vitest'
import { RawClient } from '../raw-client.ts'

/** The path of a file that make.sh has made. */
export function fixture(name: string): string {
  return join(import.meta.dirname, 'certificates', name)
}

/** The directives of a server with a certificate of the authority. */
export const TLS = {
  'tls-cert-file': fixture('server.crt'),
  'tls-key-file': fixture('server.key'),
  'tls-ca-cert-file': fixture('authority.crt'),
} as const

/** What a client connects with: the authority that it trusts, and its own certificate. */
export function credentials(name?: string): ConnectionOptions {
  const ca = readFileSync(fixture('authority.crt'))
  if (name === undefined) return { ca }
  return {
    ca,
    cert: readFileSync(fixture(`${name}.crt`)),
    key: readFileSync(fixture(`${name}.key`)),
  }
}

/** By the socket, what it can be resumed with: the last that the server has sent. */
export const sessions = new WeakMap<Socket, Buffer>()

/**
 * Connects a client, and waits until the server has let it in, or closed.
 *
 * @param name whose certificate it has; undefined for none
 */
export async function joinTls(
  server: { readonly tlsPort: number | undefined },
  name?: string,
  more: ConnectionOptions = {},
): Promise<RawClient> {
  const socket = connect({ port: server.tlsPort, ...credentials(name), ...more })
  onTestFinished(() => void socket.destroy())
  socket.on('session', (session: Buffer) => void sessions.set(socket, session))
  const client = new RawClient(socket)
  const greeted = new Promise<void>((resolve) => void socket.once('secureConnect', resolve))
  await Promise.race([greeted, client.closed])
  return client
}

/** The first record that a TLS client sends. */
export async function firstRecord(): Promise<Buffer> {
  const recorder = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void recorder.close())
  await once(recorder, 'listening')
  const client = connect({ port: (recorder.address() as AddressInfo).port, ...credentials() })
  client.on('error', () => {})
  const [socket] = (await once(recorder, 'connection')) as [Socket]
  const [record] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  socket.destroy()
  return record
}

/** Connects without speaking TLS. */
export async function connectRaw(port: number | undefined): Promise<Socket> {
  const socket = connectPlain(port ?? 0, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** A directory that goes with the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'ktree-tls-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Certificate and key in a directory of the test, where they can be replaced. */
export function movable(name: string): { cert: string; key: string; become(name: string): void } {
  const directory = temporaryDirectory()
  const cert = join(directory, 'server.crt')
  const key = join(directory, 'server.key')
  const become = (other: string): void => {
    copyFileSync(fixture(`${other}.crt`), cert)
    copyFileSync(fixture(`${other}.key`), key)
  }
  become(name)
  return { cert, key, become }
}
