import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// When this process ends, all of its children are killed and its directories removed.

const children = new Set<ChildProcess>()
const directories = new Set<string>()

process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  for (const directory of directories) removeDirectory(directory)
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    process.stderr.write(`\n${signal}: ending what was started\n`)
    process.exit(130)
  })
}

/** Makes a temporary directory. @returns its path */
export function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'ktree-bench-'))
  directories.add(directory)
  return directory
}

export function removeDirectory(directory: string): void {
  // A server that was just killed may still be closing its files.
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  directories.delete(directory)
}

/** A program that this process started. */
export interface Child {
  readonly pid: number
  /** The last 16 kB of standard output, and of standard error. */
  readonly output: { out: string; err: string }
  /** Resolves to the exit code, null after a signal; rejects if the program could not be started. */
  readonly exited: Promise<number | null>
  /** Ends the program by its id and waits until it is gone. */
  end(): Promise<void>
}

/**
 * Starts a program.
 *
 * @param input the standard input of the program; empty by default
 */
export function startChild(
  path: string,
  args: readonly string[],
  { cwd, input }: { cwd?: string; input?: string } = {},
): Child {
  const child = spawn(path, args, { stdio: ['pipe', 'pipe', 'pipe'], ...(cwd && { cwd }) })
  children.add(child)
  const output = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    output.out = (output.out + chunk.toString('latin1')).slice(-16_000)
  })
  child.stderr.on('data', (chunk: Buffer) => {
    output.err = (output.err + chunk.toString('latin1')).slice(-16_000)
  })
  // The exit code reports a program that ends before it has read all of its input.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('close', (code) => resolve(code))
    child.once('error', reject)
  })
  exited.catch(() => {}).finally(() => children.delete(child))
  return {
    pid: child.pid ?? 0,
    output,
    exited,
    async end() {
      child.kill('SIGKILL')
      await exited.catch(() => {})
    },
  }
}

/**
 * Waits for some work, up to a bound.
 *
 * @param ms the bound, in milliseconds
 * @param what the work's name, for the error
 * @throws Error if the work takes longer
 */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms / 1000} s`)), ms)
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits. @param ms milliseconds */
export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms))
