import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, onTestFinished } from 'vitest'
import { temporaryDirectory } from './data-server.ts'

const MOUNT = 'mount -t tmpfs -o size="$2" tmpfs "$1"'

/** Whether this user may make a disk of its own, which no one else sees. */
function canMount(): boolean {
  return spawnSync('unshare', ['-rm', 'sh', '-c', MOUNT, 'sh', '/tmp', '1m']).status === 0
}

/**
 * A `describe` for tests that need a {@link SmallDisk}. Where the system lets no user mount one
 * (containers often do not, and no package mends that) they are skipped under a title that says so.
 */
export function describeWithSmallDisk(title: string, suite: () => void): void {
  if (canMount()) describe(title, suite)
  else describe.skip(`${title} (to run these: allow 'unshare -rm mount -t tmpfs')`, suite)
}

/** A disk in memory that a test can fill; it goes away with the test, and with its process. */
export class SmallDisk {
  /** Where everyone can reach it. */
  readonly path: string
  readonly #filler: string

  private constructor(path: string) {
    this.path = path
    this.#filler = join(path, 'filler')
  }

  /** @param size as mount takes it: `24m` */
  static async make(size: string): Promise<SmallDisk> {
    const directory = temporaryDirectory()
    // The mount lives as long as a process in its namespace: `cat` ends with its standard input.
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

  /** Takes up all but so many bytes. */
  fill(left: number): void {
    const { bavail, bsize } = statfsSync(this.path)
    writeFileSync(this.#filler, Buffer.alloc(Math.max(0, bavail * bsize - left), 1))
  }

  /** Takes up what is left by now. */
  fillUp(): void {
    const { bavail, bsize } = statfsSync(this.path)
    writeFileSync(`${this.#filler}.rest`, Buffer.alloc(bavail * bsize, 1))
  }

  /** Gives back what {@link fill} took. */
  free(): void {
    truncateSync(this.#filler)
    rmSync(`${this.#filler}.rest`, { force: true })
  }
}
