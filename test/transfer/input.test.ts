import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { readInput } from '../../src/transfer/input.ts'
import { Progress } from '../../src/transfer/progress.ts'
import { Recorder } from './recorder.ts'
import { snapFile } from './snap-envelope.ts'
import { useTemporaryDirectory } from './temporary-directory.ts'

const path = useTemporaryDirectory()

function write(name: string, content: string | Buffer): string {
  const file = path(name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
  return file
}

async function read(file: string, stdin: Readable = Readable.from([]), maxBytes?: number) {
  const output = new Recorder()
  const progress = new Progress(output, new ManualClock())
  const { document, ...rest } = await readInput(file, stdin, progress, maxBytes)
  return { ...rest, document: document.toString(), lines: output.lines }
}

describe('the content of a file decides, not its name', () => {
  test('JSON', async () => {
    const file = write('really.snap', ' \n{"a":1}')
    expect(await read(file)).toEqual({ name: file, document: ' \n{"a":1}', lines: [] })
  })

  test('a .snap file', async () => {
    const file = write('really.json', snapFile('{"a":1}', 7))
    const expected = { name: file, document: '{"a":1}', raftIndex: 7, lines: [] }
    expect(await read(file)).toEqual(expected)
  })

  test('standard input may be either', async () => {
    const name = 'standard input'
    const json = await read('-', Readable.from([Buffer.from('{"a"'), Buffer.from(':1}')]))
    expect(json).toEqual({ name, document: '{"a":1}', lines: [] })
    const snap = await read('-', Readable.from([snapFile('{}', 7)]))
    expect(snap).toEqual({ name, document: '{}', raftIndex: 7, lines: [] })
  })

  test('a pipe is read to its end', async () => {
    const pipe = path('pipe')
    execFileSync('mkfifo', [pipe])
    const [{ document }] = await Promise.all([read(pipe), writeFile(pipe, '{"a":1}')])
    expect(document).toBe('{"a":1}')
  })
})

describe('a directory of etcd', () => {
  const older = '0000000000000002-0000000000000019.snap'
  const newer = '0000000000000002-000000000000002a.snap'

  test.each(['', 'member', 'member/snap'])('the newest snapshot is found from %j', async (from) => {
    write(`data/member/snap/${older}`, snapFile('{"older":1}'))
    const newest = write(`data/member/snap/${newer}`, snapFile('{"newer":1}', 42))
    write('data/member/snap/db', 'x')
    write(`data/member/snap/zzz.snap.broken`, 'x')
    expect(await read(path('data', from))).toEqual({
      name: newest,
      document: '{"newer":1}',
      raftIndex: 42,
      lines: [`taking ${newest}`],
    })
  })

  test('a damaged snapshot is skipped and reported', async () => {
    const whole = write(`snap/${older}`, snapFile('{"older":1}'))
    const damaged = write(`snap/${newer}`, snapFile('{"newer":1}').subarray(0, -1))
    const { document, lines } = await read(path())
    expect(document).toBe('{"older":1}')
    expect(lines).toEqual([
      `passing over a snapshot: ${damaged}: it is truncated, or no .snap file`,
      `taking ${whole}`,
    ])
  })

  test('a snapshot that is too large, or no file any more, is not passed over', async () => {
    write(`snap/${older}`, snapFile('{"older":1}'))
    const large = write(`snap/${newer}`, snapFile(`{"newer":"${'x'.repeat(100)}"}`))
    await expect(read(path(), undefined, 100)).rejects.toThrow(
      `${large} is too large: no more than 0 MB can be read. It is not passed over, because it may be whole; to import an older snapshot, give its file`,
    )
    const { document } = await read(path('snap', older), undefined, 100)
    expect(document).toBe('{"older":1}')
  })

  test('of many damaged snapshots ten are reported one by one', async () => {
    const name = (number: number): string => `snap/0000000000000002-${1000 + number}.snap`
    for (let i = 1; i <= 300; i++) write(name(i), 'x')
    const whole = write(name(0), snapFile('{"older":1}'))
    const { document, lines } = await read(path())
    expect(document).toBe('{"older":1}')
    expect(lines).toHaveLength(12)
    expect(lines[0]).toContain(`passing over a snapshot: ${path(name(300))} is neither`)
    expect(lines.slice(-2)).toEqual(['passing over 290 more snapshots', `taking ${whole}`])
  })

  test('if all snapshots are damaged, the oldest is named', async () => {
    write(`snap/${older}`, '')
    write(`snap/${newer}`, 'x')
    await expect(read(path())).rejects.toThrow(`${path('snap', older)} is empty`)
  })

  test('without a snapshot the error says how to get one', async () => {
    write('data/member/snap/db', 'x')
    for (const from of [path('data'), path('data/member'), path('data/member/snap')]) {
      await expect(read(from)).rejects.toThrow(
        `etcd has not written a snapshot to ${path('data/member/snap')} yet; start etcd once with --snapshot-count 1`,
      )
    }
  })

  test('any other directory is refused', async () => {
    await expect(read(path())).rejects.toThrow(`${path()} is a directory without snapshots of etcd`)
  })
})

describe('refused, with the reason:', () => {
  const bolt = Buffer.alloc(4096)
  bolt.writeUInt32LE(0xed0cdaed, 16)

  test.each([
    ['nothing', '', 'is empty'],
    ["etcd's v3 database", bolt, 'is a database with etcd v3 data'],
    ['text', 'hello', 'is neither a state in JSON nor a .snap file of etcd'],
    ['other JSON', '[1]', 'is neither a state in JSON nor a .snap file of etcd'],
    ['a damaged .snap file', snapFile('{}').subarray(0, -1), ': it is truncated'],
  ])('%s', async (_, content, reason) => {
    const file = write('input', content)
    await expect(read(file)).rejects.toThrow(`${file}${reason.startsWith(':') ? '' : ' '}${reason}`)
  })

  test('a missing file', async () => {
    await expect(read(path('none'))).rejects.toThrow(
      `cannot read ${path('none')}: there is no such file or directory`,
    )
  })

  test('a file that is too large, as soon as that is known', async () => {
    const file = write('input', '{"a":1}')
    await expect(read(file, undefined, 6)).rejects.toThrow(`${file} is too large`)
    expect((await read(file, undefined, 7)).document).toBe('{"a":1}')
    let chunks = 0
    const endless = Readable.from(
      (function* () {
        for (;;) {
          chunks++
          yield Buffer.from('{{{{')
        }
      })(),
    )
    await expect(read('-', endless, 100)).rejects.toThrow('standard input is too large')
    expect(chunks).toBeLessThan(60)
  })
})

describe('what is no file', () => {
  test.each(['/dev/zero', '/dev/null', '/dev/full'])('%s is not read', async (device) => {
    await expect(read(device)).rejects.toThrow(`${device} is neither a file nor a pipe`)
  })

  test('a stream without end is left after its first piece', async () => {
    let pieces = 0
    const endless = Readable.from(
      (function* () {
        for (;;) {
          pieces++
          yield Buffer.alloc(100_000)
        }
      })(),
      { highWaterMark: 1 },
    )
    await expect(read('-', endless)).rejects.toThrow('neither a state in JSON nor a .snap file')
    expect(pieces).toBeLessThan(5)
  })

  test('a pipe or a link among the snapshots of etcd is passed over', async () => {
    mkdirSync(path('data/member/snap'), { recursive: true })
    execFileSync('mkfifo', [path('data/member/snap/9.snap')])
    symlinkSync('/dev/zero', path('data/member/snap/8.snap'))
    write('data/member/snap/7.snap', snapFile('{"a":1}', 7))
    expect((await read(path('data'))).name).toBe(path('data/member/snap/7.snap'))
  })
})
