import { expect, test } from 'vitest'
import { useProgram } from '../clients/program.ts'
import { ErrorReply, type Reply } from '../server/raw-client.ts'
import { kill, startOn, temporaryDirectory, visitPort } from './data-server.ts'
import { eventOfMessage } from './tree-model.ts'

const program = useProgram()

test('after a crash the history has the same events, and knows where the dropped events were', async () => {
  const directory = temporaryDirectory()
  const options = ['--watch-history', '100']
  const server = await startOn(program, directory, options)
  const client = await visitPort(server.port)
  client.send('KSET', '/early', 'x')
  for (let i = 2; i <= 3000; i++) {
    client.send('KSET', `/busy/${i % 7}`, 'x'.repeat(1000))
    if (i % 30 === 0) client.send('SAVE')
  }
  await client.take(3100)
  await kill(server)
  for (let start = 0; start < 2; start++) {
    const again = await startOn(program, directory, options)
    expect(again.loadedIndex).toBe(3000)
    const watcher = await visitPort(again.port)
    for (const dropped of ['/busy?recursive=true&since=1', '/early?since=1']) {
      const refused = await watcher.call('SUBSCRIBE', dropped)
      expect((refused as ErrorReply).text).toMatch(/^EVENTINDEXCLEARED 401 /)
    }
    expect(await watcher.call('SUBSCRIBE', '/quiet?recursive=true&since=1')).not.toBeInstanceOf(
      ErrorReply,
    )
    await watcher.call('SUBSCRIBE', '/busy?recursive=true&since=2901')
    const messages = (await watcher.take(100)) as Reply[][]
    const indexes = messages.map((message) => eventOfMessage(String(message[2])).index)
    expect(indexes).toEqual(Array.from({ length: 100 }, (_, i) => 2901 + i))
    await kill(again)
  }
})
