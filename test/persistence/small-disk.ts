import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, onTestFinished } from 'vitest'
import { temporaryDirectory } from './data-server.ts'

const MOUNT = 'mount -t tmpfs -o size="$2" tmpfs "$1"'

/** Whether this user may mount a disk that only its own processes see. */
function canMount(): boolean {
  return spawnSync('unshare', ['-rm', 'sh', '-c', MOUNT, 'sh', '/tmp', '1m']).status === 0
}

/**
 * A `describe` for tests that need a {@link SmallDisk}. If users may not mount one, as in many
 * containers, the tests are skipped under a title that says so.
 */
export function describeWithSmallDisk(title: string, suite: () => void): void {
  if (canMount()) describe(title, suite)
  else describe.skip(`${title} (to run these: allow 'unshare -rm mount -t tmpfs')`, suite)
}

/** A disk in memory that a test can fill. It is removed with the test, and with its process. */
export class SmallDisk {
  /** A path to it that works for every process. */
  readonly path: string
  readonly #filler: string

  private constructor(path: string) {
    this.path = path
    this.#filler = join(path, 'filler')
  }

  /** @param size as in a mount option: `24m` */
  static async make(size: string): Promise<SmallDisk> {
    const directory = temporaryDirectory()
    // The mount lives as long as a process in its namespace, and `cat` ends with its input.
    const script = `${MOUNT} && echo mounted && exec cat`
    const holder: ChildProcess = spawn('unshare', [
      '-rm',
      'sh',
      '-c',
      script,
      'sh',
      directory,
      size,
    ])
    onTestFinished(async () => {
      holder.kill('SIGKILL')
      if (holder.exitCode === null && holder.signalCode === null) await once(holder, 'exit')
    })
    await once(holder.stdout as NodeJS.EventEmitter, 'data')
    return new SmallDisk(`/proc/${holder.pid}/root${directory}`)
  }

  /** Fills the disk except for this many bytes. */
  fill(left: number): void {
    const { bavail, bsize } = statfsSync(this.path)
    writeFileSync(this.#filler, Buffer.alloc(Math.max(0, bavail * bsize - left), 1))
  }

  /** Fills the rest of the disk. */
  fillUp(): void {
    const { bavail, bsize } = statfsSync(this.path)
    writeFileSync(`${this.#filler}.rest`, Buffer.alloc(bavail * bsize, 1))
  }

  /** Frees what {@link fill} and {@link fillUp} have filled. */
  free(): void {
    truncateSync(this.#filler)
    rmSync(`${this.#filler}.rest`, { force: true })
  }
}
