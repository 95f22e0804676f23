import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, pipeline, startPair, Talk } from './pair.ts'

const MB = 1024 ** 2

const END = '$12\r\nthat was all\r\n'

/**
 * Writes a whole pipeline before it reads the first reply.
 *
 * @returns all replies, or those before the connection is closed
 */
function writeThenRead(port: number, input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let tail = ''
    const end = (): void => {
      socket.destroy()
      resolve(Buffer.concat(chunks).toString('latin1'))
    }
    const socket = connect(port, '127.0.0.1', () => {
      socket.pause()
      socket.write(input + encode('ECHO', 'that was all'), 'latin1', () => socket.resume())
    })
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - END.length))).slice(
        -END.length,
      )
      if (tail === END) end()
    })
    socket.on('error', reject)
    socket.on('close', end)
  })
}

describeWithPeer('redis-server', 'output that is long, or that nobody reads', () => {
  let pair: Pair

  beforeAll(async () => {
    pair = await startPair()
  })

  afterAll(() => pair.stop())

  const small = 'x'.repeat(100)
  const large = 'y'.repeat(100_000)

  test.each([
    ['200,000 times GET of 100 bytes', encode('GET', 'small').repeat(200_000), 200_000 * 108],
    [
      '300 times SET and GET of 100 KB',
      (encode('SET', 'key', large) + encode('GET', 'key')).repeat(300),
      300 * (5 + 9 + 100_000 + 2),
    ],
  ])('a pipeline that is written before it is read: %s', async (_, input, length) => {
    await pair.ask(encode('SET', 'small', small))
    const { redis, ktree } = await pair.each((port) => writeThenRead(port, input))
    expect(ktree.length).toBe(length + END.length)
    expect(ktree === redis).toBe(true)
  })

  test('MGET and EXEC of many large values', async () => {
    const value = 'v'.repeat(3 * MB)
    const many = Array(20).fill('big')
    await pair.ask(encode('SET', 'big', value))
    for (const input of [
      encode('MGET', ...many, 'none', 'small', 'big'),
      pipeline('MULTI') +
        encode('GET', 'big').repeat(20) +
        encode('MGET', ...many) +
        pipeline('EXEC'),
      pipeline('CLIENT REPLY SKIP') + encode('MGET', ...many) + pipeline('GET big', 'PING'),
      encode('GETSET', 'big', value) + pipeline('GETRANGE big 5 2000000', 'GETDEL big', 'GET big'),
      encode('ECHO', value) + encode('PING', value) + encode('SET', 'big', value, 'GET'),
    ]) {
      const { redis, ktree } = await pair.each((port) => writeThenRead(port, input))
      expect(ktree === redis).toBe(true)
    }
  })

  test('MONITOR shows long requests whole, and the client is not disconnected', async () => {
    const values = ['\x00\x01"\\\r\n\t\x07\b\x7f\xff a'.repeat(30_000), 'x'.repeat(2 * MB)]
    const { redis, ktree } = await pair.each(async (port) => {
      const [monitor, client] = [await Talk.open(port), await Talk.open(port)]
      await monitor.ask(pipeline('MONITOR'), '+OK\r\n')
      for (const value of values) client.send(encode('SET', 'key', value))
      await client.ask(pipeline('PING'), '+PONG\r\n')
      const lines = await monitor.until('"PING"\r\n')
      monitor.close()
      client.close()
      return lines.replace(/^\+[\d.]+ \[0 [^\]]+\]/gm, '')
    })
    expect(ktree.length).toBe(redis.length)
    expect(ktree === redis).toBe(true)
  })

  test('a hard output limit acts on replies that are not copied', async () => {
    await pair.ask(encode('SET', 'big', 'z'.repeat(20 * MB)))
    await pair.ask(encode('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 1mb 0 0'))
    const { redis, ktree } = await pair.each((port) =>
      writeThenRead(port, encode('GET', 'big').repeat(3)),
    )
    for (const received of [redis, ktree]) expect(received.length).toBeLessThan(20 * MB)
    await pair.ask(encode('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 0 0 0'))
  })
})
