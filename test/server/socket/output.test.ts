import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { DirectOutput } from '../../../src/server/socket/output.ts'

/** Both ends of a connection. */
async function connected(): Promise<{ client: Socket; accepted: Socket }> {
  const server = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const client = connect({ port, host: '127.0.0.1' })
  const [accepted] = (await once(server, 'connection')) as [Socket]
  onTestFinished(() => {
    client.destroy()
    accepted.destroy()
  })
  return { client, accepted }
}

test('the socket sends the bytes that the system did not take, and all bytes come in order', async () => {
  const { client, accepted } = await connected()
  const output = new DirectOutput(accepted)
  const chunk = Buffer.alloc(100_000)
  const sent: Buffer[] = []
  const written: number[] = []
  client.pause()
  for (let i = 0; i < 200; i++) {
    chunk.fill(i)
    const bytes = Buffer.from(chunk)
    sent.push(bytes)
    const direct = output.write(bytes, bytes.length)
    written.push(direct)
    if (direct < bytes.length) accepted.write(bytes.subarray(direct))
  }
  accepted.end()
  const received: Buffer[] = []
  client.on('data', (data: Buffer) => received.push(data))
  client.resume()
  await once(client, 'end')
  expect(Buffer.concat(received).equals(Buffer.concat(sent))).toBe(true)
  // The system took the first chunks; once the socket had bytes to send, no later chunk overtook them.
  expect(written[0]).toBe(chunk.length)
  const stuck = written.findIndex((count) => count < chunk.length)
  expect(written.slice(stuck + 1).every((count) => count === 0)).toBe(true)
})

test('only the given number of bytes is written', async () => {
  const { client, accepted } = await connected()
  const output = new DirectOutput(accepted)
  expect(output.write(Buffer.from('abcdef'), 3)).toBe(3)
  accepted.end()
  const [data] = (await once(client, 'data')) as [Buffer]
  expect(data.toString()).toBe('abc')
})

test('a closed socket is not written to, even if its descriptor now belongs to another file', async () => {
  const { accepted } = await connected()
  const output = new DirectOutput(accepted)
  const { fd } = (accepted as unknown as { _handle: { fd: number } })._handle
  accepted.destroy()
  const directory = mkdtempSync(join(tmpdir(), 'ktree-output-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'file')
  const opened = [openSync(file, 'w')]
  onTestFinished(() => opened.forEach((each) => void closeSync(each)))
  // The system gives a new file the lowest free descriptor.
  while (!opened.includes(fd) && opened.length < 100) opened.push(openSync(file, 'w'))
  expect(opened).toContain(fd)
  expect(output.write(Buffer.from('lost'), 4)).toBe(0)
  expect(readFileSync(file, 'utf8')).toBe('')
})

test('a reset connection is reported by the socket, not by the direct write', async () => {
  const { client, accepted } = await connected()
  const output = new DirectOutput(accepted)
  const failed = once(accepted, 'error')
  client.resetAndDestroy()
  while (output.write(Buffer.from('x'), 1) === 1) await new Promise((next) => setImmediate(next))
  accepted.write('x')
  await failed
})

test('a socket without a handle is not written to', () => {
  expect(new DirectOutput(new Duplex() as Socket).write(Buffer.from('x'), 1)).toBe(0)
})

test('bytes that the socket still has to send come first', async () => {
  const { client, accepted } = await connected()
  const output = new DirectOutput(accepted)
  accepted.cork()
  accepted.write('first ')
  expect(output.write(Buffer.from('second'), 6)).toBe(0)
  accepted.write('second')
  accepted.end()
  let received = ''
  client.on('data', (data: Buffer) => {
    received += data.toString()
  })
  await once(client, 'end')
  expect(received).toBe('first second')
})
