import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { seal } from '../../src/persistence/checksum.ts'
import { metaKey } from '../../src/persistence/keys.ts'
import { Engine } from '../../src/persistence/level.ts'
import { useProgram } from '../clients/program.ts'
import { freePorts } from '../conformance/peers.ts'
import { ErrorReply, type RawClient, type Reply } from '../server/raw-client.ts'
import {
  info,
  kill,
  refusedStart,
  startOn,
  stop,
  temporaryDirectory,
  visitPort,
} from './data-server.ts'

const program = useProgram()

const treeIn = (directory: string): string => join(directory, 'tree')

test('a second server on the same directory is refused, and the first is not disturbed', async () => {
  const directory = temporaryDirectory()
  const server = await startOn(program, directory)
  const client = await visitPort(server.port)
  await client.call('KSET', '/a', '1')
  const { code, lines } = await refusedStart(program, directory)
  expect(code).toBe(1)
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatch(/^ktree: .*tree is in use by another process.*--dir/)
  await client.call('KSET', '/b', '2')
  expect(await client.call('SAVE')).toBe('OK')
  await kill(server)
  const again = await startOn(program, directory)
  expect(again.loadedIndex).toBe(2)
})

describe('an unusable directory is refused with one line', () => {
  test('a file', async () => {
    const path = join(temporaryDirectory(), 'file')
    writeFileSync(path, 'mine')
    const { code, lines } = await refusedStart(program, path)
    expect(code).toBe(1)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^ktree: cannot open .*file\/tree: ENOTDIR/)
    expect(readFileSync(path, 'utf8')).toBe('mine')
  })

  test('below a file', async () => {
    const path = join(temporaryDirectory(), 'file')
    writeFileSync(path, 'mine')
    const { code, lines } = await refusedStart(program, join(path, 'data'))
    expect(code).toBe(1)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^ktree: cannot .*(ENOTDIR|Not a directory).*file\/data/i)
  })

  // Root may write everywhere, so the program then runs as nobody.
  const root = process.getuid?.() === 0
  for (const what of ['empty', 'with a tree']) {
    test(`a directory without write permission, ${what}`, async () => {
      const directory = temporaryDirectory()
      if (what !== 'empty') await stop(await startOn(program, directory))
      if (root) {
        chmodSync(directory, 0o755)
        chmodSync(program.directory, 0o755)
      } else chmodSync(what === 'empty' ? directory : treeIn(directory), 0o555)
      const [port] = await freePorts(1)
      const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory]
      const child = spawn(process.execPath, [join(program.dist, 'main.js'), ...args], {
        cwd: '/',
        ...(root && { uid: 65_534, gid: 65_534 }),
      })
      let err = ''
      child.stderr.on('data', (chunk) => {
        err += chunk
      })
      // A server that starts in spite of that writes to its standard output.
      child.stdout.on('data', () => child.kill('SIGKILL'))
      const [code] = await once(child, 'close')
      chmodSync(directory, 0o755)
      if (what !== 'empty') chmodSync(treeIn(directory), 0o755)
      expect(err).toMatch(/^ktree: cannot open .*tree.*permission denied.*\n$/i)
      expect(code).toBe(1)
    })
  }
})

describe('a tree written by a newer ktree is refused, and left alone', () => {
  test('by the format in its marker', async () => {
    const directory = temporaryDirectory()
    await stop(await startOn(program, directory))
    const marker = join(treeIn(directory), 'KTREE')
    const newer = readFileSync(marker, 'utf8').replace(/"format":\d+/, '"format":99')
    writeFileSync(marker, newer)
    const { code, lines } = await refusedStart(program, directory)
    expect(code).toBe(1)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^ktree: .*newer ktree.*99/)
    expect(readFileSync(marker, 'utf8')).toBe(newer)
  })

  test('by the format in its head', async () => {
    const directory = temporaryDirectory()
    await stop(await startOn(program, directory))
    const engine = await Engine.open(treeIn(directory))
    const head = (await engine.get(metaKey)) as Buffer
    const text = head.toString('latin1').replace(/"format":\d+/, '"format":99')
    const newer = Buffer.from(text, 'latin1')
    seal(metaKey, newer)
    await engine.write(engine.batch().put(metaKey, newer), true)
    await engine.close()
    const { code, lines } = await refusedStart(program, directory)
    expect(code).toBe(1)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^ktree: .*newer ktree.*99/)
  })
})

describe('commands for the disk', () => {
  test('SAVE writes at once; INFO and LASTSAVE show it', async () => {
    const directory = temporaryDirectory()
    const started = Math.floor(Date.now() / 1000)
    const server = await startOn(program, directory)
    const client = await visitPort(server.port)
    for (let i = 1; i <= 50; i++) {
      client.send('KSET', '/a', i)
      client.send('SAVE')
    }
    const replies = await client.take(100)
    expect(replies.filter((reply) => reply === 'OK')).toHaveLength(50)
    const told = await info(client, 'persistence')
    expect(told.get('rdb_changes_since_last_save')).toBe('0')
    expect(told.get('rdb_last_bgsave_status')).toBe('ok')
    expect(told.get('durability')).toBe('everysec')
    expect(told.get('data_directory')).toBe(directory)
    expect(Number(told.get('checkpoints'))).toBeGreaterThanOrEqual(50)
    expect(await client.call('LASTSAVE')).toBeGreaterThanOrEqual(started)
    await kill(server)
    expect((await startOn(program, directory)).loadedIndex).toBe(50)
  })

  test('BGSAVE writes soon', async () => {
    const directory = temporaryDirectory()
    const server = await startOn(program, directory)
    const client = await visitPort(server.port)
    await client.call('KSET', '/a', '1')
    expect(await client.call('BGSAVE')).toBe('Background saving started')
    while ((await info(client, 'persistence')).get('rdb_changes_since_last_save') !== '0') {}
    await kill(server)
    expect((await startOn(program, directory)).loadedIndex).toBe(1)
  })

  test('with durability no nothing is written, and SAVE and BGSAVE are refused', async () => {
    const directory = join(temporaryDirectory(), 'data')
    const server = await startOn(program, directory, ['--durability', 'no'])
    const client = await visitPort(server.port)
    await client.call('KSET', '/a', '1')
    for (const request of [['SAVE'], ['BGSAVE'], ['SHUTDOWN', 'SAVE']]) {
      const reply = (await client.call(...request)) as ErrorReply
      expect(reply.text).toContain('durability is no')
    }
    await stop(server)
    expect(existsSync(directory)).toBe(false)
  })

  for (const request of [['SHUTDOWN'], ['SHUTDOWN', 'SAVE'], ['SHUTDOWN', 'NOSAVE']]) {
    test(`${request.join(' ')} keeps the last changes`, async () => {
      const directory = temporaryDirectory()
      const server = await startOn(program, directory)
      const client = await visitPort(server.port)
      await client.call('KSET', '/a', '1')
      await client.call('SAVE')
      client.send('KSET', '/a', '2')
      client.send(...request)
      await client.closed
      expect(await server.program.ended).toBe(0)
      const again = await startOn(program, directory)
      expect(again.loadedIndex).toBe(2)
    })
  }

  test('a signal keeps the last changes', async () => {
    const directory = temporaryDirectory()
    const server = await startOn(program, directory)
    await (await visitPort(server.port)).call('KSET', '/a', '1')
    await stop(server)
    expect((await startOn(program, directory)).loadedIndex).toBe(1)
  })
})

describe('CONFIG SET while clients write', () => {
  /** Writes without pause. @returns a function that stops that, and returns the number of writes */
  function writeOn(client: RawClient): () => Promise<number> {
    let going = true
    const writing = (async () => {
      let made = 0
      for (; going; made += 20) {
        for (let i = 0; i < 20; i++) {
          client.send('KSET', `/load/${(made + i) % 500}`, 'x'.repeat(500))
        }
        for (const reply of await client.take(20)) expect(reply).not.toBeInstanceOf(ErrorReply)
      }
      return made
    })()
    return () => {
      going = false
      return writing
    }
  }

  test('durability can be changed back and forth, and no write acknowledged with always is lost', async () => {
    const directory = temporaryDirectory()
    const server = await startOn(program, directory)
    const [client, writer] = [await visitPort(server.port), await visitPort(server.port)]
    const stopWriting = writeOn(writer)
    for (let i = 0; i < 6; i++) {
      for (const durability of ['no', 'everysec', 'always']) {
        expect(await client.call('CONFIG', 'SET', 'durability', durability)).toBe('OK')
        expect((await info(client, 'persistence')).get('durability')).toBe(durability)
      }
    }
    const made = await stopWriting()
    await kill(server)
    expect((await startOn(program, directory)).loadedIndex).toBe(made)
  })

  test('dir can be changed back and forth, and the last directory has every write', async () => {
    const top = temporaryDirectory()
    const directories = ['a', 'b', 'c'].map((name) => join(top, name))
    const server = await startOn(program, directories[0], ['--durability', 'always'])
    const [client, writer] = [await visitPort(server.port), await visitPort(server.port)]
    const stopWriting = writeOn(writer)
    for (let i = 1; i <= 10; i++) {
      const directory = directories[i % 3]
      expect(await client.call('CONFIG', 'SET', 'dir', directory)).toBe('OK')
      expect((await info(client, 'persistence')).get('data_directory')).toBe(directory)
    }
    const made = await stopWriting()
    await kill(server)
    expect((await startOn(program, directories[1])).loadedIndex).toBe(made)
  })

  test('changes by two clients are made one after the other', async () => {
    const top = temporaryDirectory()
    const server = await startOn(program, join(top, 'a'))
    const [one, other] = [await visitPort(server.port), await visitPort(server.port)]
    for (let i = 0; i < 3000; i++) one.send('KSET', `/f/${i}`, 'x'.repeat(1000))
    await one.take(3000)
    for (let round = 0; round < 5; round++) {
      one.send('CONFIG', 'SET', 'dir', join(top, `b${round}`))
      other.send('CONFIG', 'SET', 'durability', round % 2 ? 'everysec' : 'always')
      other.send('CONFIG', 'SET', 'dir', join(top, `c${round}`))
      await Promise.all([one.take(1), other.take(2)])
      const values = (await one.call('CONFIG', 'GET', 'dir', 'durability')) as Reply[]
      const told = await info(one, 'persistence')
      expect(values[values.indexOf('dir') + 1]).toBe(told.get('data_directory'))
      expect(values[values.indexOf('durability') + 1]).toBe(told.get('durability'))
    }
  })

  test('a directory with a tree that this server has not read is refused, and not changed', async () => {
    const top = temporaryDirectory()
    const [mine, foreign] = [join(top, 'mine'), join(top, 'foreign')]
    const first = await startOn(program, foreign)
    await (await visitPort(first.port)).call('KSET', '/foreign', '1')
    await stop(first)
    const server = await startOn(program, mine, ['--durability', 'always'])
    const client = await visitPort(server.port)
    const stopWriting = writeOn(await visitPort(server.port))
    for (const directory of [foreign, join(top, 'foreign', 'tree', 'CURRENT')]) {
      const reply = (await client.call('CONFIG', 'SET', 'dir', directory)) as ErrorReply
      expect(reply.text).toMatch(/^ERR CONFIG SET failed - /)
      expect(await client.call('CONFIG', 'GET', 'dir')).toEqual(['dir', mine])
      expect((await info(client, 'persistence')).get('data_directory')).toBe(mine)
    }
    const made = await stopWriting()
    await kill(server)
    expect((await startOn(program, mine)).loadedIndex).toBe(made)
    expect((await startOn(program, foreign)).loadedIndex).toBe(1)
  })
})
