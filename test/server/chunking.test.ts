import { once } from 'node:events'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { frame, join, start } from './raw-client.ts'

const path = fc.constantFrom('/a', '/a/b', '/c', '/c/d/e', '/')
const value = fc.oneof(fc.constantFrom('', '1'), fc.string({ unit: 'binary', maxLength: 300 }))

/** Commands whose replies depend on the store alone. */
const command: fc.Arbitrary<readonly string[]> = fc.oneof(
  fc.tuple(fc.constantFrom('KSET', 'KCREATE', 'kupdate'), path, value),
  fc.tuple(fc.constant('KSET'), path, value, fc.constant('EX'), fc.constant('10')),
  fc.tuple(fc.constant('KGET'), path, fc.constant('RECURSIVE'), fc.constant('SORTED')),
  fc.tuple(fc.constant('KDEL'), path, fc.constantFrom('DIR', 'RECURSIVE')),
  fc.tuple(fc.constant('KCAS'), path, value, fc.constant('PREVVALUE'), fc.constant('1')),
  fc.tuple(fc.constant('KWAIT'), path, fc.constant('SINCE'), fc.constant('1')),
  fc.tuple(fc.constant('ECHO'), value),
  fc.tuple(fc.constant('NOSUCH'), value),
  fc.constantFrom(
    ['KMKDIR', '/c'],
    ['KINDEX'],
    ['KGET'],
    ['HELLO', '3', 'AUTH', 'default', ''],
    ['RESET'],
    ['KWATCH', '/a?recursive=true&since=1'],
    ['KUNWATCH'],
    ['PSUBSCRIBE', '/c*'],
    ['PUNSUBSCRIBE'],
    ['CLIENT', 'REPLY', 'SKIP'],
  ),
)

const isWord = (text: string): boolean => /^[!#-&(-~]+$/.test(text)

/** A command as a frame, as an inline request if its words allow that, or after empty requests. */
const bytes: fc.Arbitrary<string> = fc
  .tuple(command, fc.constantFrom('frame', 'line', 'empty'))
  .map(([args, form]) => {
    if (form === 'line' && args.every(isWord)) return `${args.join(' ')}\r\n`
    return form === 'empty' ? `\r\n*0\r\n${frame(...args)}` : frame(...args)
  })

/** All bytes that a new server sends in reply to some chunks. */
async function repliesTo(chunks: readonly string[]): Promise<string> {
  const server = await start({ clock: new ManualClock() })
  const client = await join(server)
  // These writes give each KWAIT a past event, so that none waits forever.
  client.write(frame('KSET', '/a/b', '0') + frame('KSET', '/c/d/e', '0'))
  await client.take(2)
  for (const chunk of chunks) {
    client.write(chunk)
    await new Promise((resolve) => setImmediate(resolve))
  }
  client.socket.end()
  if (!client.ended) await once(client.socket, 'close')
  await server.close()
  // Only the id differs from one connection to the next.
  return client.unread.replace(/id\r\n:\d+/g, 'id')
}

test('the replies are the same bytes for any division of the input into chunks', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(bytes, { minLength: 1, maxLength: 15 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 }),
      async (requests, lengths) => {
        const input = requests.join('')
        const chunks: string[] = []
        let at = 0
        for (const length of lengths) {
          if (at < input.length) chunks.push(input.slice(at, at + length))
          at += length
        }
        if (at < input.length) chunks.push(input.slice(at))
        expect(await repliesTo(chunks)).toBe(await repliesTo([input]))
      },
    ),
    { numRuns: 150 },
  )
})

test('the replies are the same bytes for input sent byte by byte', async () => {
  const input = `${frame('KSET', '/a', 'Gr\xfc\xdfe\0\r\n')}${frame('KGET', '/', 'RECURSIVE')}KINDEX\r\n`
  expect(await repliesTo([...input])).toBe(await repliesTo([input]))
})
