import { createHash } from 'node:crypto'
import { pino } from 'pino'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Journal } from '../../src/log/journal.ts'
import type { RunningServer } from '../../src/server/start.ts'
import type { Store } from '../../src/store/store.ts'
import { useProgram } from '../clients/program.ts'
import { eventually, frame, join, LogLines, type RawClient, start } from '../server/raw-client.ts'
import { startOn, visitPort } from './data-server.ts'
import { contentOf, type Disk, keep, temporaryDirectory, useDisk } from './support.ts'

const ENDED = 'the server is being shut down'
/** More than a checkpoint writes at a time, several times over. */
const VALUES = 60
const VALUE = 'x'.repeat(100_000)

const program = useProgram()

interface Moving {
  readonly server: RunningServer
  readonly disk: Disk
  readonly log: LogLines
  readonly former: string
  readonly next: string
  /** The client that has asked for the change. */
  readonly admin: RawClient
  readonly other: RawClient
}

async function startKept(durability: string) {
  const former = temporaryDirectory()
  const directives = {
    'crash-index-gap': '0',
    'enable-protected-configs': 'yes',
    dir: former,
    durability,
  }
  const log = new LogLines()
  const server = await start({ directives, logger: pino({}, log) })
  for (let i = 0; i < VALUES; i++) server.store.set(`/d/${i}`, VALUE)
  const [admin, other] = [await join(server), await join(server)]
  const next = temporaryDirectory()
  return { server, log, former, next, admin, other, disk: useDisk() }
}

/** A server that writes its tree into another directory: the first of its pieces is held up. */
async function startMove(durability = 'everysec'): Promise<Moving> {
  const moving = await startKept(durability)
  const { disk, admin, next } = moving
  await admin.call('SAVE')
  disk.hold()
  admin.send('CONFIG', 'SET', 'dir', next)
  // The head of the last checkpoint in the former directory.
  await eventually(() => disk.waiting === 1)
  disk.step()
  await eventually(() => disk.waiting === 1)
  return moving
}

/** A server that has gone on in another directory, and is kept from leaving the former one. */
async function startSwitched(): Promise<Moving & { letGo(): void }> {
  const moving = await startKept('everysec')
  const { admin, next, log } = moving
  const { close } = Journal.prototype
  let letGo = (): void => {}
  const held = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const spy = vi.spyOn(Journal.prototype, 'close').mockImplementation(async function (
    this: Journal,
  ) {
    await held
    await close.call(this)
  })
  onTestFinished(() => spy.mockRestore())
  onTestFinished(letGo)
  admin.send('CONFIG', 'SET', 'dir', next)
  await eventually(() => log.holds('is kept in'))
  return { ...moving, letGo }
}

/** The tree that a new server reads from a directory. */
async function storeIn(directory: string): Promise<Store> {
  const { store, persistence } = await keep({ directory })
  await persistence.close(false)
  return store
}

/** What would be compared by long values takes minutes to show where they differ. */
function digestOf(store: Store): string {
  return createHash('sha256')
    .update(JSON.stringify(contentOf(store)))
    .digest('hex')
}

type End = (moving: Moving) => void

const ends: readonly [string, End][] = [
  ['SHUTDOWN', ({ other }) => other.send('SHUTDOWN')],
  ['SHUTDOWN SAVE', ({ other }) => other.send('SHUTDOWN', 'SAVE')],
  ['SHUTDOWN NOSAVE', ({ other }) => other.send('SHUTDOWN', 'NOSAVE')],
  ['a signal', ({ server }) => void server.close()],
]

test.each(ends)(
  '%s gives up a change of the directory that has not taken effect',
  async (name, end) => {
    const moving = await startMove()
    const { server, disk, log, former, next, admin } = moving
    const writes = disk.writes.length
    end(moving)
    const third = await join(server)
    expect(await third.call('KSET', '/late', '1')).toBeTruthy()
    expect(await third.call('CONFIG', 'SET', 'dir', temporaryDirectory())).toMatchObject({
      text: expect.stringContaining(ENDED),
    })
    expect(await third.call('CONFIG', 'SET', 'durability', 'no')).toMatchObject({
      text: expect.stringContaining(ENDED),
    })
    disk.release()
    expect(await admin.next()).toMatchObject({ text: `ERR CONFIG SET failed - ${ENDED}` })
    await server.closed
    // The whole tree takes more. The other ends write it into the former directory.
    if (name === 'SHUTDOWN NOSAVE') expect(disk.writes.length - writes).toBe(1)
    expect(server.config.get('dir')).toBe(former)
    expect(log.holds('is kept in')).toBe(false)
    expect(log.holds('a checkpoint could not be written')).toBe(false)
    expect(digestOf(await storeIn(former))).toBe(digestOf(server.store))
    // As any change that has failed leaves it: another server may begin there.
    expect((await storeIn(next)).index).toBe(0)
  },
)

test.each(ends)(
  '%s lets a change that has taken effect end, and its client has OK',
  async (_, end) => {
    const moving = await startSwitched()
    const { server, log, former, next, admin } = moving
    end(moving)
    const third = await join(server)
    expect(await third.call('KSET', '/late', '1')).toBeTruthy()
    moving.letGo()
    expect(await admin.next()).toBe('OK')
    await server.closed
    expect(server.config.get('dir')).toBe(next)
    expect(digestOf(await storeIn(next))).toBe(digestOf(server.store))
    const lines = log.lines
      .map((line) => JSON.parse(line))
      .filter(({ msg }) => /is kept in/.test(msg))
    expect(lines).toMatchObject([{ level: 30, former, directory: next }])
  },
)

test('an end gives up the changes that wait for another one, too', async () => {
  const moving = await startMove()
  const { server, disk, former, admin, other } = moving
  other.send('CONFIG', 'SET', 'dir', temporaryDirectory())
  const third = await join(server)
  third.send('CONFIG', 'SET', 'durability', 'no')
  await eventually(() => server.config.get('durability') === 'no')
  const closed = server.close()
  disk.release()
  for (const client of [admin, other, third]) {
    expect(await client.next()).toMatchObject({ text: `ERR CONFIG SET failed - ${ENDED}` })
  }
  await closed
  expect(server.config.get('dir')).toBe(former)
  expect(server.config.get('durability')).toBe('everysec')
  expect(digestOf(await storeIn(former))).toBe(digestOf(server.store))
})

test('SHUTDOWN gives up a change to durability no, and saves', async () => {
  const { server, disk, former, admin, other } = await startKept('everysec')
  disk.hold()
  admin.send('CONFIG', 'SET', 'durability', 'no')
  await eventually(() => disk.waiting === 1)
  other.send('SHUTDOWN', 'SAVE')
  const third = await join(server)
  expect(await third.call('KSET', '/late', '1')).toBeTruthy()
  disk.release()
  expect(await admin.next()).toMatchObject({ text: `ERR CONFIG SET failed - ${ENDED}` })
  await server.closed
  expect(digestOf(await storeIn(former))).toBe(digestOf(server.store))
})

test('SHUTDOWN SAVE is refused when the change that it gives up was to keep something on disk', async () => {
  const { server, disk, admin, other } = await startKept('no')
  disk.hold()
  admin.send('CONFIG', 'SET', 'durability', 'always')
  await eventually(() => disk.waiting === 1)
  other.send('SHUTDOWN', 'SAVE')
  await (await join(server)).call('PING')
  disk.release()
  expect(await admin.next()).toMatchObject({ text: `ERR CONFIG SET failed - ${ENDED}` })
  expect(await other.next()).toMatchObject({
    text: 'ERR durability is no: nothing is kept on disk',
  })
  // The server goes on, and so do changes.
  expect(await admin.call('CONFIG', 'SET', 'durability', 'always')).toBe('OK')
})

test('after a SHUTDOWN that has failed changes are possible again', async () => {
  const { server, disk, former, next, admin, other } = await startKept('everysec')
  await other.call('KSET', '/a', '1')
  disk.failure = new Error('no space left')
  expect(await other.call('SHUTDOWN')).toMatchObject({
    text: 'ERR Errors trying to SHUTDOWN. Check logs.',
  })
  disk.failure = undefined
  expect(await admin.call('CONFIG', 'SET', 'dir', next)).toBe('OK')
  expect(await admin.call('CONFIG', 'SET', 'dir', former)).toBe('OK')
  await server.close()
  expect(digestOf(await storeIn(former))).toBe(digestOf(server.store))
})

test.each(['SHUTDOWN', 'SIGTERM'])(
  'the directory that the log names has what was acknowledged when %s ended the change',
  async (how) => {
    const [former, next] = [temporaryDirectory(), temporaryDirectory()]
    const server = await startOn(program, former, ['--durability', 'always'])
    const loader = await visitPort(server.port)
    for (let i = 0; i < 200; i++) {
      const pairs = Array.from({ length: 200 }, (_, j) => [`/d${i}/${j}`, 'v'.repeat(100)])
      await loader.call('MSET', ...pairs.flat())
    }
    let acknowledged = 0
    const writer = await visitPort(server.port)
    const written = (async () => {
      for (;;) {
        writer.write(frame('INCR', '/counter').repeat(20))
        for (const reply of await writer.take(20)) acknowledged = Number(reply)
      }
    })().catch(() => {})
    const admin = await visitPort(server.port)
    const changed = admin.call('CONFIG', 'SET', 'dir', next)
    await loader.call('PING')
    if (how === 'SHUTDOWN') loader.send('SHUTDOWN')
    else server.program.process.kill('SIGTERM')
    const reply = await changed
    expect(await server.program.ended).toBe(0)
    await written
    expect(acknowledged).toBeGreaterThan(0)
    const named = server.program.out.includes(`the data is kept in ${next}`) ? next : former
    expect(reply === 'OK').toBe(named === next)
    const again = await startOn(program, named)
    expect(
      Number(await (await visitPort(again.port)).call('GET', '/counter')),
    ).toBeGreaterThanOrEqual(acknowledged)
  },
)
