import { expect, test } from 'vitest'
import { ErrorReply, join, start } from '../server/raw-client.ts'

test('a command without a name is unknown, even if a server gets it before all others', async () => {
  const client = await join(await start())
  for (let n = 0; n < 2; n++) {
    const reply = await client.call('', 'a')
    expect(reply).toEqual(new ErrorReply("ERR unknown command '', with args beginning with: 'a' "))
    expect(await client.call('PING')).toBe('PONG')
  }
})
