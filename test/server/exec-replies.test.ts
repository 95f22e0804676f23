import { expect, test } from 'vitest'
import { ErrorReply, frame, join, type RawClient, type Reply, start } from './raw-client.ts'

/** Each reply is longer than a piece, or looks at more than one piece does, so that a source makes it. */
const COUNT = 20_000
/** In an EXEC, so many replies of what is estimated anew each time came to over 256 MB. */
const TIMES = 1000

const names = Array.from({ length: COUNT }, (_, i) => `c${i}`)

async function execOf(client: RawClient, ...request: string[]): Promise<readonly Reply[]> {
  await client.call('MULTI')
  client.write(frame(...request).repeat(TIMES))
  await client.take(TIMES)
  const reply = await client.call('EXEC')
  if (!Array.isArray(reply)) throw new Error(`not an array: ${JSON.stringify(reply)}`)
  return reply
}

test('an EXEC of many PUBSUB CHANNELS that list none of many channels is answered', async () => {
  const server = await start()
  const listener = await join(server)
  await listener.call('SUBSCRIBE', ...names)
  const client = await join(server)
  const replies = await execOf(client, 'PUBSUB', 'CHANNELS', 'zz')
  expect(replies).toEqual(new Array(TIMES).fill([]))
})

test('an EXEC of many KEYS that a user may not see is answered', async () => {
  const server = await start()
  const client = await join(server)
  await client.call('MSET', ...names.flatMap((name) => [name, 'v']))
  await client.call('ACL', 'SETUSER', 'u', 'on', 'nopass', '~d*', '+@all')
  await client.call('AUTH', 'u', 'any')
  expect(await execOf(client, 'KEYS', 'c*')).toEqual(new Array(TIMES).fill([]))
})

test.each([1, 100])('an EXEC of 100 KSAVE, %i to each state, is answered', async (each) => {
  const client = await join(await start())
  const requests = Array.from({ length: 100 }, (_, i) =>
    i % each === 0 ? frame('SET', 'k', i) + frame('KSAVE') : frame('KSAVE'),
  )
  await client.call('MULTI')
  client.write(requests.join(''))
  await client.take(100 + 100 / each)
  const replies = (await client.call('EXEC')) as readonly Reply[]
  const states = replies.filter((reply) => typeof reply === 'string' && reply !== 'OK')
  expect(states).toHaveLength(100)
})

test('channels that come and go are listed at once', async () => {
  const server = await start()
  const [client, other] = [await join(server), await join(server)]
  const listed = async (): Promise<unknown> =>
    [...((await other.call('PUBSUB', 'CHANNELS')) as string[])].sort()
  await client.call('SUBSCRIBE', 'a')
  expect(await listed()).toEqual(['a'])
  await client.call('SUBSCRIBE', '/t')
  expect(await listed()).toEqual(['/t', 'a'])
  await client.call('UNSUBSCRIBE', 'a')
  expect(await listed()).toEqual(['/t'])
  client.socket.destroy()
  await client.closed
  await expect.poll(listed).toEqual([])
  expect(await other.call('PUBSUB', 'NUMSUB', '/t')).not.toBeInstanceOf(ErrorReply)
})
