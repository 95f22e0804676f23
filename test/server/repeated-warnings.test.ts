import { pino } from 'pino'
import { expect, test } from 'vitest'
import { RepeatedWarnings } from '../../src/server/repeated-warnings.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { LogLines, start } from './raw-client.ts'
import { connectRaw, TLS } from './tls/tls-client.ts'

const MINUTE_MS = 60_000
const HTTP = 'POST / HTTP/1.1\r\nHost: x\r\n\r\n'
const CLIENT_HELLO = '\x16\x03\x01\x00\x05hello'

function logged() {
  const log = new LogLines()
  const clock = new ManualClock()
  const logger = pino({ level: 'warn' }, log)
  const told = () =>
    log.lines.splice(0).map((line) => {
      const { msg, count, id } = JSON.parse(line)
      return count === undefined ? `${msg} ${id}` : `${msg} ${id} of ${count}`
    })
  return { clock, logger, told }
}

test('of each message the first is said at once, and later ones together once a minute', () => {
  const { clock, logger, told } = logged()
  const warnings = new RepeatedWarnings(clock, logger)
  for (let id = 1; id <= 3; id++) warnings.warn({ id }, 'a')
  warnings.warn({ id: 4 }, 'b')
  expect(told()).toEqual(['a 1', 'b 4'])
  clock.advance(MINUTE_MS - 1)
  expect(told()).toEqual([])
  clock.advance(1)
  expect(told()).toEqual(['a 3 of 2'])
  warnings.warn({ id: 5 }, 'a')
  warnings.warn({ id: 6 }, 'b')
  clock.advance(MINUTE_MS)
  expect(told()).toEqual(['b 6', 'a 5 of 1'])
  clock.advance(MINUTE_MS)
  warnings.warn({ id: 7 }, 'a')
  expect(told()).toEqual(['a 7'])
})

test('what is left is said at the end, and no clock is waited for', () => {
  const { clock, logger, told } = logged()
  const warnings = new RepeatedWarnings(clock, logger)
  for (let id = 1; id <= 3; id++) warnings.warn({ id }, 'a')
  warnings.end()
  expect(told()).toEqual(['a 1', 'a 3 of 2'])
  clock.advance(MINUTE_MS)
  expect(told()).toEqual([])
})

test.each([
  ['HTTP', HTTP, 'it speaks HTTP'],
  ['TLS on a plain port', CLIENT_HELLO, 'it speaks TLS'],
])('clients that speak %s, however many, have two lines in the log', async (_, bytes, message) => {
  const log = new LogLines()
  const server = await start({
    logger: pino({ level: 'warn' }, log),
    directives: { requirepass: 'secret' },
  })
  for (let i = 0; i < 50; i++) {
    const socket = await connectRaw(server.port)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => {})
    socket.resume().write(Buffer.from(bytes, 'latin1'))
    await closed
  }
  expect(log.lines.length).toBe(1)
  await server.close()
  expect(log.lines.filter((line) => line.includes(message)).length).toBe(2)
  expect(log.lines.length).toBe(2)
  expect(JSON.parse(log.lines[1]).count).toBe(49)
})

test('clients that do not speak TLS on its port have two lines in the log', async () => {
  const log = new LogLines()
  const directives = { ...TLS, requirepass: 'secret' }
  const server = await start({ tlsPort: 0, logger: pino({ level: 'warn' }, log), directives })
  for (const bytes of ['PING\r\n', CLIENT_HELLO]) {
    for (let i = 0; i < 20; i++) {
      const socket = await connectRaw(server.tlsPort)
      socket.on('error', () => {})
      socket.resume().write(Buffer.from(bytes, 'latin1'))
      await new Promise((resolve) => socket.once('close', resolve))
    }
  }
  expect(log.lines.length).toBe(2)
  await server.close()
  expect(log.lines.map((line) => JSON.parse(line).count)).toEqual([undefined, undefined, 19, 19])
})
