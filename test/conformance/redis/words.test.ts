import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, pipeline, startPair, withoutNumbers } from './pair.ts'

const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }
const LATER = '33333333333'

/** Each is sent as it is, and with bytes added to its words that C may or may not ignore. */
const requests: readonly (readonly string[])[] = [
  ['EXPIREAT', 'k', LATER, 'NX'],
  ['EXPIREAT', 'k', LATER, 'XX', 'GT'],
  ['EXPIREAT', 'k', LATER, 'nope'],
  ['SET', 'k', 'v', 'XX', 'KEEPTTL'],
  ['SET', 'k', 'v', 'nope'],
  ['GETEX', 'k', 'PERSIST'],
  ['COPY', 'k', 'copy', 'DB', '0', 'REPLACE'],
  ['SCAN', '0', 'MATCH', 'k', 'COUNT', '100', 'TYPE', 'string'],
  ['SCAN', '0', 'TYPE', 'list'],
  ['RESTORE', 'k', '0', 'x', 'REPLACE', 'IDLETIME', '1'],
  ['RESTORE', 'k', '0', 'x', 'FREQ', '256'],
  ['FLUSHDB', 'ASYNC'],
  ['FLUSHALL', 'nope'],
  ['MEMORY', 'USAGE', 'missing', 'SAMPLES', '5'],
  ['CLIENT', 'LIST', 'TYPE', 'master'],
  ['CLIENT', 'LIST', 'TYPE', 'nope'],
  ['CLIENT', 'KILL', 'ID', '999999999', 'SKIPME', 'yes'],
  ['CLIENT', 'KILL', 'USER', 'nobody'],
  ['CLIENT', 'KILL', 'TYPE', 'nope'],
  ['CLIENT', 'NO-EVICT', 'off'],
  ['CLIENT', 'REPLY', 'ON'],
  ['CLIENT', 'TRACKING', 'OFF'],
  ['CLIENT', 'PAUSE', '0', 'WRITE'],
  ['CLIENT', 'PAUSE', '0', 'nope'],
  ['COMMAND', 'LIST', 'FILTERBY', 'PATTERN', 'nope'],
  ['HELLO', '2', 'SETNAME', 'me'],
  ['HELLO', '2', 'nope'],
  ['LATENCY', 'GRAPH', 'nope'],
  ['SHUTDOWN', 'ABORT'],
  ['SHUTDOWN', 'SAVE', 'NOSAVE'],
]

const WITHOUT_SUBCOMMANDS = ['FLUSHDB', 'FLUSHALL', 'SHUTDOWN']

/** The positions of a request's option words: letters only, after the names and the key. */
function placesOfWords(request: readonly string[]): number[] {
  const from = WITHOUT_SUBCOMMANDS.includes(request[0]) ? 1 : 2
  return request.flatMap((arg, at) => (at >= from && /^[a-z]{2,}$/i.test(arg) ? [at] : []))
}

describeWithPeer('redis-server', 'option words as C reads them, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair()
  })
  afterAll(() => pair?.stop())

  const setup = pipeline('FLUSHALL', `SET k v EXAT ${LATER}`)
  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test.for(requests)(`${protocol}: %j`, async (request) => {
      const variants = ['', '\0', '\0more', '\n', ' '].flatMap((tail) =>
        placesOfWords(request).map((place) =>
          request.map((arg, at) => (at === place ? arg + tail : arg)),
        ),
      )
      const input = variants.map((args) => setup + encode(...args)).join('')
      const { redis, ktree } = await pair.ask(prefix + input + pipeline('PING'))
      expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
    })
  }

  // The message ends with the client's word. Redis drops only the line breaks at the message's end.
  test('an error that ends in line breaks', async () => {
    const input = ['\n', '\r\n\r\n', 'a\nb\n', '\r', 'a \n '].map((word) =>
      encode('EXPIRE', 'k', '1', word),
    )
    const { redis, ktree } = await pair.ask(input.join(''))
    expect(ktree).toBe(redis)
  })

  test('a pause of 0 ms', async () => {
    const { redis, ktree } = await pair.ask(
      pipeline('CLIENT PAUSE 0', 'PING', 'CLIENT PAUSE 0 ALL'),
    )
    expect(ktree).toBe(redis)
  })
})
