import { expect, onTestFinished, test, vi } from 'vitest'
import { Message } from '../../src/resp/message.ts'
import { join, Push, type Reply, start } from '../server/raw-client.ts'

const NODES = 200
const CHANNELS = [
  '/?recursive=true',
  '//?recursive=true',
  '/.?recursive=true',
  '/a/..?recursive=true',
]

test('channels that are spelled differently make no messages of their own for each event', async () => {
  const server = await start()
  for (let i = 0; i < NODES; i++) server.store.set(`/u/${i}`, `ä\xff${i}`)
  const mover = await join(server)
  const readers = []
  for (const [i, channel] of CHANNELS.entries()) {
    const reader = await join(server, i % 2 === 0 ? 2 : 3)
    await reader.call('SUBSCRIBE', channel)
    readers.push(reader)
  }
  const encoded = vi.spyOn(Message.prototype, 'encoded')
  onTestFinished(() => encoded.mockRestore())
  expect(await mover.call('RENAME', 'u', 't')).toBe('OK')
  const got: Reply[][][] = []
  // One event for the old directory, one for the new, and one for each node.
  for (const reader of readers) {
    const output = (await reader.take(NODES + 2)) as (Push | Reply[])[]
    got.push(output.map((each) => (each instanceof Push ? [...each.items] : each)))
  }
  for (const [i, channel] of CHANNELS.entries()) {
    expect(got[i].map(([kind, name]) => `${kind} ${name}`)).toEqual(
      Array(NODES + 2).fill(`message ${channel}`),
    )
    expect(got[i].map(([, , event]) => event)).toEqual(got[0].map(([, , event]) => event))
  }
  const last = JSON.parse(String(got[0][NODES + 1][2]))
  expect([last.action, last.index]).toEqual(['set', 2 * NODES + 2])
  expect(encoded).not.toHaveBeenCalled()
})
