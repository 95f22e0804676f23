import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeDirectory } from '../children.ts'

// The trials that are tests, at a size that takes long.

const number = (n: number): string => n.toLocaleString('en').replaceAll(',', ' ')

/** Runs tests with an environment variable that makes them longer. */
export const vitest = (path: string, variable: string, value: number): Promise<string> =>
  runTests([path], { [variable]: String(value) })

/** @param args of vitest @param variables of the environment */
export async function runTests(
  args: readonly string[],
  variables: Readonly<Record<string, string>>,
): Promise<string> {
  const started = performance.now()
  const patience = ['--testTimeout=3600000', '--hookTimeout=3600000']
  const child = spawn('node_modules/.bin/vitest', ['run', ...args, ...patience], {
    env: { ...process.env, ...variables, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk
  })
  const [code] = await once(child, 'exit')
  const total = /^\d+ passed.*$/m.exec(output)?.[0] ?? ''
  if (code !== 0) throw new Error(`${total || 'no test has ended'}\n${output}`)
  return `${total}; ${number(Math.round((performance.now() - started) / 1000))} s`
}

/**
 * Runs the trials of a group at their full size, and prints a table of what they have measured.
 *
 * @param requests of generated users
 */
export async function group(requests: number): Promise<string> {
  const directory = makeDirectory()
  const figures = join(directory, 'figures')
  const paths = ['joining', 'large-values', 'outage'].map(
    (name) => `test/cluster/checker/${name}.test.ts`,
  )
  const total = await runTests([...paths, 'test/cluster/canaries.test.ts', '--maxWorkers=1'], {
    KTREE_CLUSTER_LARGE: '1',
    KTREE_GROUP_ACCESS_OPS: String(requests),
    KTREE_FIGURES: figures,
  })
  process.stdout.write(`\n| trial | measured |\n| --- | --- |\n${readFileSync(figures, 'utf8')}`)
  return total
}

/**
 * Runs the whole suite on other versions of Node.js.
 *
 * @param numbers of the versions, separated by blanks
 */
export async function otherNodes(numbers: string): Promise<string> {
  const child = spawn('.ci/other-nodes', {
    env: { NODE_VERSIONS: numbers, ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk
  })
  const [code] = await once(child, 'exit')
  const versions = output.match(/^Node\.js v\S+/gm) ?? []
  const totals = output.match(/^\d+ passed.*$/gm) ?? []
  if (code !== 0) throw new Error(`${versions.at(-1)}: ${totals.at(-1)}\n${output}`)
  return versions.map((version, i) => `${version}: ${totals[i]}`).join('; ')
}
