import { join } from 'node:path'
import { expect, test } from 'vitest'
import { useProgram } from '../clients/program.ts'
import { freePorts } from '../conformance/peers.ts'
import { ErrorReply, type RawClient, type Reply } from '../server/raw-client.ts'
import { info, kill, launch, startOn, visitPort } from './data-server.ts'
import { describeWithSmallDisk, SmallDisk } from './small-disk.ts'

const program = useProgram()

const VALUE = 'x'.repeat(10_000)
/** How long a server may take to notice that there is room again. */
const MAX_RECOVERY_MS = 10_000

/** The paths of writes, by their reply. */
interface Answers {
  readonly made: string[]
  /** Made, but not in the journal at the time of the reply. */
  readonly unsaved: string[]
  readonly refused: string[]
}

/** Writes to new paths until some writes are refused. */
async function writeUntilRefused(client: RawClient, prefix: string): Promise<Answers> {
  const answers: Answers = { made: [], unsaved: [], refused: [] }
  for (let i = 0; answers.refused.length === 0; i += 10) {
    const paths = Array.from({ length: 10 }, (_, k) => `${prefix}/${i + k}`)
    for (const path of paths) client.send('KSET', path, VALUE)
    for (const path of paths) sortIn(answers, path, await client.next())
  }
  return answers
}

function sortIn(answers: Answers, path: string, reply: Reply): void {
  if (!(reply instanceof ErrorReply)) {
    expect(answers.refused, 'what came before was not refused').toEqual([])
    answers.made.push(path)
  } else if (reply.text.startsWith('MISCONF the write was made')) answers.unsaved.push(path)
  else {
    expect(reply.text).toMatch(/^MISCONF .*No space left on device/)
    answers.refused.push(path)
  }
}

async function expectThere(client: RawClient, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const reply = (await client.call('KGET', path)) as Reply[]
    expect(reply, path).not.toBeInstanceOf(ErrorReply)
    expect((reply[3] as Reply[])[3], path).toBe(VALUE)
  }
}

/** Repeats a write until the server accepts it. */
async function untilTaken(client: RawClient, path: string): Promise<void> {
  const deadline = Date.now() + MAX_RECOVERY_MS
  for (;;) {
    const reply = await client.call('KSET', path, VALUE)
    if (!(reply instanceof ErrorReply)) return
    if (Date.now() > deadline) expect.fail(`after ${MAX_RECOVERY_MS} ms: ${reply.text}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

describeWithSmallDisk('on a full disk', () => {
  for (const durability of ['always', 'everysec']) {
    const options = ['--durability', durability, '--watch-history', '20000']

    test(`${durability}: writes are refused until there is room, reads and watches are served`, async () => {
      const disk = await SmallDisk.make('32m')
      const directory = join(disk.path, 'data')
      const server = await startOn(program, directory, options)
      const [client, watcher] = [await visitPort(server.port), await visitPort(server.port)]
      await client.call('KSET', '/before', VALUE)
      disk.fill(1_000_000)
      const { made, unsaved, refused } = await writeUntilRefused(client, '/load')
      expect(made.length).toBeGreaterThan(10)
      expect(unsaved.length).toBeGreaterThan(0)
      await expectThere(client, ['/before', ...made, ...unsaved])
      for (const path of refused) expect(await client.call('KGET', path)).toBeInstanceOf(ErrorReply)
      const full = await info(client, 'persistence')
      expect(full.get('rdb_last_bgsave_status')).toBe('err')
      expect(full.get('write_error')).toContain('No space left on device')
      expect(await client.call('SAVE')).toBeInstanceOf(ErrorReply)
      // A watcher that starts now sees the tree in memory.
      await watcher.call('SUBSCRIBE', `/load?recursive=true&since=2`)
      const seen = (await watcher.take(made.length + unsaved.length)) as Reply[][]
      expect(seen.at(-1)?.[2]).toContain(`"index":${1 + made.length + unsaved.length}`)
      disk.free()
      await untilTaken(client, '/after')
      expect(await client.call('SAVE')).toBe('OK')
      const well = await info(client, 'persistence')
      expect(well.get('rdb_last_bgsave_status')).toBe('ok')
      expect(well.get('write_error')).toBe('')
      await kill(server)
      const again = await startOn(program, directory, options)
      const reader = await visitPort(again.port)
      await expectThere(reader, ['/before', ...made, ...unsaved, '/after'])
    })

    test(`${durability}: a node that expires on a full disk expires with an event, and stays expired`, async () => {
      const disk = await SmallDisk.make('32m')
      const directory = join(disk.path, 'data')
      const server = await startOn(program, directory, options)
      const [client, watcher] = [await visitPort(server.port), await visitPort(server.port)]
      await watcher.call('SUBSCRIBE', '/lease')
      disk.fill(300_000)
      await client.call('KSET', '/lease', 'x', 'PX', 1500)
      await watcher.next()
      await writeUntilRefused(client, '/load')
      expect(((await watcher.next()) as Reply[])[2]).toContain('"action":"expire"')
      disk.free()
      await untilTaken(client, '/after')
      await client.call('SAVE')
      await kill(server)
      const again = await startOn(program, directory, options)
      const reader = await visitPort(again.port)
      expect(await reader.call('KGET', '/lease')).toBeInstanceOf(ErrorReply)
      await reader.call('SUBSCRIBE', `/lease?since=1`)
      const actions = (await reader.take(2)) as Reply[][]
      expect(actions.map((message) => /"action":"(\w+)"/.exec(String(message[2]))?.[1])).toEqual([
        'set',
        'expire',
      ])
    })

    test(`${durability}: a tree recovered by KRECOVER on a full disk is written when there is room`, async () => {
      const disk = await SmallDisk.make('32m')
      const directory = join(disk.path, 'data')
      const server = await startOn(program, directory, options)
      const client = await visitPort(server.port)
      const paths = Array.from({ length: 300 }, (_, i) => `/recovered/${i}`)
      for (const path of paths) client.send('KSET', path, VALUE)
      await client.take(paths.length)
      const state = await client.call('KSAVE')
      await client.call('KDEL', '/recovered', 'RECURSIVE')
      await client.call('SAVE')
      disk.fill(500_000)
      const reply = await client.call('KRECOVER', String(state))
      expect((reply as ErrorReply).text).toMatch(/^MISCONF the write was made/)
      await expectThere(client, paths)
      while ((await info(client, 'persistence')).get('rdb_last_bgsave_status') === 'ok') {}
      disk.free()
      await untilTaken(client, '/after')
      expect(await client.call('SAVE')).toBe('OK')
      await kill(server)
      const again = await startOn(program, directory, options)
      expect(again.loadedIndex).toBe(paths.length + 1)
      await expectThere(await visitPort(again.port), [...paths, '/after'])
    })

    test(`${durability}: a server killed on a full disk starts when there is room, with all saved writes`, async () => {
      const disk = await SmallDisk.make('32m')
      const directory = join(disk.path, 'data')
      const server = await startOn(program, directory, options)
      const client = await visitPort(server.port)
      const early = Array.from({ length: 200 }, (_, i) => `/early/${i}`)
      for (const path of early) client.send('KSET', path, VALUE)
      await client.take(early.length)
      await client.call('SAVE')
      disk.fill(500_000)
      const { made } = await writeUntilRefused(client, '/load')
      await kill(server)
      disk.fillUp()
      for (let attempt = 0; attempt < 2; attempt++) {
        const [port] = await freePorts(1)
        const running = launch(program, directory, port, options)
        await expect(running.says(/ready on /)).rejects.toThrow('it ended')
        expect(await running.ended).toBe(1)
        expect(running.err).toMatch(/^ktree: .*data.*No space left on device.*\n$/i)
      }
      disk.free()
      const again = await startOn(program, directory, options)
      const reader = await visitPort(again.port)
      await expectThere(reader, [...early, ...made])
      await untilTaken(reader, '/after')
    })
  }
})
