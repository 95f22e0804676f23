import { cpSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { join, type RawClient, type Reply, start } from '../server/raw-client.ts'
import { temporaryDirectory } from './support.ts'

const GAP = 1_000_000

interface Crashed {
  directory: string
  /** The path of a write that was acknowledged and shown to watchers, but is not on the disk. */
  lost: string
}

const indexIn = (reply: Reply): Reply => (Array.isArray(reply) ? (reply.at(-1) ?? null) : reply)

function startOn(dir: string, durability = 'everysec'): Promise<RunningServer> {
  return start({ directives: { dir, durability } })
}

/** Makes three writes that are on the disk, and a fourth that a power cut loses. */
async function crash(durability = 'everysec'): Promise<Crashed> {
  const directory = temporaryDirectory()
  const client = await join(await startOn(directory, durability))
  for (const name of ['a', 'b', 'c']) await client.call('KSET', `/${name}`, '1')
  await client.call('SAVE')
  // A copy of the directory is what a power cut would leave; the server goes on in the original.
  const copy = temporaryDirectory()
  cpSync(directory, copy, { recursive: true })
  expect(indexIn(await client.call('KSET', '/lost', '1'))).toBe(4)
  return { directory: copy, lost: '/lost' }
}

async function watch(client: RawClient, channel: string): Promise<Reply> {
  return await client.call('SUBSCRIBE', channel)
}

test('after a crash the index skips ahead, so that no index names two events', async () => {
  const { directory, lost } = await crash()
  const server = await startOn(directory)
  const client = await join(server)
  expect(await client.call('KINDEX')).toBe(3 + GAP)
  expect(await client.call('KGET', lost)).toMatchObject({ text: expect.any(String) })
  expect(indexIn(await client.call('KSET', '/new', '1'))).toBe(3 + GAP + 1)
})

test('a watcher that has seen a lost event is refused, now and later; others go on', async () => {
  const { directory } = await crash()
  for (const durability of ['everysec', 'always', 'everysec']) {
    const server = await startOn(directory, durability)
    const client = await join(server)
    await client.call('KSET', '/new', durability)
    const has = await join(server)
    const refusal = { text: expect.stringMatching(/^EVENTINDEXCLEARED 401 /) }
    expect(await watch(has, '/?recursive=true&since=5')).toMatchObject(refusal)
    expect(await watch(has, `/?recursive=true&since=${3 + GAP}`)).toMatchObject(refusal)
    const hasNot = await join(server)
    expect(await watch(hasNot, '/?recursive=true&since=4')).toHaveLength(3)
    const message = (await hasNot.next()) as Reply[]
    const event = JSON.parse(String(message[2]))
    expect([event.node.key, event.node.modifiedIndex]).toEqual(['/new', 3 + GAP + 1])
    // A server that is closed in order leaves no gap.
    await server.close()
  }
})

test('KSAVE and KRECOVER keep the gap', async () => {
  const { directory } = await crash()
  const client = await join(await startOn(directory))
  const state = (await client.call('KSAVE')) as string
  expect(await client.call('KRECOVER', state)).toBe('OK')
  expect(await client.call('KINDEX')).toBe(3 + GAP)
})

test('with always nothing is lost, and the index does not skip', async () => {
  const { directory } = await crash('always')
  const client = await join(await startOn(directory, 'always'))
  expect(await client.call('KINDEX')).toBe(3)
})

test('with a gap of 0 the index does not skip', async () => {
  const { directory } = await crash()
  const directives = { dir: directory, 'crash-index-gap': '0' }
  const client = await join(await start({ directives }))
  expect(await client.call('KINDEX')).toBe(3)
})
