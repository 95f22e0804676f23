import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { shareInput } from '../../../src/server/socket/input.ts'

/** Both ends of a connection; the accepted one has not been read yet. */
async function connected(): Promise<{ client: Socket; accepted: Socket }> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const [accepted] = (await once(server, 'connection')) as [Socket]
  onTestFinished(() => void client.destroy())
  return { client, accepted }
}

test('all sockets are read into the same memory', async () => {
  const memory = new Set<ArrayBufferLike>()
  for (const text of ['one', 'two']) {
    const { client, accepted } = await connected()
    const told = new Promise<string>((resolve) => {
      shareInput(accepted, (bytes, length) => {
        memory.add(bytes.buffer)
        resolve(bytes.toString('latin1', 0, length))
      })
    })
    client.write(text)
    expect(await told).toBe(text)
  }
  expect(memory.size).toBe(1)
})

test('the new socket can be paused, reports the end, and still writes', async () => {
  const { client, accepted } = await connected()
  let input = ''
  const socket = shareInput(accepted, (bytes, length) => {
    input += bytes.toString('latin1', 0, length)
  })
  socket.pause()
  client.end('all')
  client.once('data', () => {})
  socket.write('first')
  await once(client, 'data')
  expect(input).toBe('')
  socket.resume()
  await once(socket, 'end')
  expect(input).toBe('all')
  socket.end('last')
  const [last] = (await once(client, 'data')) as [Buffer]
  expect(last.toString()).toBe('last')
})

test('a socket without a handle is read in the ordinary way', async () => {
  const socket = new Duplex({ read() {} }) as Socket
  const told = new Promise<string>((resolve) => {
    expect(
      shareInput(socket, (bytes, length) => resolve(bytes.toString('latin1', 0, length))),
    ).toBe(socket)
  })
  socket.push('as ever')
  expect(await told).toBe('as ever')
})
