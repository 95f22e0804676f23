import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { builtProgram } from './build.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A child process with its output so far. */
export interface RunningProgram {
  readonly process: ChildProcess
  out: string
  err: string
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>
  /** Resolves when its standard output matches `pattern`; rejects if it ends before. */
  says(pattern: RegExp): Promise<RegExpExecArray>
}

/** The program as users run it: compiled, beside its package.json. */
export interface Program {
  /** The directory of the compiled files, which is removed after the tests. */
  readonly dist: string
  readonly directory: string
  /**
   * Runs a compiled script, and kills it after the test if it still runs.
   *
   * @param options for node
   * @param shell commands of sh that run before, such as `ulimit` and `exec >file`
   */
  start(
    script: string,
    args: readonly string[],
    options?: readonly string[],
    shell?: string,
  ): RunningProgram
}

/** Gives each file a copy of the program that the run has built. */
export function useProgram(): Program {
  let directory = ''
  let running: RunningProgram[] = []
  beforeAll(async () => {
    const built = await builtProgram()
    directory = mkdtempSync(join(tmpdir(), 'ktree-program-'))
    cpSync(join(built, 'dist'), join(directory, 'dist'), { recursive: true })
    copyFileSync(join(root, 'package.json'), join(directory, 'package.json'))
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  })
  afterEach(async () => {
    for (const { process, ended } of running) {
      process.kill('SIGKILL')
      await ended
    }
    running = []
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  return {
    get dist() {
      return join(directory, 'dist')
    },
    get directory() {
      return directory
    },
    start(script, args, options = [], shell = '') {
      const commandLine = [process.execPath, ...options, script, ...args]
      const [command, ...rest] =
        shell === '' ? commandLine : ['sh', '-c', `${shell}\nexec "$@"`, 'sh', ...commandLine]
      const program = watch(spawn(command, rest, { cwd: directory }))
      running.push(program)
      return program
    },
  }
}

function watch(child: ChildProcess): RunningProgram {
  const program: RunningProgram = {
    process: child,
    out: '',
    err: '',
    // 'close' comes after the last output, 'exit' may come before.
    ended: once(child, 'close').then(([code, signal]) => code ?? signal),
    says(pattern) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(program.out)
          if (match !== null) resolve(match)
        }
        look()
        child.stdout?.on('data', look)
        void program.ended.then(() => {
          look()
          reject(new Error(`it ended without ${pattern}:\n${program.out}${program.err}`))
        })
      })
    },
  }
  child.stdout?.on('data', (chunk: Buffer) => {
    program.out += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    program.err += chunk.toString()
  })
  return program
}
