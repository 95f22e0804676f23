import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The environment variable with the directory in which the tests of a run share the built program. */
const PLACE = 'KTREE_TEST_BUILD'

/**
 * Makes a directory for the program that the tests of a run share. The first file that asks for it
 * builds it, because most runs of a few tests need none.
 */
export default function setup(project: TestProject): (() => void) | undefined {
  // The projects of a run share one.
  if (process.env[PLACE] !== undefined) return undefined
  const place = mkdtempSync(join(tmpdir(), 'ktree-build-'))
  process.env[PLACE] = place
  const clear = (): void => rmSync(place, { recursive: true, force: true })
  project.onTestsRerun(async () => {
    clear()
    mkdirSync(place)
  })
  return () => {
    delete process.env[PLACE]
    clear()
  }
}

/** Where the program of this run is, or will be. */
export function buildPlace(): string {
  const place = process.env[PLACE]
  if (place === undefined)
    throw new Error('the configuration of Vitest lacks test/clients/build.ts')
  return place
}

/**
 * Builds src/ unless another file of the run has, or waits for the one that does.
 *
 * @returns a directory with `dist`, `package.json` and `node_modules`, which must not be changed
 */
export async function builtProgram(): Promise<string> {
  const place = buildPlace()
  const outcome = join(place, 'outcome')
  if (begins(place)) {
    let failure = ''
    try {
      build(place)
    } catch (error) {
      // The compiler tells what is wrong on its standard output.
      const { message, stdout = '' } = error as Error & { stdout?: Buffer | string }
      failure = `${message}\n${stdout}`
    }
    // Others must not see a part of it.
    writeFileSync(`${outcome}.new`, failure)
    renameSync(`${outcome}.new`, outcome)
  }
  while (!existsSync(outcome)) await new Promise((resolve) => setTimeout(resolve, 50))
  const failure = readFileSync(outcome, 'utf8')
  if (failure !== '') throw new Error(failure)
  return place
}

/** Whether this file is the first to ask. */
function begins(place: string): boolean {
  try {
    mkdirSync(join(place, 'dist'))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Outside of the repository's dist/, which may be missing or old. */
function build(place: string): void {
  const dist = join(place, 'dist')
  copyFileSync(join(root, 'package.json'), join(place, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'))
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const project = join(root, 'tsconfig.build.json')
  const options = { cwd: root }
  execFileSync(process.execPath, [tsc, '-p', project, '--outDir', dist], options)
  const rolldown = join(root, 'node_modules', 'rolldown', 'bin', 'cli.mjs')
  execFileSync(process.execPath, [rolldown, '--config', '--dir', dist], options)
  execFileSync(process.execPath, [join(dist, 'launch', 'make-code-cache.js')])
}
