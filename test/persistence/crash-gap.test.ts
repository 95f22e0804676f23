import { cpSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { type RawClient, type Reply, start, join as visitServer } from '../server/raw-client.ts'
import { temporaryDirectory, useDisk } from './support.ts'

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

/** The segment of the journal that is being written. */
function segmentOf(directory: string): string {
  const journal = join(directory, 'tree', 'journal')
  const [name] = readdirSync(journal).sort()
  return join(journal, name)
}

/** Makes three writes that are on the disk, and a fourth that a power cut loses. */
async function crash(durability = 'everysec', how = 'power cut'): Promise<Crashed> {
  const directory = temporaryDirectory()
  const client = await visitServer(await startOn(directory, durability))
  for (const name of ['a', 'b', 'c']) await client.call('KSET', `/${name}`, '1')
  const { size } = statSync(segmentOf(directory))
  expect(indexIn(await client.call('KSET', '/lost', '1'))).toBe(4)
  // A copy of the directory is what is left; the server goes on in the original.
  const copy = temporaryDirectory()
  cpSync(directory, copy, { recursive: true })
  if (how === 'power cut') {
    truncateSync(segmentOf(copy), size)
    const marker = join(copy, 'tree', 'KTREE')
    writeFileSync(
      marker,
      JSON.stringify({ ...JSON.parse(readFileSync(marker, 'utf8')), boot: 'x' }),
    )
  }
  return { directory: copy, lost: '/lost' }
}

async function watch(client: RawClient, channel: string): Promise<Reply> {
  return await client.call('SUBSCRIBE', channel)
}

test('after a power cut the index skips ahead, so that no index names two events', async () => {
  const { directory, lost } = await crash()
  const server = await startOn(directory)
  const client = await visitServer(server)
  expect(await client.call('KINDEX')).toBe(3 + GAP)
  expect(await client.call('KGET', lost)).toMatchObject({ text: expect.any(String) })
  expect(indexIn(await client.call('KSET', '/new', '1'))).toBe(3 + GAP + 1)
})

test('a watcher that has seen a lost event is refused, now and later; others go on', async () => {
  const { directory } = await crash()
  for (const durability of ['everysec', 'always', 'everysec']) {
    const server = await startOn(directory, durability)
    const client = await visitServer(server)
    await client.call('KSET', '/new', durability)
    const has = await visitServer(server)
    const refusal = { text: expect.stringMatching(/^EVENTINDEXCLEARED 401 /) }
    expect(await watch(has, '/?recursive=true&since=5')).toMatchObject(refusal)
    expect(await watch(has, `/?recursive=true&since=${3 + GAP}`)).toMatchObject(refusal)
    const hasNot = await visitServer(server)
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
  const client = await visitServer(await startOn(directory))
  const state = (await client.call('KSAVE')) as string
  expect(await client.call('KRECOVER', state)).toBe('OK')
  expect(await client.call('KINDEX')).toBe(3 + GAP)
})

test('with always nothing is lost, and the index does not skip', async () => {
  const { directory } = await crash('always')
  const client = await visitServer(await startOn(directory, 'always'))
  expect(await client.call('KINDEX')).toBe(3)
})

test('with a gap of 0 the index does not skip', async () => {
  const { directory } = await crash()
  const directives = { dir: directory, 'crash-index-gap': '0' }
  const client = await visitServer(await start({ directives }))
  expect(await client.call('KINDEX')).toBe(3)
})

test('if only the process ends nothing is lost, and the index does not skip', async () => {
  const { directory, lost } = await crash('everysec', 'kill')
  const client = await visitServer(await startOn(directory))
  expect(await client.call('KINDEX')).toBe(4)
  expect(await client.call('KGET', lost)).not.toMatchObject({ text: expect.any(String) })
})

test('if the journal has failed, what watchers were shown may be lost with the process', async () => {
  const directory = temporaryDirectory()
  const client = await visitServer(await startOn(directory))
  await client.call('KSET', '/a', '1')
  const disk = useDisk()
  disk.failure = new Error('no space left')
  expect(await client.call('KSET', '/lost', '1')).toMatchObject({ text: expect.any(String) })
  const copy = temporaryDirectory()
  await expect
    .poll(() => readFileSync(join(directory, 'tree', 'KTREE'), 'utf8'))
    .toContain('"boot":""')
  cpSync(directory, copy, { recursive: true })
  disk.failure = undefined
  const again = await visitServer(await startOn(copy))
  expect(await again.call('KINDEX')).toBe(1 + GAP)
})
