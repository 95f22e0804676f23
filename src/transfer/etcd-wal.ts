import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ProtobufError, readMessage } from './protobuf.ts'

/** etcd names a file after its number in the sequence and its first raft index, in hex. */
const WAL_FILE = /^[0-9a-f]{16}-([0-9a-f]{16})\.wal$/
const ENTRY_RECORD = 2
const WRITES = new Set(['PUT', 'POST', 'DELETE'])
/** No file of etcd's is larger; it begins a new one after 64 MB. */
const MAX_FILE_BYTES = 1024 ** 3
/** The directory of its v2 store in which etcd keeps clients' keys. */
const KEYS_NAMESPACE = '/1'

/**
 * Counts clients' writes to v2 keys that follow a raft index in etcd's write-ahead log, failed
 * writes included. Checksums are not verified, because the count is only for a warning.
 *
 * @param directory etcd's `member/wal`
 * @param raftIndex the snapshot's
 * @returns undefined if there is no readable log
 */
export async function countLaterWrites(
  directory: string,
  raftIndex: number,
): Promise<number | undefined> {
  try {
    const found = await readdir(directory, { withFileTypes: true })
    const files = found.filter((entry) => entry.isFile() && WAL_FILE.test(entry.name))
    const names = files.map(({ name }) => name).sort()
    if (names.length === 0) return undefined
    const first = names.findLastIndex((name) => firstIndex(name) <= raftIndex + 1)
    /** By distance from the snapshot. An entry replaces earlier entries from its index on. */
    const isWrite: boolean[] = []
    for (const name of names.slice(Math.max(first, 0))) {
      const path = join(directory, name)
      if ((await stat(path)).size > MAX_FILE_BYTES) return undefined
      for (const entry of entries(await readFile(path))) {
        const place = entry.index - raftIndex - 1
        // The entries of a log have no gaps.
        if (place > isWrite.length) return undefined
        isWrite.length = Math.max(0, place)
        if (place >= 0) isWrite[place] = isClientWrite(entry.data)
      }
    }
    return isWrite.filter(Boolean).length
  } catch {
    return undefined
  }
}

function firstIndex(name: string): number {
  return Number.parseInt(WAL_FILE.exec(name)?.[1] ?? '', 16)
}

/** The raft entries of a file, up to its end, its reserved space, or a torn record. */
function* entries(file: Buffer): Generator<{ index: number; data: Buffer }> {
  let at = 0
  while (at + 8 <= file.length) {
    // The length has 56 bits, of which 48 are enough; the top byte has the padding.
    const length = file.readUIntLE(at, 6)
    const padding = file[at + 7] & 0x80 ? file[at + 7] & 7 : 0
    const end = at + 8 + length
    if (length === 0 || end > file.length) return
    const record = readMessage(file.subarray(at + 8, end))
    const content = record.get(3)
    if (record.get(1) === ENTRY_RECORD && Buffer.isBuffer(content)) {
      const entry = readMessage(content)
      const index = entry.get(3)
      const data = entry.get(4)
      const isNormal = (entry.get(1) ?? 0) === 0
      if (typeof index === 'number') {
        yield { index, data: isNormal && Buffer.isBuffer(data) ? data : Buffer.alloc(0) }
      }
    }
    at = end + padding
  }
}

/**
 * Whether an entry is a `Request` that writes to a key, or an `InternalRaftRequest` that contains
 * one.
 */
function isClientWrite(data: Buffer): boolean {
  const fields = readRequest(data)
  const method = fields?.get(2)
  const path = fields?.get(3)
  if (!Buffer.isBuffer(method)) return false
  if (!WRITES.has(method.toString('latin1'))) return data !== method && isClientWrite(method)
  if (!Buffer.isBuffer(path)) return false
  const key = path.toString('latin1')
  return key === KEYS_NAMESPACE || key.startsWith(`${KEYS_NAMESPACE}/`)
}

function readRequest(data: Buffer): Map<number, number | Buffer> | undefined {
  try {
    return readMessage(data)
  } catch (error) {
    if (error instanceof ProtobufError) return undefined
    throw error
  }
}
