import { execFileSync } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { countLaterWrites } from '../../src/transfer/etcd-wal.ts'
import { message } from './snap-envelope.ts'
import { useTemporaryDirectory } from './temporary-directory.ts'

const path = useTemporaryDirectory()

/** A record as etcd frames it: its length, its bytes, zeros up to the next eighth byte. */
function record(type: number, data: Buffer): Buffer {
  const bytes = message([1, type], [2, 5], [3, data])
  const padding = (8 - (bytes.length % 8)) % 8
  const length = Buffer.alloc(8)
  length.writeUIntLE(bytes.length, 0, 6)
  length[7] = padding === 0 ? 0 : 0x80 | padding
  return Buffer.concat([length, bytes, Buffer.alloc(padding)])
}

const entry = (index: number, data: Buffer, type = 0): Buffer =>
  record(2, message([1, type], [2, 3], [3, index], [4, data]))

const request = (method: string, key: string): Buffer =>
  message([1, 2 ** 60], [2, method], [3, key], [4, 'value'], [5, 0])

/** What may stand around the entries: metadata, state, a checksum and a snapshot. */
const others = [1, 3, 4, 5].map((type) => record(type, message([1, 3], [2, 1])))
const SPACE = Buffer.alloc(1000)
/** A record of three bytes that are not a message. */
const BROKEN = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff])

function writeLog(name: string, ...records: Buffer[]): void {
  writeFileSync(path(name), Buffer.concat([...others, ...records]))
}
const FIRST = '0000000000000000-0000000000000000.wal'
const SECOND = '0000000000000001-0000000000000004.wal'

test('only writes of clients to v2 keys count', async () => {
  const put = request('PUT', '/1/a')
  writeLog(
    FIRST,
    entry(1, put),
    entry(2, put),
    entry(3, put),
    entry(4, request('POST', '/1/a/b')),
    entry(5, request('DELETE', '/1/a')),
    entry(6, message([1, 2 ** 60], [2, put])),
    entry(7, request('QGET', '/1/a')),
    entry(8, request('SYNC', '')),
    entry(9, request('PUT', '/0/members/1/attributes')),
    entry(10, message([1, 2 ** 60], [4, message([1, '/1/key'], [2, 'PUT'])])),
    entry(11, Buffer.alloc(0)),
    entry(12, put, 1),
    entry(13, Buffer.from([0xff, 0xff])),
    SPACE,
  )
  expect(await countLaterWrites(path(), 2)).toBe(4)
  expect(await countLaterWrites(path(), 5)).toBe(1)
  expect(await countLaterWrites(path(), 6)).toBe(0)
  expect(await countLaterWrites(path(), 13)).toBe(0)
})

test('an entry replaces earlier entries from its index on', async () => {
  const put = request('PUT', '/1/a')
  const sync = request('SYNC', '')
  writeLog(FIRST, entry(1, put), entry(2, put), entry(3, put), entry(4, put), entry(2, sync))
  expect(await countLaterWrites(path(), 0)).toBe(1)
  expect(await countLaterWrites(path(), 2)).toBe(0)
})

test('a log continues in the next file; files before the snapshot are not read', async () => {
  const put = request('PUT', '/1/a')
  writeLog(FIRST, entry(1, put), entry(2, put), entry(3, put))
  writeLog(SECOND, entry(4, put), entry(5, put), SPACE)
  writeFileSync(path('1.tmp'), SPACE)
  expect(await countLaterWrites(path(), 1)).toBe(4)
  expect(await countLaterWrites(path(), 3)).toBe(2)
  writeFileSync(path(FIRST), BROKEN)
  expect(await countLaterWrites(path(), 3)).toBe(2)
})

test('a torn record ends the log', async () => {
  const put = request('PUT', '/1/a')
  writeLog(FIRST, entry(1, put), entry(2, put), entry(3, put).subarray(0, -9))
  expect(await countLaterWrites(path(), 0)).toBe(2)
})

test('a missing or unreadable log gives undefined', async () => {
  expect(await countLaterWrites(path('none'), 0)).toBeUndefined()
  expect(await countLaterWrites(path(), 0)).toBeUndefined()
  writeFileSync(path(FIRST), BROKEN)
  expect(await countLaterWrites(path(), 0)).toBeUndefined()
})

test.each([7, 4e9 - 1, 4e9, 2 ** 32, 2 ** 53 - 1])(
  'a gap before index %d gives undefined, however wide it is',
  async (index) => {
    const put = request('PUT', '/1/a')
    writeLog(FIRST, entry(1, put), entry(2, put), entry(index, put))
    expect(await countLaterWrites(path(), 0)).toBeUndefined()
  },
)

test('only files are read', async () => {
  execFileSync('mkfifo', [path(FIRST)])
  expect(await countLaterWrites(path(), 0)).toBeUndefined()
  symlinkSync('/dev/zero', path(SECOND))
  expect(await countLaterWrites(path(), 0)).toBeUndefined()
})
