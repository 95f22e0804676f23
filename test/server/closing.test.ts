import { expect, test } from 'vitest'
import { frame, join, start } from './raw-client.ts'

test('requests received before the server closes get their replies', async () => {
  const server = await start()
  for (let i = 0; i < 50_000; i++) server.store.set(`/k${i}`, 'x')
  const slow = await join(server)
  const other = await join(server)
  // The pipeline takes many times as long as one client's turn.
  slow.write(frame('KEYS', '*nothing*').repeat(40))
  await other.call('PING')
  expect(slow.unread.length).toBeLessThan(40 * '*0\r\n'.length)
  await server.close()
  await slow.closed
  expect(slow.unread).toBe('*0\r\n'.repeat(40))
})
