import { expect, test } from 'vitest'
import { join, start } from '../server/raw-client.ts'

test('MONITOR shows no password of HELLO, whatever stands before it', async () => {
  const server = await start()
  const monitor = await join(server)
  const client = await join(server)
  let shown = ''
  monitor.socket.on('data', (chunk: Buffer) => {
    shown += chunk.toString('latin1')
  })
  await monitor.call('MONITOR')
  await client.call('HELLO', '3', 'AUTH', 'default', 'secret1', 'AUTH', 'default', 'secret2')
  await client.call('HELLO', '3', 'SETNAME', 'AUTH', 'AUTH', 'default', 'secret3')
  await client.call('HELLO', '3', 'SETNAME', 'name', 'AUTH', 'default', 'secret4')
  await client.call('PING')
  await expect.poll(() => shown).toContain('"PING"')
  expect(shown.match(/"HELLO"/g)).toHaveLength(3)
  expect(shown).toContain('"name"')
  expect(shown).not.toContain('secret')
})
