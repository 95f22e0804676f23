import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { readRegularFile } from '../text/regular-file.ts'

/** The file that a path leads to. A symbolic link on the way must not be replaced. */
function resolveLink(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path
    throw error
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

/**
 * Replaces a file's content at once or, if anything fails, not at all. A file that is there keeps its
 * mode.
 *
 * @param mode of a file that is not there yet
 * @param change is given what the file holds, as a binary string, and returns what it is to hold
 * @throws the error of the file system, or one that says what else stands in the place of the file
 */
export function replaceFile(path: string, mode: number, change: (content: string) => string): void {
  const target = resolveLink(path)
  const stat = statSync(target, { throwIfNoEntry: false })
  const content = stat ? readRegularFile(target).toString('latin1') : ''
  const temporary = `${target}.${process.pid}.tmp`
  try {
    const file = openSync(temporary, 'w', 0o600)
    try {
      writeFileSync(file, change(content), 'latin1')
      fchmodSync(file, stat ? stat.mode & 0o777 : mode)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, target)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  syncDirectory(dirname(target))
}
