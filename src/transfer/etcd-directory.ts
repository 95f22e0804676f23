import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { fileError, TransferError } from './errors.ts'

const SNAPSHOT_SUFFIX = '.snap'

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

/**
 * Finds the snapshots in etcd's data directory; the path may also be its `member` or `member/snap`.
 * The newest comes first, because etcd's names sort by time.
 *
 * @throws TransferError if there are no snapshots
 */
export async function findSnapFiles(path: string): Promise<string[]> {
  const places = [join(path, 'member', 'snap'), join(path, 'snap'), path]
  for (const place of places) {
    if (!(await isDirectory(place))) continue
    const names = await filesIn(place)
    const snapshots = names
      .filter((name) => name.endsWith(SNAPSHOT_SUFFIX))
      .sort()
      .reverse()
    if (snapshots.length > 0) return snapshots.map((name) => join(place, name))
    if (place !== path || names.includes('db')) {
      const hint = 'start etcd once with --snapshot-count 1, see docs/import.md'
      throw new TransferError(`etcd has not written a snapshot to ${place} yet; ${hint}`)
    }
  }
  throw new TransferError(`${path} is a directory without snapshots of etcd`)
}

/** The names of the files in a directory: a link, a pipe or a device is no snapshot of etcd's. */
async function filesIn(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
  } catch (error) {
    throw fileError('read', directory, error)
  }
}

/** Finds the write-ahead log of a snapshot, if both are where etcd puts them. */
export async function findWal(snapFile: string): Promise<string | undefined> {
  const directory = dirname(resolve(snapFile))
  if (basename(directory) !== 'snap') return undefined
  const wal = join(dirname(directory), 'wal')
  return (await isDirectory(wal)) ? wal : undefined
}
