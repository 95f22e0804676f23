import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWithPeer } from '../peers.ts'
import {
  encode,
  type Pair,
  parseReplies,
  pipeline,
  startPair,
  Talk,
  withoutNumbers,
} from './pair.ts'

const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }

const requests: readonly string[] = [
  pipeline('CLIENT ID x', 'CLIENT GETNAME', 'CLIENT GETNAME x', 'CLIENT SETNAME', 'CLIENT HELP x'),
  pipeline('CLIENT SETNAME me', 'client getname', 'CLIENT SETNAME x y', 'CLIENT GETNAME'),
  encode('CLIENT', 'SETNAME', 'a b') + encode('CLIENT', 'SETNAME', 'a\n') + pipeline('PING'),
  encode('CLIENT', 'SETNAME', 'me') + encode('CLIENT', 'SETNAME', '') + pipeline('CLIENT GETNAME'),
  encode('CLIENT', 'SETNAME', '\xff') +
    encode('CLIENT', 'SETNAME', '~!') +
    pipeline('CLIENT GETNAME'),
  pipeline('CLIENT INFO x', 'CLIENT LIST x', 'CLIENT LIST TYPE', 'CLIENT LIST TYPE x', 'PING'),
  pipeline('CLIENT LIST TYPE normal x', 'CLIENT LIST ID', 'CLIENT LIST ID x', 'CLIENT LIST ID 1 x'),
  pipeline('CLIENT LIST TYPE master', 'CLIENT LIST type replica', 'CLIENT LIST TYPE Slave'),
  pipeline('CLIENT LIST TYPE pubsub', 'CLIENT LIST ID 999999999', 'CLIENT LIST ID -1 0'),
  pipeline('CLIENT LIST ID 9223372036854775807', 'CLIENT LIST ID 9223372036854775808'),
  pipeline('CLIENT KILL', 'CLIENT KILL x', 'CLIENT KILL ID', 'CLIENT KILL 1.2.3.4:5'),
  pipeline('CLIENT KILL ID 0', 'CLIENT KILL ID x', 'CLIENT KILL ID -1', 'CLIENT KILL ID 999999999'),
  pipeline('CLIENT KILL ID 9223372036854775807', 'CLIENT KILL ID 9223372036854775808'),
  pipeline('CLIENT KILL TYPE x', 'CLIENT KILL TYPE pubsub', 'CLIENT KILL type master'),
  pipeline('CLIENT KILL USER nobody', 'CLIENT KILL USER default ID 999999999'),
  pipeline('CLIENT KILL SKIPME x', 'CLIENT KILL SKIPME no ID 999999999', 'CLIENT KILL NOPE x'),
  pipeline('CLIENT KILL ADDR x', 'CLIENT KILL LADDR x', 'CLIENT KILL ADDR x LADDR', 'PING'),
  pipeline('CLIENT KILL ID 999999999 ID', 'CLIENT KILL ADDR a TYPE normal SKIPME yes'),
  pipeline('CLIENT REPLY', 'CLIENT REPLY x', 'CLIENT REPLY ON', 'CLIENT REPLY ON x', 'PING'),
  pipeline('CLIENT REPLY OFF', 'PING', 'NOPE', 'CLIENT REPLY x', 'CLIENT REPLY ON', 'PING'),
  pipeline('CLIENT REPLY SKIP', 'PING', 'PING x', 'CLIENT REPLY SKIP', 'NOPE', 'NOPE', 'PING y'),
  pipeline('CLIENT REPLY SKIP', 'CLIENT REPLY SKIP', 'PING', 'PING x'),
  pipeline(
    'CLIENT REPLY SKIP',
    'CLIENT REPLY ON',
    'PING',
    'CLIENT REPLY SKIP',
    'CLIENT REPLY x',
    'PING',
  ),
  pipeline('CLIENT REPLY SKIP', 'CLIENT REPLY OFF', 'PING', 'CLIENT REPLY ON'),
  pipeline('CLIENT REPLY OFF', 'CLIENT REPLY SKIP', 'PING', 'PING', 'CLIENT REPLY ON'),
  pipeline('CLIENT REPLY OFF', 'HELLO 2', 'RESET', 'PING', 'CLIENT REPLY SKIP', 'RESET', 'PING'),
  pipeline('CLIENT REPLY OFF', 'QUIT', 'PING'),
  `${pipeline('CLIENT REPLY OFF')}*1\r\n!`,
  `${pipeline('CLIENT REPLY SKIP')}*1\r\n!`,
  pipeline('CLIENT REPLY OFF', 'SUBSCRIBE a', 'UNSUBSCRIBE', 'CLIENT REPLY ON', 'PING'),
  pipeline('CLIENT NO-EVICT', 'CLIENT NO-EVICT x', 'CLIENT NO-EVICT on', 'CLIENT no-evict OFF'),
]

/** The ID of a connection. */
const idOf = async (talk: Talk): Promise<number> => {
  const [id] = parseReplies(await talk.ask(pipeline('CLIENT ID'), '\r\n'))
  return Number(id)
}

/** Fields that differ by nature, or that have no counterpart in ktree. */
const UNLIKE = /^(id|fd|age|idle|qbuf|qbuf-free|argv-mem|rbs|rbp|tot-mem|lib-name|lib-ver)$/

const fieldsOf = (line: string): string[] =>
  withoutNumbers(line)
    .trimEnd()
    .split(' ')
    .filter((field) => !UNLIKE.test(field.split('=')[0]))

describeWithPeer('redis-server', 'CLIENT, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair()
  })
  afterAll(() => pair?.stop())

  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test.for(requests)(`${protocol}: %j`, async (input) => {
      const { redis, ktree } = await pair.ask(prefix + input)
      expect(withoutNumbers(ktree)).toBe(withoutNumbers(redis))
    })

    test(`${protocol}: each connection has an ID higher than the last`, async () => {
      const { redis, ktree } = await pair.each(async (port) => {
        const talks = [await Talk.open(port), await Talk.open(port)]
        const ids = [await idOf(talks[0]), await idOf(talks[1]), await idOf(talks[0])]
        for (const talk of talks) talk.close()
        return [ids[1] - ids[0], ids[2] - ids[0]]
      })
      expect(redis).toEqual([1, 0])
      expect(ktree).toEqual(redis)
    })

    const states: Record<string, string> = {
      'a new connection': '',
      'one with a name': pipeline('CLIENT SETNAME me'),
      'one that monitors': pipeline('MONITOR'),
      'one that subscribes': pipeline('SUBSCRIBE a b', 'PSUBSCRIBE c'),
      'one not to be evicted': pipeline('CLIENT NO-EVICT ON'),
      'after an error': pipeline('CLIENT LIST x'),
      'after an unknown command': pipeline('PING', 'NOPE'),
      'after a wrong arity': pipeline('CLIENT SETNAME'),
    }
    test.for(Object.entries(states))(`${protocol}: CLIENT LIST shows %s`, async ([, input]) => {
      const { redis, ktree } = await pair.each(async (port) => {
        const shown = await Talk.open(port)
        const id = await idOf(shown)
        // A request that gets a reply in every state, so that all requests before it have been served.
        shown.send(prefix + input)
        const watcher = await Talk.open(port)
        await shown.ask(pipeline('PING served'), 'served\r\n')
        const [line] = parseReplies(await watcher.ask(pipeline(`CLIENT LIST ID ${id}`), '\n\r\n'))
        shown.close()
        watcher.close()
        return fieldsOf(String(line))
      })
      expect(ktree).toEqual(redis)
    })

    test(`${protocol}: CLIENT INFO shows the own connection`, async () => {
      const { redis, ktree } = await pair.each(async (port) => {
        const talk = await Talk.open(port)
        const output = await talk.ask(prefix + pipeline('CLIENT INFO'), '\n\r\n')
        talk.close()
        return fieldsOf(String(parseReplies(output).at(-1)))
      })
      expect(ktree).toEqual(redis)
      expect(ktree).toContain('cmd=client|info')
    })
  }

  describe('CLIENT KILL', () => {
    type Filter = (victim: { id: number; port: number }) => string
    const filters: Record<string, Filter> = {
      'by address': ({ port }) => `127.0.0.1:${port}`,
      'by ADDR': ({ port }) => `ADDR 127.0.0.1:${port}`,
      'by ID': ({ id }) => `ID ${id}`,
      'by ID and TYPE': ({ id }) => `id ${id} type normal`,
      'by ID and another TYPE': ({ id }) => `ID ${id} TYPE pubsub`,
      'by two IDs, the last counts': ({ id }) => `ID 999999999 ID ${id}`,
      'by USER': () => 'USER default',
    }
    test.for(Object.entries(filters))('of another client, %s', async ([, filter]) => {
      const { redis, ktree } = await pair.each(async (port) => {
        const victim = await Talk.open(port)
        const killer = await Talk.open(port)
        const id = await idOf(victim)
        const request = `CLIENT KILL ${filter({ id, port: victim.localPort })}`
        const reply = await killer.ask(pipeline(request), '\r\n')
        const after = await victim.ask(pipeline('PING'), '\r\n')
        const own = await killer.ask(pipeline('PING'), '\r\n')
        killer.close()
        victim.close()
        return { reply, after, own }
      })
      expect(ktree).toEqual(redis)
    })

    const own: Record<string, Filter> = {
      'by address': ({ port }) => `127.0.0.1:${port}`,
      'by ID, which it is skipped from': ({ id }) => `ID ${id}`,
      'by ID, not skipped': ({ id }) => `ID ${id} SKIPME no`,
    }
    test.for(Object.entries(own))('of the own connection, %s', async ([, filter]) => {
      const { redis, ktree } = await pair.each(async (port) => {
        const talk = await Talk.open(port)
        const id = await idOf(talk)
        const request = `CLIENT KILL ${filter({ id, port: talk.localPort })}`
        const output = await talk.ask(pipeline(request, 'PING'), 'PONG\r\n')
        talk.close()
        return output
      })
      expect(ktree).toBe(redis)
    })

    test('of subscribers, by TYPE', async () => {
      const { redis, ktree } = await pair.each(async (port) => {
        const victim = await Talk.open(port)
        const killer = await Talk.open(port)
        await victim.ask(pipeline('SUBSCRIBE a'), ':1\r\n')
        const reply = await killer.ask(pipeline('CLIENT KILL TYPE pubsub'), '\r\n')
        const after = await victim.until('PONG\r\n')
        killer.close()
        victim.close()
        return { reply, after }
      })
      expect(ktree).toEqual(redis)
      expect(ktree.reply).toBe(':1\r\n')
    })
  })

  // Redis 7.0 lacks these subcommands; the replies are those of 7.2.
  test('CLIENT SETINFO and CLIENT NO-TOUCH reply as in Redis 7.2', async () => {
    const { ktree } = await pair.ask(
      pipeline('CLIENT SETINFO lib-name x', 'CLIENT SETINFO LIB-VER 1.0', 'CLIENT SETINFO x y') +
        encode('CLIENT', 'SETINFO', 'LIB-name', 'a b') +
        pipeline('CLIENT SETINFO lib-name', 'CLIENT NO-TOUCH on', 'CLIENT NO-TOUCH x') +
        pipeline('CLIENT NO-TOUCH', 'CLIENT INFO'),
    )
    expect(ktree.split('\r\n').slice(0, 8)).toEqual([
      '+OK',
      '+OK',
      "-ERR Unrecognized option 'x'",
      '-ERR LIB-name cannot contain spaces, newlines or special characters.',
      "-ERR wrong number of arguments for 'client|setinfo' command",
      '+OK',
      '-ERR syntax error',
      "-ERR wrong number of arguments for 'client|no-touch' command",
    ])
    expect(ktree).toMatch(/ flags=T .* lib-name=x lib-ver=1\.0\n\r\n$/)
  })
})
