import { expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { LARGE_VALUE_BYTES, type Value } from '../../src/store/value.ts'
import { testAlone } from '../cluster/alone.ts'
import { temporaryDirectory } from '../persistence/support.ts'
import { usedMemory } from '../server/memory.ts'
import { ErrorReply, join, type Reply, start } from '../server/raw-client.ts'

const MB = 1024 ** 2

function valueAt({ store }: RunningServer, path: string): Value {
  const node = store.lookup(path)
  if (node?.dir !== false) expect.fail(`no file ${path}`)
  return node.value
}

// A checkpoint has the value once for each key, and so has a server that starts from it.
test('a copy takes as much memory as its source', async () => {
  for (const length of [1000, LARGE_VALUE_BYTES - 1, LARGE_VALUE_BYTES, 100_000]) {
    const server = await start({ directives: { 'watch-history': '1' } })
    const client = await join(server)
    await client.call('SET', 'a', 'x'.repeat(length))
    const before = usedMemory()
    const copies = Math.ceil((8 * MB) / length)
    for (let i = 0; i < copies; i++) client.send('COPY', 'a', `b${i}`)
    expect(await client.take(copies)).toEqual(Array(copies).fill(1))
    expect(usedMemory() - before).toBeGreaterThan(7.5 * MB)
    expect(valueAt(server, `/b${copies - 1}`)).toEqual(valueAt(server, '/a'))
  }
})

testAlone(
  'a pipeline is checked before any of it has run',
  'copies are refused above maxmemory, and come back as they were',
  async () => {
    const directives = {
      dir: temporaryDirectory(),
      durability: 'everysec',
      maxmemory: String(usedMemory() + 64 * MB),
    }
    const server = await start({ directives })
    const client = await join(server)
    await client.call('SET', 'a', 'x'.repeat(4 * MB))
    for (let i = 0; i < 100; i++) client.send('COPY', 'a', `b${i}`)
    const replies = (await client.take(100)) as Reply[]
    const copied = replies.filter((reply) => reply === 1).length
    expect(copied).toBeGreaterThan(3)
    // 16 of them take 64 MB, and there may be some garbage.
    expect(copied).toBeLessThan(40)
    for (const reply of replies.slice(copied)) {
      expect((reply as ErrorReply).text).toMatch(/^OOM command not allowed/)
    }
    await server.close()

    const again = await start({ directives })
    expect(again.store.files).toBe(copied + 1)
    for (let i = 0; i < copied; i++) expect(valueAt(again, `/b${i}`)).toHaveLength(4 * MB)
  },
)

test('a transaction of copies ends after 512 MB', async () => {
  const client = await join(await start())
  await client.call('SETRANGE', 'long', '60000000', 'x')
  await client.call('MULTI')
  for (let i = 0; i < 20; i++) await client.call('COPY', 'long', 'b', 'REPLACE')
  const replies = (await client.call('EXEC')) as Reply[]
  expect(replies.slice(0, 9)).toEqual(Array(9).fill(1))
  for (const reply of replies.slice(9)) {
    expect(reply).toBeInstanceOf(ErrorReply)
    expect((reply as ErrorReply).text).toMatch(/^ERR too many bytes copied by one transaction/)
  }
  // Nothing is copied here.
  expect(await client.call('COPY', 'long', 'b')).toBe(0)
})
